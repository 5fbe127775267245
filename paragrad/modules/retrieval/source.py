"""Source: where documents come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from paragrad.executors import run_coroutine

Document = dict[str, Any]
"""Column to value: ``text``, and whatever else the source knows (``id``, ``score``, …). JSON-like."""


@runtime_checkable
class Source(Protocol):
    """One way to find documents. Safe from any thread.

    Attributes:
        settings: what may be trained, by name: plain values or Parameters. The Retriever shows them as
            its own attributes and passes their current values to ``search``.
        external: whether the answer may change under a run; it is then put on record, so that a
            resumed run is told the same.
    """

    settings: Mapping[str, Any]
    external: bool

    def search(self, asked: Mapping[str, Any]) -> Sequence[Any]:
        """The best documents first.

        Args:
            asked: ``query``, ``k``, the settings, and further inputs by name, all plain.

        Returns:
            Mappings, texts, or rows of a database; at most ``k`` are used.
        """
        ...


class Function:
    """Any function as a source: ``function(query, k)``, or one that names what it wants of query, k and inputs.

    Args:
        function: plain or ``async``.
    """

    external = True

    def __init__(self, function: Callable[..., Any]) -> None:
        self.settings: Mapping[str, Any] = {}
        self.function = function
        self._names = _names(function)

    def search(self, asked: Mapping[str, Any]) -> Sequence[Any]:
        """What the function returns."""
        import inspect

        wanted = asked if self._names is None else {name: asked[name] for name in self._names if name in asked}
        found = self.function(**wanted)
        if inspect.isawaitable(found):
            found = run_coroutine(_awaited(found))
        return list(found)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _names(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """The names of a function's arguments; None when it takes any."""
    import inspect

    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return tuple(p.name for p in parameters)
