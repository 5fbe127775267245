"""Pieces: an answer that arrives in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol, TypeVar

R_co = TypeVar("R_co", covariant=True)


class Pieces(Protocol[R_co]):
    """Iterates over pieces of text."""

    def __iter__(self) -> Iterator[str]: ...

    @property
    def result(self) -> R_co:
        """The whole answer, once the pieces ended; an error that ended them is raised here too."""


class AsyncPieces(Protocol[R_co]):
    """The same for ``async for``."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    async def __anext__(self) -> str: ...

    @property
    def result(self) -> R_co:
        """The whole answer, once the pieces ended; an error that ended them is raised here too."""
