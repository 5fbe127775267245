"""Bound programs: a model and a release held by the object, right in every thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

from paragrad import registry
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
            return self.program(*args, **kwargs)

    def named_parameters(self) -> dict[str, Parameter[Any]]:
        """Those of the program."""
        return self.program.named_parameters()

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
                url, _, name = self.release.partition("#")
                self._view = registry.facets.get("open_store")(url).resolve_release(name)
                self._read = time.monotonic()
            return self._view


def bind(program: Module, *, model: Any = None, release: str | None = None, refresh: float | None = None) -> Bound:
    """``program`` with a model or release of its own."""
    return Bound(program, model, release, refresh)
