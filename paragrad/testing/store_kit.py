"""What the laws of parameter stores are written with; the kit itself is ``paragrad.testing.stores``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import numpy

from paragrad.registry import spaces

Check = Callable[["Kit"], None]
CHECKS: list[Check] = []


class Kit:
    """One check's surroundings.

    Args:
        make: gives a store.
        store: the one under test.
        corrupt: damages the stored bytes of an id, or None.
        url: opens the same place in another process, or None.
    """

    def __init__(
        self, make: Callable[[], Any], store: Any, corrupt: Callable[[Any, str], None] | None = None, url: str | None = None
    ) -> None:
        self.make = make
        self.store = store
        self.corrupt = corrupt
        self.url = url
        self.prefix = f"check{uuid4().hex[:12]}."

    def id(self, name: str = "a") -> str:
        """An id nobody has."""
        return self.prefix + name

    def text(self, name: str = "a", value: str = "one") -> str:
        """A new text parameter's id."""
        self.store.init_parameter(self.id(name), value, spaces.get("text")())
        return self.id(name)

    def number(self, name: str = "n", value: float = 1.0) -> str:
        """A new number's id."""
        self.store.init_parameter(self.id(name), value, spaces.get("number")())
        return self.id(name)

    def array(self, name: str = "w") -> str:
        """A new array's id."""
        self.store.init_parameter(self.id(name), numpy.array([1.0, 2.0]), spaces.get("tensor")())
        return self.id(name)


class Unheard:
    """A store whose answers are lost: every call gets through, then raises ConnectionError."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any, **options: Any) -> None:
            method(*args, **options)
            raise ConnectionError(f"the answer to {name} was lost")

        return call


def law(check: Check) -> Check:
    """Add a check to the kit."""
    CHECKS.append(check)
    return check


@contextmanager
def refused(*errors: type[Exception]) -> Iterator[list[Exception]]:
    """The block must raise one of ``errors``; it is in the list afterwards."""
    met: list[Exception] = []
    try:
        yield met
    except errors as error:
        met.append(error)
        return
    raise AssertionError(f"nothing was raised, expected {' or '.join(error.__name__ for error in errors)}")


def same(found: Any, wanted: Any) -> None:
    """Both must be equal; arrays element by element."""
    equal = numpy.array_equal(found, wanted) if isinstance(found, numpy.ndarray) else found == wanted
    if not equal:
        raise AssertionError(f"found {found!r}, expected {wanted!r}")


def together(count: int, work: Callable[[int], None]) -> None:
    """Run ``work(0..count-1)`` in threads; the first failure is raised here."""
    errors: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        gate.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
