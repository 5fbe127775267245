"""Effects: what an operation reads and writes beside its arguments and its result.

``effects=(pg.reads("cache"), pg.writes("index"), pg.io("console"))``, or the same in words:
``effects=("read:cache", "write:index", "io:console")``. ``()`` means none, ``None`` undeclared.
Source: the numeric-parameter document, "Dependency Control" (memory and IO side effects).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.errors import UsageError
from paragrad.trace.parameter import Parameter
from paragrad.trace.values import shorten
from paragrad.trace.variable import Variable

KINDS = ("read", "write", "io")
FORMS = 'write pg.reads("x"), pg.writes("x"), pg.io("channel"), or "read:x", "write:x", "io:channel"'


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """One effect; equal to its words, ``"io:console"``, when its resource is a name.

    Attributes:
        kind: "read", "write" or "io".
        resource: a name, a Parameter, or the channel of an "io". Equal names are one resource.
    """

    kind: str
    resource: Any

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Effect):
            return self.kind == other.kind and (self.resource is other.resource or self._words() == other._words() is not None)
        return isinstance(other, str) and self._words() == other

    def __hash__(self) -> int:
        return hash(self._words() or (self.kind, self.resource))

    def _words(self) -> str | None:
        return f"{self.kind}:{self.resource}" if isinstance(self.resource, str) else None

    def __str__(self) -> str:
        return f"{self.kind}:{self.resource.id if isinstance(self.resource, Parameter) else self.resource}"


class Effects(tuple[Effect, ...]):
    """What an operation declares, in its order; ``()`` when it declares that it has none."""

    __slots__ = ()

    @property
    def reads(self) -> tuple[Any, ...]:
        """The resources read."""
        return tuple(effect.resource for effect in self if effect.kind == "read")

    @property
    def writes(self) -> tuple[Any, ...]:
        """The resources written."""
        return tuple(effect.resource for effect in self if effect.kind == "write")

    @property
    def io(self) -> tuple[str, ...]:
        """The channels used."""
        return tuple(effect.resource for effect in self if effect.kind == "io")


def reads(*resources: Any) -> Effects:
    """The operation's result depends on these: names, or Parameters that it reads without being given them."""
    return _effects("read", resources)


def writes(*resources: Any) -> Effects:
    """The operation changes these: names, or Parameters."""
    return _effects("write", resources)


def io(*channels: str) -> Effects:
    """The operation speaks to the outside on these channels: "console", "printer"."""
    return _effects("io", channels)


def declared(given: Any) -> Effects | None:
    """What people give as ``effects=``: None, one effect, or a sequence of them at any nesting.

    Raises:
        UsageError: something that is no effect; the message shows how one is written.
    """
    if given is None:
        return None
    found: dict[Effect, None] = {}
    stack = [given]
    while stack:
        part = stack.pop()
        if isinstance(part, Effect):
            found[part] = None
        elif isinstance(part, str):
            found[_in_words(part)] = None
        elif isinstance(part, (Sequence, set, frozenset)):
            stack.extend(reversed(sorted(part, key=str) if isinstance(part, (set, frozenset)) else part))
        else:
            raise UsageError(f"effects holds {shorten(repr(part))}, which is no effect; {FORMS}; () for none, None for undeclared")
    return Effects(found)


def _in_words(text: str) -> Effect:
    kind, colon, resource = (part.strip() for part in text.partition(":"))
    kind = {"reads": "read", "writes": "write"}.get(kind, kind)
    if not colon or kind not in KINDS or not resource:
        raise UsageError(f"{text!r} is no effect; {FORMS}")
    return Effect(kind, resource)


def _effects(kind: str, resources: tuple[Any, ...]) -> Effects:
    if not resources:
        raise UsageError(f"name at least one resource; {FORMS}")
    for resource in resources:
        if isinstance(resource, Parameter) and kind != "io":
            continue
        if not isinstance(resource, str) or not resource:
            what = "a Variable: only names and Parameters are resources" if isinstance(resource, Variable) else "no name"
            raise UsageError(f"{shorten(repr(resource))} is {what}; {FORMS}")
    return Effects(Effect(kind, resource) for resource in resources)
