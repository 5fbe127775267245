"""Data parallelism: one program in several processes, each with its own rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from paragrad.distributed.agreement import check, shared
from paragrad.distributed.collective import Link, answered, torch_distributed
from paragrad.distributed.flat import Buckets
from paragrad.errors import Outage, UsageError
from paragrad.trace.overlay import transaction
from paragrad.trace.parameter import Parameter
from paragrad.trace.values import brief

T = TypeVar("T")
TIMEOUT = 30.0


class Group:
    """The processes that train one program together. All of them must call its methods, in the same order.

    Args:
        parameters: the Parameters; a program gives its own.
        group: torch's process group; None: the default one.
        timeout: seconds a collective may take.

    Attributes:
        rank: this process, from 0. ``size``: how many there are.
    """

    def __init__(self, parameters: Any, *, group: Any = None, timeout: float = TIMEOUT) -> None:
        self.parameters: list[Parameter[Any]] = _list(parameters)
        self.link = Link(group, timeout)
        self.rank = self.link.rank
        self.size = self.link.size

    def broadcast(self, src: int = 0) -> None:
        """Give every shared Parameter, of any kind, the value it has in process ``src``; all are written, or none.

        Raises:
            UsageError: the processes hold different Parameters, or there is no process ``src``. Outage: a process is gone.
        """
        if not 0 <= src < self.size:
            raise UsageError(f"src is {src}; the processes are 0 to {self.size - 1}")
        check(self.link, self.parameters, f"broadcast of {len(self.parameters)} Parameters")
        chosen = [p for p in self.parameters if shared(p)]
        own = [_bytes(p) for p in chosen]
        sizes = Buckets([len(chosen)], ["int64"])
        sizes.part(0)[:] = [len(data) for data in own]
        what = f"broadcast of {len(chosen)} Parameters"
        sizes.through(self.link.device, lambda *t: self.link.spread(what, src, *t))
        flat = Buckets(sizes.part(0).tolist(), ["uint8"] * len(chosen))
        if self.rank == src:
            for i, data in enumerate(own):
                flat.part(i)[:] = memoryview(data)
        flat.through(self.link.device, lambda *t: self.link.spread(what, src, *t))
        received = [flat.part(i).tobytes() for i in range(len(chosen))]
        values = [(p, _value(p, new)) for p, old, new in zip(chosen, own, received, strict=True) if new != old]
        with transaction():
            for parameter, value in values:
                parameter.write(value)

    def average(self) -> None:
        """Put the mean of all processes' numeric gradients in the place of each one's own.

        A process without a gradient for a Parameter counts as zero; where no process has one there is none after. Words,
        scores and demo evidence stay where they are. Nothing is written unless everything arrived.

        Raises:
            UsageError: the processes hold different Parameters, or a gradient has another shape than its value.
            Outage: a process is gone.
        """
        check(self.link, self.parameters, f"average of the gradients of {len(self.parameters)} Parameters")
        chosen = [p for p in self.parameters if shared(p) and p.requires_grad and _floating(p)]
        totals = [p._accumulator().total() for p in chosen]
        values = [p.value for p in chosen]
        wrong = [_wrong(p, value, total) for p, value, total in zip(chosen, values, totals, strict=True) if total is not None]
        flat = Buckets([*(_size(value) for value in values), len(chosen) + 1], [*(_type(value) for value in values), "float32"])
        known = flat.part(len(chosen))
        known[:-1] = [total is not None for total in totals]
        known[-1] = any(wrong)
        for i, total in enumerate(totals):
            if total is not None and not any(wrong):
                flat.part(i)[:] = _flat(total)
        flat.through(self.link.device, lambda *t: self.link.sum(f"average of {len(chosen)} gradients", *t))
        if known[-1]:
            raise UsageError(
                next(filter(None, wrong), "another process has a gradient that does not fit its Parameter") + "; nothing was averaged"
            )
        for i, (parameter, value) in enumerate(zip(chosen, values, strict=True)):
            if known[i]:
                _put(parameter, _like(flat.part(i) / self.size, value))

    def part(self, rows: Sequence[T]) -> list[T]:
        """This process's rows: every ``size``-th, from its own rank on."""
        return list(rows[self.rank :: self.size])

    def __repr__(self) -> str:
        return f"<process {self.rank} of {self.size}, {len(self.parameters)} Parameters>"


def broadcast(parameters: Any, src: int = 0, *, group: Any = None, timeout: float = TIMEOUT) -> None:
    """:meth:`Group.broadcast` of a program's (or a list of) Parameters."""
    Group(parameters, group=group, timeout=timeout).broadcast(src)


def average(parameters: Any, *, group: Any = None, timeout: float = TIMEOUT) -> None:
    """:meth:`Group.average` of a program's (or a list of) Parameters."""
    Group(parameters, group=group, timeout=timeout).average()


@contextmanager
def data_parallel(
    parameters: Any,
    *,
    backend: str | None = None,
    init_method: str | None = None,
    rank: int = -1,
    size: int = -1,
    timeout: float = TIMEOUT,
) -> Iterator[Group]:
    """Join the processes, check that they hold the same Parameters, and give all of them process 0's values.

    Args:
        parameters: a program, or a list of Parameters.
        backend: torch's name of the transport; default NCCL where every process has a GPU, else gloo.
        init_method: where the processes meet, as torch says it; default: the launcher's environment variables.
        rank, size: this process and how many there are; default: the launcher's.
        timeout: seconds that joining, and each collective, may take.

    Raises:
        UsageError: torch is missing, or the processes hold different Parameters. Outage: not all processes came, or one is gone.
    """
    if 0 <= size <= rank:
        raise UsageError(f"rank={rank} of size={size}; the processes are 0 to {size - 1}")
    dist = torch_distributed()
    joined = not dist.is_initialized()
    if joined:
        with answered("joining", rank, size, timeout), _meeting():
            dist.init_process_group(
                backend or _backend(), init_method=init_method, rank=rank, world_size=size, timeout=timedelta(seconds=timeout)
            )
    try:
        group = Group(parameters, timeout=timeout)
        group.broadcast()
        yield group
    finally:
        if joined:
            dist.destroy_process_group()


@contextmanager
def _meeting() -> Iterator[None]:
    """What torch says of a missing launcher, in words that help."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{error}; start the script with torchrun, or pass init_method=, rank= and size=") from error
    except TimeoutError as error:
        raise Outage(f"not all processes came in time: {error}") from error


def _backend() -> str:
    import torch

    return "nccl" if torch.cuda.is_available() else "gloo"


def _list(parameters: Any) -> list[Parameter[Any]]:
    found: Iterable[Any] = parameters.parameters() if hasattr(parameters, "parameters") else parameters
    made = list(found)
    for place, parameter in enumerate(made):
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"element {place} is {brief(parameter)} of type {type(parameter).__name__}; a group is of Parameters, or a program"
            )
    return made


def _floating(parameter: Parameter[Any]) -> bool:
    value = parameter.value
    return parameter.kind in ("number", "tensor") and (
        isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f"
    )


def _size(value: Any) -> int:
    return int(getattr(value, "size", 1))


def _type(value: Any) -> str:
    """The element type gradients are summed in: at least float32."""
    name = value.dtype.name if hasattr(value, "dtype") else "float64"
    return "float32" if name == "float16" else str(name)


def _flat(total: Any) -> Any:
    return total.reshape(-1) if hasattr(total, "reshape") else total


def _like(mean: Any, value: Any) -> Any:
    return float(mean[0]) if not hasattr(value, "shape") else mean.reshape(value.shape).astype(value.dtype)


def _wrong(parameter: Parameter[Any], value: Any, total: Any) -> str:
    """Why a gradient does not fit its Parameter, or nothing."""
    wanted, found = getattr(value, "shape", ()), getattr(total, "shape", ())
    return "" if wanted == found else f"{parameter.id} has the shape {wanted} and a gradient of the shape {found}"


def _put(parameter: Parameter[Any], gradient: Any) -> None:
    """Replace the numeric gradient; words stay."""
    accumulator = parameter._accumulator()
    accumulator.numbers, accumulator.parts, accumulator.folded = [], [], 0
    accumulator.add_number(gradient)


def _bytes(parameter: Parameter[Any]) -> bytes:
    """A value's bytes; those of an array bare, others after a byte that tells them from no value."""
    value = parameter.value
    if _raw(value):
        return bytes(value.tobytes())
    return b"\0" if value is None else b"\1" + parameter.space.encode(value)


def _value(parameter: Parameter[Any], data: bytes) -> Any:
    import numpy

    value = parameter.value
    if _raw(value):
        return parameter.checked(numpy.frombuffer(data, value.dtype).reshape(value.shape))
    return None if data == b"\0" else parameter.checked(parameter.space.decode(data[1:]))


def _raw(value: Any) -> bool:
    """Whether a value is an array, whose shape and type are known to be equal everywhere."""
    return hasattr(value, "dtype")
