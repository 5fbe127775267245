"""Recording a body once: arguments, parameters and choices are symbols, and every operation on them is noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.calling import RUNNING
from paragrad.gen.choices import MISSING, normal


@dataclass(slots=True)
class Book:
    """What a body did, over numbered slots: parameters first, then arguments, then everything else.

    Attributes:
        rest: first values of the slots after parameters and arguments; a constant's is the constant.
        steps: operations (name, out, operands) and choices, in order.
        choices: (address, family, value's slot, log probability's slot, arguments' slots).
        names: parameters with their first values, in the order of their slots.
    """

    leading: int
    names: list[tuple[str, Any]] = field(default_factory=list)
    rest: list[Any] = field(default_factory=list)
    steps: list[tuple[Any, ...]] = field(default_factory=list)
    choices: list[tuple[Any, Any, int, int, tuple[int, ...]]] = field(default_factory=list)
    symbolic: set[int] = field(default_factory=set)

    def slot(self, value: Any = None) -> int:
        """A new slot."""
        self.rest.append(value)
        return self.leading + len(self.rest) - 1

    def of(self, value: Any) -> int:
        """The slot of a symbol, or a new one for a constant."""
        return value.slot if value.__class__ is Symbol else self.slot(value)

    def note(self, name: str, *operands: Any) -> Symbol:
        """An operation."""
        slots = tuple([self.of(operand) for operand in operands])
        made = self.made(self.slot())
        self.steps.append((name, made.slot, slots))
        return made

    def made(self, slot: int) -> Symbol:
        """The symbol of a slot."""
        self.symbolic.add(slot)
        return Symbol(self, slot)


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
        from paragrad.gen.static.program import OPERATIONS

        if ufunc.__name__ not in OPERATIONS or method != "__call__" or kwargs:
            raise _not_static(f"calls numpy.{ufunc.__name__}")
        return self.book.note(ufunc.__name__, *inputs)

    def _looked_at(self, *_: Any) -> Any:
        raise _not_static("looks at a value that differs from run to run: a comparison, float(), int(), len() or an index")

    __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __round__ = __floor__ = __ceil__ = _looked_at
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __mod__ = __rmod__ = __matmul__ = __rmatmul__ = _looked_at
    __array__ = __format__ = _looked_at


class Recording:
    """What answers ``gen.sample`` and ``gen.param`` while a body is recorded."""

    def __init__(self, gen_fn: Any, names: Sequence[str], arguments: int) -> None:
        self.gen_fn = gen_fn
        self.places = {name: place for place, name in enumerate(names)}
        self.book = Book(len(names) + arguments, [(name, MISSING) for name in names])
        self.addresses: set[Any] = set()

    def param(self, name: str, init: Any) -> Symbol:
        """The symbol of a parameter."""
        place = self.places.get(name)
        if place is None:
            raise _not_static(f"reads the parameter {name!r:.60} in one run and not in another")
        self.book.names[place] = (name, init)
        return self.book.made(place)

    def choice(self, dist: Any, address: Any) -> Symbol:
        """The symbol of a choice."""
        if not hasattr(dist, "log_density_grad"):
            raise _not_static(f"draws from {getattr(dist, 'kind', dist)!r:.40}, which is no gen.Family")
        address = normal(address)
        if address in self.addresses:
            raise UsageError(f"{self.gen_fn!r} uses the address {address!r:.80} twice; give every choice its own")
        self.addresses.add(address)
        book = self.book
        args = tuple([book.of(arg) for arg in dist.args])
        value = book.made(book.slot())
        entry = (address, type(dist), value.slot, book.slot(), args)
        book.choices.append(entry)
        book.steps.append(("choice", entry))
        return value

    def call(self, gen_fn: Any, args: tuple[Any, ...], address: Any) -> Any:
        """Not here."""
        raise _not_static(f"calls {gen_fn!r}")


def record(gen_fn: Any, names: Sequence[str], shapes: Sequence[Any], count: int) -> tuple[Book, Any]:
    """Run the body once on symbols; what it did, and what it returned.

    Args:
        names: its parameters.
        shapes: per argument, ``Floats(...)`` or the value itself.
        count: floats in all arguments.
    """
    run = Recording(gen_fn, names, count)
    place, args = len(names), []
    for shape in shapes:
        arg, place = (shape.symbols(run.book, place)) if hasattr(shape, "symbols") else (shape, place)
        args.append(arg)
    token = RUNNING.set(run)  # type: ignore[arg-type]
    try:
        return run.book, gen_fn.function(*args)
    finally:
        RUNNING.reset(token)


def _not_static(what: str) -> UsageError:
    return UsageError(
        f"a static generative function does the same in every run, but this one {what}; write @gen.generative without static=True"
    )
