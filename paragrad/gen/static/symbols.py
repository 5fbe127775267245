"""Symbols: numbers that are not known yet, and the book in which every operation on them is noted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from paragrad.errors import UsageError


class NotStatic(UsageError):
    """A body does what differs from run to run."""


class Unrecordable(Exception):
    """A body does what only running it can answer, though it may well do the same in every run."""


class Choice(NamedTuple):
    """A choice: full address, family, slots of its value and its log density, slots of its arguments."""

    address: Any
    family: Any
    value: int
    logp: int
    args: tuple[int, ...]


class Opaque(NamedTuple):
    """A call of a function that is not recorded.

    Attributes:
        args: its arguments; symbols for what is not known yet.
        retval: what it returned, each number and text in it a symbol.
        trace: the slot of its trace; the weight is in the one after.
    """

    gen_fn: Any
    address: Any
    args: tuple[Any, ...]
    retval: Any
    trace: int


@dataclass(slots=True)
class Book:
    """What a body did, over numbered slots.

    Arguments have the first ones, then come the generator and what answers calls, then everything else. Parameters
    count from the end: the j-th has the slot ``-1 - j``.

    Attributes:
        leading: floats in all arguments.
        rest: first values of the slots after the leading ones; a constant's is the constant.
        steps: operations (name, out, operands), ("choice", out, Choice) and ("call", out, Opaque), in order.
        live: slots that depend on parameters, arguments or what a call returned, not on choices alone.
        packs: slots of lists that are made of others.
        arrays: slots of choices that are arrays.
        params: (owner, name) of every parameter slot; one parameter may have several, for the order of additions.
    """

    leading: int
    rest: list[Any] = field(default_factory=lambda: [None, None])
    steps: list[tuple[Any, ...]] = field(default_factory=list)
    live: set[int] = field(default_factory=set)
    packs: dict[int, tuple[int, ...]] = field(default_factory=dict)
    arrays: set[int] = field(default_factory=set)
    params: list[tuple[Any, str]] = field(default_factory=list)

    @property
    def choices(self) -> list[Choice]:
        """The choices, in order."""
        return [step[2] for step in self.steps if step[0] == "choice"]

    def slot(self, value: Any = None) -> int:
        """A new slot."""
        self.rest.append(value)
        return self.leading + len(self.rest) - 1

    def param(self, id: tuple[Any, str]) -> int:
        """A new slot of a parameter."""
        self.params.append(id)
        place = -len(self.params)
        self.live.add(place)
        return place

    def of(self, value: Any) -> int:
        """The slot of a symbol, or a new one for a constant."""
        return value.slot if value.__class__ is Symbol else self.slot(value)

    def argument(self, value: Any) -> int:
        """The slot of a distribution's argument, which may be a list of symbols."""
        kind = value.__class__
        if not holds_symbols(value) or kind is Symbol:
            return self.of(value)
        if (kind is not list and kind is not tuple) or any(part.__class__ is not Symbol and holds_symbols(part) for part in value):
            raise Unrecordable
        slots = tuple([self.of(part) for part in value])
        made = self.noted("tuple" if kind is tuple else "list", slots)
        self.packs[made.slot] = slots
        return made.slot

    def note(self, name: str, *operands: Any) -> Symbol:
        """An operation on numbers."""
        for operand in operands:
            if operand.slot in self.arrays if operand.__class__ is Symbol else getattr(operand, "ndim", 0):
                raise Unrecordable  # only a run of the body knows arrays
        return self.noted(name, tuple([self.of(operand) for operand in operands]))

    def noted(self, name: str, slots: tuple[int, ...]) -> Symbol:
        """An operation on slots."""
        made = Symbol(self, self.slot())
        if not self.live.isdisjoint(slots):
            self.live.add(made.slot)
        self.steps.append((name, made.slot, slots))
        return made

    def copied(self, value: Any) -> Any:
        """Copies of the live symbols in a structure, in slots of their own.

        The last is noted first, so that derivatives come back in the structure's order.
        """
        kind = value.__class__
        if kind is Symbol:
            return self.noted("same", (value.slot,)) if value.slot in self.live else value
        if kind is list or kind is tuple:
            return kind([self.copied(part) for part in reversed(value)][::-1])
        if kind is dict:
            return {key: self.copied(part) for key, part in reversed(value.items())}
        return value


class Symbol:
    """A number that is not known yet."""

    __slots__ = ("book", "slot")
    __hash__ = object.__hash__

    def __init__(self, book: Book, slot: int) -> None:
        self.book = book
        self.slot = slot

    def symbolic(self, name: str) -> Symbol:
        """A function of it, by name."""
        return self.book.note(name, self)

    def __add__(self, other: Any) -> Symbol:
        return self.book.note("add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self.book.note("add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self.book.note("subtract", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self.book.note("subtract", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self.book.note("multiply", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self.book.note("multiply", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self.book.note("divide", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.book.note("divide", other, self)

    def __pow__(self, other: Any) -> Symbol:
        return self.book.note("power", self, other)

    def __rpow__(self, other: Any) -> Symbol:
        return self.book.note("power", other, self)

    def __neg__(self) -> Symbol:
        return self.book.note("negative", self)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return self.book.note("absolute", self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Symbol:
        from paragrad.gen.static.operations import OPERATIONS

        name = ufunc.__name__
        if method == "__call__" and not kwargs:
            if name == "square":
                return self.book.note("multiply", *inputs, *inputs)
            if name in OPERATIONS:
                return self.book.note(name, *inputs)
        raise not_static(f"calls numpy.{name}")

    def _looked_at(self, *_: Any) -> Any:
        raise not_static("looks at a value that differs from run to run: a comparison, float(), int(), len() or an index")

    __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __round__ = __floor__ = __ceil__ = _looked_at
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __mod__ = __rmod__ = __matmul__ = __rmatmul__ = _looked_at
    __array__ = __format__ = _looked_at


def holds_symbols(value: Any) -> bool:
    """Whether a symbol is in it: in lists, tuples, dicts and the arguments of distributions."""
    kind = value.__class__
    if kind is Symbol:
        return True
    if kind is list or kind is tuple:
        return any(map(holds_symbols, value))
    if kind is dict:
        return any(map(holds_symbols, value.values()))
    return any(map(holds_symbols, value.args)) if hasattr(value, "logpdf") and hasattr(value, "args") else False


def symbols_in(value: Any) -> list[Symbol]:
    """The symbols of a structure, in order."""
    kind = value.__class__
    if kind is Symbol:
        return [value]
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return []
    return [symbol for part in value for symbol in symbols_in(part)]


def not_static(what: str) -> NotStatic:
    """The error of a body that is not static."""
    return NotStatic(
        f"a static generative function does the same in every run, but this one {what}; write @gen.generative without static=True"
    )
