"""A gradient accumulator on a device: one running sum, one lock, and no value that is stretched to fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paragrad.stores.accumulate import Accumulator, checked, largest_of, unfinished, working_dtype


class DeviceLive:
    """The accumulator of one array.

    Args:
        acc: where it starts.
        device: where the sum is.
    """

    __slots__ = ("_buffer", "_count", "_device", "_lock", "moved", "template", "tokens")

    def __init__(self, acc: Accumulator, device: Any) -> None:
        self.template = Accumulator(acc.shape, acc.dtype)
        self.tokens: set[str] = set()
        self.moved = False
        self._device = device
        self._lock = threading.RLock()
        self._buffer: Any = None
        self._count = 0
        self.load(acc)

    def push(self, name: str, delta: Any, scale: float, token: str | None) -> bool:
        """Add a tensor of any device, or an array, once; a known ``token`` adds nothing.

        Raises:
            TypeError, ValueError: wrong type or shape, found before anything is locked or moved.
        """
        term = self._fitting(name, delta, scale)
        with self._lock:
            if token is not None:
                if token in self.tokens:
                    return True
                self.tokens.add(token)
            if self._buffer is None:
                self._buffer = term.clone() if scale == 1.0 else term * scale
            else:
                self._buffer.add_(term, alpha=scale)
            self._count += 1
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """No push gets in between."""
        with self._lock:
            yield

    def tensor(self, device: Any) -> Any:
        """The sum as a new tensor of the parameter's type; the lock is held by the caller."""
        import torch

        kind = getattr(torch, self.template.dtype)
        if self._buffer is None:
            return torch.zeros(self.template.shape or (), dtype=kind, device=device)
        return self._buffer.to(kind, copy=True)

    def snapshot(self) -> Accumulator:
        """The sum on the host; the lock is held by the caller."""
        if self._buffer is None:
            return self.template
        terms = (self._buffer.cpu().numpy().copy(),)
        return Accumulator(self.template.shape, self.template.dtype, self._count, terms)

    def load(self, acc: Accumulator) -> None:
        """Continue from ``acc``; the lock is held by the caller, or nobody else knows this."""
        self._buffer = None
        self._count = acc.count
        for term in acc.terms:
            moved = self._moved(term)
            self._buffer = moved if self._buffer is None else self._buffer.add_(moved)

    def _fitting(self, name: str, delta: Any, scale: float) -> Any:
        """``delta`` on the device, in the type sums are kept in. torch would stretch a shape that does not fit: refuse it."""
        if type(delta).__module__.partition(".")[0] != "torch":
            return self._moved(checked(name, self.template, delta, scale))
        if delta.is_complex() or str(delta.dtype) == "torch.bool":
            raise TypeError(f"the gradient of {name!r} must hold real numbers, not {delta.dtype}; convert it to {self.template.dtype}")
        if tuple(delta.shape) != self.template.shape:
            raise ValueError(
                f"the gradient of {name!r} has shape {tuple(delta.shape)}, the parameter {self.template.shape}; give one number per element"
            )
        term = delta.detach().to(self._device, self._kind())
        self._refuse_unfinished(name, term, scale)
        return term

    def _refuse_unfinished(self, name: str, term: Any, scale: float) -> None:
        """One fast pass on the device; only a doubtful one is looked at closely."""
        import torch

        flat = term.reshape(-1)
        limit = largest_of(getattr(torch, self.template.dtype))
        if not float(flat.dot(flat)) * scale * scale < limit * limit and not (flat.abs().double() * abs(scale) <= limit).all():
            bad = int((~(flat.abs().double() * abs(scale) <= limit)).sum())
            raise unfinished(name, f"is nan, infinite or too large in {bad} of {flat.numel()} elements")

    def _moved(self, array: Any) -> Any:
        import numpy
        import torch

        return torch.from_numpy(numpy.array(array)).to(self._device, self._kind())

    def _kind(self) -> Any:
        import torch

        return getattr(torch, working_dtype(self.template))
