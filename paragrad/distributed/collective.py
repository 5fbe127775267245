"""Collectives that answer or fail: one clear error within a deadline when a process of the group is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from paragrad.errors import Outage, UsageError, not_installed


def torch_distributed() -> Any:
    """The module torch.distributed.

    Raises:
        UsageError: it is not installed; the message names the extra.
    """
    try:
        import torch.distributed as dist
    except ImportError:
        raise not_installed("data-parallel training", "torch", "torch") from None
    if not dist.is_available():
        raise UsageError("this PyTorch was built without torch.distributed; install the ordinary one: pip install 'paragrad[torch]'")
    return dist


@contextmanager
def answered(what: str, rank: int, size: int, timeout: float) -> Iterator[None]:
    """Turn torch's errors of a collective into one of ours.

    Raises:
        Outage: a process is gone, or did not answer in time.
    """
    try:
        yield
    except RuntimeError as error:  # torch's own errors of communication, DistBackendError among them
        if isinstance(error, UsageError):
            raise
        cause = str(error).partition("\n")[0].rpartition("] ")[2].partition(". ")[0][:120] or str(error)[:120] or type(error).__name__
        raise Outage(
            f"{what} failed on process {rank} of {size}: another process is gone or did not answer within {timeout:g} s ({cause}). "
            "Nothing was written here; start all processes again"
        ) from error


class Link:
    """A process group with a deadline for each collective.

    Args:
        group: torch's process group; None: the default one.
        timeout: seconds a collective may take.
    """

    def __init__(self, group: Any, timeout: float) -> None:
        self.dist = torch_distributed()
        if not self.dist.is_initialized():
            raise UsageError("torch.distributed is not initialised; use `with data_parallel(program):`, or call init_process_group first")
        self.group = group
        self.timeout = timeout
        self.rank: int = self.dist.get_rank(group)
        self.size: int = self.dist.get_world_size(group)
        self.device = self._device()

    def _device(self) -> Any:
        import torch

        if self.dist.get_backend(self.group) == "nccl":
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("cpu")

    def wait(self, what: str, *started: Callable[[], Any]) -> None:
        """Start collectives and wait for all of them."""
        with answered(what, self.rank, self.size, self.timeout):
            for work in [start() for start in started]:
                if not work.wait(timedelta(seconds=self.timeout)):
                    raise RuntimeError("no answer")

    def sum(self, what: str, *tensors: Any) -> None:
        """Every tensor summed over the processes, in place."""
        self.wait(what, *[lambda t=t: self.dist.all_reduce(t, group=self.group, async_op=True) for t in tensors])

    def largest(self, what: str, tensor: Any) -> None:
        """The largest elements over the processes, in place."""
        self.wait(what, lambda: self.dist.all_reduce(tensor, op=self.dist.ReduceOp.MAX, group=self.group, async_op=True))

    def spread(self, what: str, src: int, *tensors: Any) -> None:
        """Every tensor as process ``src`` has it, in place."""
        root = src if self.group is None else self.dist.get_global_rank(self.group, src)
        self.wait(what, *[lambda t=t: self.dist.broadcast(t, root, group=self.group, async_op=True) for t in tensors])

    def collect(self, what: str, data: bytes) -> list[bytes]:
        """Every process's bytes, in order of rank."""
        import torch

        sizes = torch.zeros(self.size, dtype=torch.int64, device=self.device)
        sizes[self.rank] = len(data)
        self.sum(what, sizes)
        sent = torch.zeros(int(sizes.max()), dtype=torch.uint8, device=self.device)
        if data:
            sent[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(self.device)
        got = [torch.empty_like(sent) for _ in range(self.size)]
        self.wait(what, lambda: self.dist.all_gather(got, sent, group=self.group, async_op=True))
        return [bytes(one[: int(n)].cpu().numpy()) for one, n in zip(got, sizes.tolist(), strict=True)]
