"""Which implementation serves which rule on which store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.errors import UsageError
from paragrad.rules.base import Rule
from paragrad.rules.per_store import StoreOptimizer


class Implementations:
    """A registry by two types; the most specific rule wins, then the most specific store."""

    def __init__(self) -> None:
        self._found: dict[tuple[type, type], Any] = {}

    def add(self, rule: type, store: type, part: Any) -> None:
        """Register; a pair that another class serves is an error, the same class again is not."""
        taken = self._found.get((rule, store))
        if taken is not None and taken.__qualname__ != part.__qualname__:
            raise UsageError(f"{rule.__name__} on {store.__name__} is implemented by {taken.__qualname__} already")
        self._found[rule, store] = part

    def get(self, conf: Any, store: Any) -> Any:
        """The class for a configuration and a store.

        Raises:
            UsageError: no rule, and nothing registered for it.
        """
        for rule in type(conf).__mro__:
            for kind in type(store).__mro__:
                found = self._found.get((rule, kind))
                if found is not None:
                    return found
        if isinstance(conf, Rule):
            return StoreOptimizer
        if isinstance(conf, type) and issubclass(conf, Rule):
            raise UsageError(
                f"{conf.__name__} is a class of rules; make one: {conf.__name__}(...) with its step, see help(pg.rules.{conf.__name__})"
            )
        raise UsageError(
            f"{conf!r:.80} is no update rule for {type(store).__name__}; use pg.rules.SGD(lr=0.1) or another Rule, "
            f"or register a class with @pg.implements({type(conf).__name__}, {type(store).__name__})"
        )


IMPLEMENTATIONS = Implementations()


def implements(conf: type, store: type) -> Callable[[Any], Any]:
    """Decorator: this class applies configurations ``conf`` to stores ``store``, in place of the general way.

    The class is called with (conf, ids, store) and offers ``prepare()``, which takes the gradients and returns
    a :class:`Prepared` for ``publish``. That is all a new store or a new rule needs.

    Raises:
        UsageError: one of both is no class, or the pair is taken.
    """
    for given in (conf, store):
        if not isinstance(given, type):
            raise UsageError(f"@implements takes two classes, a configuration's and a store's, not {given!r:.60}")

    def add(part: Any) -> Any:
        if not callable(getattr(part, "prepare", None)):
            raise UsageError(f"{part!r:.60} has no prepare(); derive it from pg.rules.StoreOptimizer, or write prepare(self) -> Prepared")
        IMPLEMENTATIONS.add(conf, store, part)
        return part

    return add
