"""Recording a body once: arguments, parameters, choices and what calls return are symbols, and every operation on them is noted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paragrad.gen.calling import RUNNING
from paragrad.gen.choices import MISSING, join, normal
from paragrad.gen.static.symbols import Book, Choice, NotStatic, Opaque, Symbol, Unrecordable, not_static

if TYPE_CHECKING:
    from paragrad.gen.trace import Trace

LEAVES = (float, int, str)


class Frame:
    """The run of one body: the recorded function's, or that of a callee that was taken in.

    Attributes:
        address: where its caller calls it; None for the outermost.
        first: the trace of a run of it.
        entries: its choices, opaque calls and frames by address of its own, in order.
        reads: the ids of its parameters, by order of reading, with their first values and symbols.
        totals: per parameter of it and of those below, the slot where its derivatives come together.
    """

    __slots__ = ("address", "args", "begin", "entries", "first", "gen_fn", "prefix", "reads", "retval", "totals")

    def __init__(self, gen_fn: Any, first: Trace, address: Any = None, prefix: tuple[Any, ...] = (), begin: int = 0) -> None:
        self.gen_fn = gen_fn
        self.first = first
        self.address = address
        self.prefix = prefix
        self.begin = begin
        self.entries: list[tuple[Any, Choice | Opaque | Frame]] = []
        self.reads: dict[tuple[Any, str], tuple[Any, Symbol]] = {}
        self.totals: dict[tuple[Any, str], int] = {}
        self.args: tuple[Any, ...] = ()
        self.retval: Any = None

    @property
    def frames(self) -> list[Frame]:
        """Callees that were taken in."""
        return [entry for _, entry in self.entries if entry.__class__ is Frame]

    @property
    def calls(self) -> list[Opaque]:
        """Calls of functions that are not recorded."""
        return [entry for _, entry in self.entries if entry.__class__ is Opaque]


class Recording:
    """What answers ``gen.sample`` and ``gen.param`` while a body is recorded.

    Args:
        frame: of the outermost body.
        book: where its arguments are symbols.
        taken_in: whether a function's body always does the same, so that it can be part of the caller's program.
    """

    def __init__(self, frame: Frame, book: Book, taken_in: Any) -> None:
        self.frame = self.root = frame
        self.owner = frame.gen_fn
        self.book = book
        self.taken_in = taken_in

    def param(self, name: str, init: Any = MISSING) -> Any:
        """The symbol of a parameter."""
        id, frame = (self.owner, name), self.frame
        known = frame.reads.get(id)
        if known is None:
            read = frame.first._reads.get(id)
            if read is None:
                raise not_static(f"reads the parameter {name!r:.60} in one run and not in another")
            if read.value.__class__ is not float:
                raise Unrecordable
            known = frame.reads[id] = (init, Symbol(self.book, self.book.param(id)))
        return known[1]

    def parameter(self, parameter: Any) -> Any:
        """A ``pg.Parameter`` is no part of a program: it is read, and its derivative handed on, by running the body."""
        raise Unrecordable

    def choice(self, dist: Any, address: Any) -> Symbol:
        """The symbol of a choice."""
        if not hasattr(dist, "log_density_grad"):
            raise not_static(f"draws from {getattr(dist, 'kind', dist)!r:.40}, which is no gen.Family")
        address = normal(address)
        first = self.frame.first._values.get(address, MISSING)
        if first is MISSING:
            raise not_static(f"makes a choice at {address!r:.60} in one run and not in another")
        book = self.book
        args = tuple([book.argument(arg) for arg in dist.args])
        made = Choice(join(self.frame.prefix, address) if self.frame.prefix else address, type(dist), book.slot(), book.slot(), args)
        if getattr(first, "ndim", 0):
            book.arrays.add(made.value)
        book.steps.append(("choice", made.value, made))
        self.frame.entries.append((address, made))
        return Symbol(book, made.value)

    def call(self, gen_fn: Any, args: tuple[Any, ...], address: Any) -> Any:
        """A call: spliced or taken in where its body always does the same, else as one opaque step."""
        if address is None:
            return self._spliced(gen_fn, args)
        address, frame = normal(address), self.frame
        first = frame.first._calls.get(address)
        if first is None:
            raise not_static(f"calls {gen_fn!r} at {address!r:.60} in one run and not in another")
        if self.taken_in(gen_fn):
            steps, params = len(self.book.steps), len(self.book.params)
            try:
                return self._entered(gen_fn, args, address, first)
            except (NotStatic, Unrecordable):  # it looks at what is given to it
                self.frame = frame
                del self.book.steps[steps:], self.book.params[params:]
        if frame is not self.root:
            raise Unrecordable  # its caller will be one opaque step
        return self._opaque(gen_fn, args, address, first)

    def _spliced(self, gen_fn: Any, args: tuple[Any, ...]) -> Any:
        if not self.taken_in(gen_fn):
            raise Unrecordable
        owner, self.owner = self.owner, gen_fn
        try:
            return gen_fn.function(*args)
        except NotStatic:  # it looks at what is given to it; run for itself it might do so
            raise Unrecordable from None
        finally:
            self.owner = owner

    def _entered(self, gen_fn: Any, args: tuple[Any, ...], address: Any, first: Trace) -> Any:
        """Record a callee's body. Its arguments, parameters and value have slots of their own, so that derivatives are
        added up in the order in which its own gradients would.
        """
        book, outer, owner = self.book, self.frame, self.owner
        frame = Frame(gen_fn, first, address, (*outer.prefix, *join((), address)), len(book.steps))
        frame.args = book.copied(args)
        self.frame, self.owner = frame, gen_fn
        try:
            frame.retval = gen_fn.function(*frame.args)
        finally:
            self.frame, self.owner = outer, owner
        retval = book.copied(frame.retval)
        outer.entries.append((address, frame))
        return retval

    def _opaque(self, gen_fn: Any, args: tuple[Any, ...], address: Any, first: Trace) -> Any:
        book = self.book
        retval = self._unknown(first.retval)
        made = Opaque(gen_fn, address, args, retval, book.slot())
        book.slot()  # of its weight
        book.steps.append(("call", made.trace, made))
        self.frame.entries.append((address, made))
        return retval

    def _unknown(self, value: Any) -> Any:
        """A symbol for each number and text of a structure; None belongs to the structure, as bodies ask for it."""
        kind, book = value.__class__, self.book
        if kind is list or kind is tuple:
            return kind([self._unknown(part) for part in value])
        if kind is dict:
            return {key: self._unknown(part) for key, part in value.items()}
        if value is None:
            return None
        if not isinstance(value, LEAVES):
            raise Unrecordable
        made = Symbol(book, book.slot())
        book.live.add(made.slot)
        return made


def record(first: Trace, shapes: Sequence[Any], count: int, taken_in: Any) -> tuple[Book, Frame]:
    """Run the body of a trace's function once more, on symbols: what it did.

    Args:
        first: a run on arguments of the same structure.
        shapes: per argument, ``Floats(...)`` or the value itself.
        count: floats in all arguments.
        taken_in: whether a callee may become part of the program.

    Raises:
        NotStatic: it looks at a value.
        Unrecordable: it has to run every time.
    """
    book = Book(count)
    frame = Frame(first.gen_fn, first)
    place, args = 0, []
    for shape in shapes:
        arg, place = (shape.symbols(book, place)) if hasattr(shape, "symbols") else (shape, place)
        args.append(arg)
    frame.args = tuple(args)
    run = Recording(frame, book, taken_in)
    token = RUNNING.set(run)  # type: ignore[arg-type]
    try:
        frame.retval = first.gen_fn.function(*args)  # type: ignore[attr-defined]
    finally:
        RUNNING.reset(token)
    _share(book, frame)
    return book, frame


def _share(book: Book, root: Frame) -> None:
    """Hand the derivatives of callees' parameters to their callers' slots, one after another as runs of their own would."""
    inserts: list[tuple[int, int, int]] = []  # (where, from, to)
    _total(book, root, inserts)
    for at, source, into in sorted(inserts, key=lambda insert: -insert[0]):
        book.steps.insert(at, ("share", into, (source,)))


def _total(book: Book, frame: Frame, inserts: list[tuple[int, int, int]]) -> None:
    """Find the slots that sum up each parameter of a frame and of those below it."""
    frames, found = frame.frames, frame.totals
    for inner in frames:
        _total(book, inner, inserts)
    shared = {id for inner in frames for id in inner.totals}
    own = []
    for id, (_, symbol) in frame.reads.items():
        found[id] = symbol.slot
        if id in shared or frame.calls:
            found[id] = book.param(id)
            own.append((frame.begin, found[id], symbol.slot))
    for inner in frames:
        for id, place in inner.totals.items():
            if id not in found:
                found[id] = book.param(id)
            inserts.append((inner.begin, found[id], place))
    inserts += own
    del frame.first
