"""Choice maps and selections: values by address, and sets of addresses.

An address is any hashable. A tuple is a path: a choice ``"z"`` made by a call at ``"bar"`` has the
address ``("bar", "z")``. A tuple of one element is that element.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.given import PLAIN, plain_value

Address = Hashable
MISSING: Any = object()


def normal(address: Any) -> Any:
    """The address in its one form: ``("z",)`` is ``"z"``.

    Raises:
        UsageError: None, an empty tuple, or something that cannot be a key.
    """
    if address.__class__ is tuple and len(address) == 1:
        return normal(address[0])
    if address is None or address == ():
        raise UsageError(f"{address!r} is no address; write a string, a number or a path such as ('y', 0)")
    try:
        hash(address)
    except TypeError:
        raise UsageError(f"the address {address!r:.80} cannot be a key; write a string, a number or a tuple of those") from None
    return address


def path(address: Any) -> tuple[Any, ...]:
    """The address as a tuple."""
    return address if address.__class__ is tuple else (address,)


def join(prefix: Any, address: Any) -> Any:
    """The address of what a call at ``prefix`` calls ``address``."""
    return (*path(prefix), *path(address))


def known(addresses: Any, limit: int = 8) -> str:
    """Addresses as a message lists them."""
    found = list(addresses)
    shown = ", ".join(f"{address!r:.60}" for address in found[:limit])
    return shown + (f" and {len(found) - limit} more" if len(found) > limit else "") if found else "none"


class Choices(Mapping[Any, Any]):
    """An immutable map from full address to value; ``choices["bar"]`` is what lies below a call.

    Args:
        values: address (or path) to value; a value that is a dict or another map lies below the address. Numbers of numpy and
            torch become Python's, arrays of floats float64.

    Raises:
        UsageError: one address twice, or a value whose gradient would be lost.
    """

    __slots__ = ("_below", "_values")

    def __init__(self, values: Mapping[Any, Any] | None = None) -> None:
        flat: dict[Any, Any] = {}
        for address, value in (values or {}).items():
            address = normal(address)
            if isinstance(value, Mapping):
                inner = {join(address, below): leaf for below, leaf in choicemap(value).items()}
            else:
                inner = {address: value if value.__class__ in PLAIN else plain_value(value, address)}
            for full, leaf in inner.items():
                if full in flat:
                    raise UsageError(f"the address {full!r} is given twice; keep one of the two")
                flat[full] = leaf
        self._values = flat
        self._below: dict[Any, Choices] | None = None

    @classmethod
    def flat(cls, values: dict[Any, Any]) -> Choices:
        """From a dict of normal addresses, taken as it is."""
        made = cls.__new__(cls)
        made._values, made._below = values, None
        return made

    def __getitem__(self, address: Any) -> Any:
        address = normal(address)
        found = self._values.get(address, MISSING)
        if found is not MISSING:
            return found
        below = self.sub(address)
        if not below:
            raise KeyError(f"no choice at {address!r:.80}; known: {known(self._values)}")
        return below

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        shown = ", ".join(f"{address!r}: {value!r:.40}" for address, value in list(self._values.items())[:8])
        return f"Choices({{{shown}{', …' if len(self) > 8 else ''}}})"

    def sub(self, address: Any) -> Choices:
        """What lies below ``address``, maybe nothing."""
        here = self
        for part in path(address):
            if here._below is None:
                here._below = _grouped(here._values)
            here = here._below.get(part, NOTHING)
        return here

    def merged(self, other: Mapping[Any, Any]) -> Choices:
        """Both; where both have an address, the other's value."""
        return Choices.flat({**self._values, **choicemap(other)._values})

    def selected(self, selection: Selection) -> Choices:
        """The part that is in ``selection``."""
        return Choices.flat({address: value for address, value in self._values.items() if address in selection})


def _grouped(values: dict[Any, Any]) -> dict[Any, Choices]:
    groups: dict[Any, dict[Any, Any]] = {}
    for address, value in values.items():
        if address.__class__ is tuple:
            rest = address[1:] if len(address) > 2 else address[1]
            groups.setdefault(address[0], {})[rest] = value
    return {head: Choices.flat(group) for head, group in groups.items()}


NOTHING = Choices()


def choicemap(values: Any = None) -> Choices:
    """A choice map from a dict, which may hold others, a trace's choices, or None."""
    if values is None:
        return NOTHING
    if isinstance(values, Choices):
        return values
    if isinstance(values, Mapping):
        return Choices(values)
    raise UsageError(f"{values!r:.80} is no choice map; write {{address: value}}")


class Selection:
    """A set of addresses; an address selects everything below it.

    ``address in selection``, ``~selection`` (all others), ``a | b``.
    """

    __slots__ = ("_inverted", "_paths")

    def __init__(self, paths: frozenset[Any] = frozenset(), inverted: bool = False) -> None:
        self._paths = paths
        self._inverted = inverted

    def __contains__(self, address: Any) -> bool:
        return self._has(normal(address)) is not self._inverted

    def __invert__(self) -> Selection:
        return Selection(self._paths, not self._inverted)

    def __or__(self, other: Selection) -> Selection:
        if self._inverted or other._inverted:
            raise UsageError("only selections that list their addresses can be joined; write ~(a | b) or list them")
        return Selection(self._paths | other._paths)

    def __repr__(self) -> str:
        listed = ", ".join(sorted(map(repr, self._paths)))
        return f"~select({listed})" if self._inverted else f"select({listed})"

    @property
    def empty(self) -> bool:
        """Whether it surely selects nothing."""
        return not self._paths and not self._inverted

    def sub(self, address: Any) -> Selection:
        """What it selects below a call at ``address``, seen from inside."""
        if self._has(address):
            return Selection(frozenset(), not self._inverted)
        parts = path(address)
        size = len(parts)
        inner = [p[size:] for p in map(path, self._paths) if len(p) > size and p[:size] == parts]
        return Selection(frozenset(map(normal, inner)), self._inverted)

    def _has(self, address: Any) -> bool:
        if address in self._paths:
            return True
        return address.__class__ is tuple and any(normal(address[:end]) in self._paths for end in range(1, len(address)))


def select(*addresses: Any) -> Selection:
    """The addresses, and everything below them; ``select()`` selects nothing, ``~select()`` everything."""
    if any(isinstance(address, Selection) for address in addresses):
        raise UsageError("select takes addresses; join selections with |")
    return Selection(frozenset(map(normal, addresses)))


def selection_of(given: Any) -> Selection:
    """A selection from one, an address, or a list or set of addresses.

    Raises:
        UsageError: it is none of them.
    """
    if isinstance(given, Selection):
        return given
    if given is None or isinstance(given, Mapping):
        raise UsageError(f"{given!r:.80} is no selection; write gen.select('a', ('b', 0)), or one address")
    return select(*given) if isinstance(given, list | set | frozenset) else select(given)
