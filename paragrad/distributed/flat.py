"""Many small arrays in few flat buffers, one per element type and at most ``BUCKET`` bytes (larger arrays have their own)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

BUCKET = 32 * 2**20


class Buckets:
    """Arrays laid out one after another.

    Args:
        sizes: elements of each array.
        dtypes: numpy names of their element types.

    Attributes:
        buffers: writable flat arrays.
        places: for each array (number of its buffer, first element).
    """

    def __init__(self, sizes: Sequence[int], dtypes: Sequence[str], limit: int = BUCKET) -> None:
        import numpy

        filled: list[int] = []
        types: list[str] = []
        open_: dict[str, int] = {}
        self.sizes = sizes
        self.places: list[tuple[int, int]] = []
        for size, dtype in zip(sizes, dtypes, strict=True):
            at = open_.get(dtype)
            if at is None or (filled[at] and (filled[at] + size) * numpy.dtype(dtype).itemsize > limit):
                at = open_[dtype] = len(filled)
                filled.append(0)
                types.append(dtype)
            self.places.append((at, filled[at]))
            filled[at] += size
        self.buffers = [numpy.zeros(size, dtype) for size, dtype in zip(filled, types, strict=True)]

    def part(self, i: int) -> Any:
        """The place of array ``i``, flat."""
        at, start = self.places[i]
        return self.buffers[at][start : start + self.sizes[i]]

    def through(self, device: Any, collective: Callable[..., None]) -> None:
        """Hand the buffers to a collective as tensors, and take back what it left in them."""
        import torch

        tensors = [torch.from_numpy(buffer).to(device) for buffer in self.buffers]
        if tensors:
            collective(*tensors)
        for buffer, tensor in zip(self.buffers, tensors, strict=True):
            if tensor.device.type != "cpu":
                buffer[:] = tensor.cpu().numpy()
