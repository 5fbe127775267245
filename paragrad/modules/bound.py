"""Bound programs: a model and a release held by the object, right in every thread."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

from paragrad import registry
from paragrad.errors import Outage, StoreError
from paragrad.events import emit
from paragrad.llm import as_model, use
from paragrad.trace.module import Module
from paragrad.trace.parameter import Parameter


class Bound(Module):
    """A program that always asks one model and reads one release.

    Args:
        refresh: seconds after which a tag is looked up again; None: once, at the first call.
    """

    def __init__(self, program: Module, model: Any, release: str | None, refresh: float | None) -> None:
        self.program = program
        self.model = as_model(model) if model is not None else None
        self.release = release
        self.refresh = refresh
        self._view: Any = None
        self._read = float("-inf")
        self._guard = Lock()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The program, in its own context."""
        with self._context():
            out = self.program(*args, **kwargs)
        return self._awaited(out) if inspect.isawaitable(out) else out

    def named_parameters(self) -> dict[str, Parameter[Any]]:
        """Those of the program."""
        return self.program.named_parameters()

    def save(self, path: Any) -> None:
        """Write the program, with the values of the release."""
        with self._context():
            self.program.save(path)

    def export(self, path: Any = None) -> str:
        """The program as plain Python, with the values of the release."""
        with self._context():
            return self.program.export(path)

    def __getattr__(self, name: str) -> Any:
        """What the program has."""
        if name.startswith("_") or "program" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.program, name)

    def __repr__(self) -> str:
        held = [f"model={self.model.name}"] if self.model is not None else []
        held += [f"release={self.release.rpartition('#')[2]}"] if self.release is not None else []
        return f"{self.program!r} bound to {', '.join(held) or 'nothing'}"

    async def _awaited(self, out: Any) -> Any:
        """An async program runs when it is awaited, so its context is entered then."""
        with self._context():
            return await out

    @contextmanager
    def _context(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self.model is not None:
                stack.enter_context(use(self.model))
            if self.release is not None:
                stack.enter_context(registry.facets.get("context")(self._current()))
            yield

    def _current(self) -> Any:
        """The release the tag names, looked up again after ``refresh`` seconds."""
        assert self.release is not None
        with self._guard:
            age = time.monotonic() - self._read
            if self._view is None or (self.refresh is not None and age >= self.refresh):
                self._view = self._looked_up(self.release)
                self._read = time.monotonic()
            return self._view

    def _looked_up(self, release: str) -> Any:
        """The release's values; while the store cannot be reached, those it gave before."""
        url, _, name = release.partition("#")
        try:
            return registry.facets.get("open_store")(url).resolve_release(name)
        except (StoreError, Outage, OSError) as error:
            if self._view is None:
                raise
            emit("warning", text=f"{release} could not be looked up again, its last values stay in use: {error}")
            return self._view


def bind(program: Module, *, model: Any = None, release: str | None = None, refresh: float | None = None) -> Bound:
    """``program`` with a model or release of its own."""
    return Bound(program, model, release, refresh)
