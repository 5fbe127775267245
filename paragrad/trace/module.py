"""Module: a program, its Parameters, and the ways to run it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar

from paragrad import registry
from paragrad.errors import UsageError
from paragrad.protocols.streaming import AsyncPieces, Pieces
from paragrad.trace.aside import aside
from paragrad.trace.bundle import BoundBundle, Bundle
from paragrad.trace.escapes import Reads
from paragrad.trace.finding import found_parameters, found_parts
from paragrad.trace.parameter import Parameter
from paragrad.trace.state import STATE, within
from paragrad.trace.state_dict import dumped, load
from paragrad.trace.tracing import with_reads
from paragrad.trace.values import brief, thaw
from paragrad.trace.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class HasForward(Protocol[P, R_co]):
    """What types a Module's call: its own ``forward``."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """The program."""


class Module:
    """Base of programs: subclass it, make Parameters in ``__init__``, write ``forward``.

    Parameters are found in attributes, lists, dicts and nested modules; one that is shared is found
    once. Calling a module records a graph and returns a Variable; ``predict`` gives a plain value.
    """

    training: bool = True
    _whole: bool = False  # under pg.parallel a call is one operation; it then has .effects
    _plain_result: bool = True  # whether what it returns is known to have no fields of its own
    _takes_ordinal: bool = False  # whether a call is known to have an effect

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The program. Subclasses write it."""
        raise NotImplementedError(f"{type(self).__name__} needs a forward method: def forward(self, ...) -> ...")

    # --- running -----------------------------------------------------------------------------------

    if TYPE_CHECKING:  # typed by the subclass's own ``forward``

        def __call__(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
        def predict(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
        async def acall(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
        async def apredict(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
        def stream(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> Pieces[R]: ...
        def astream(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> AsyncPieces[R]: ...
        def map(self: HasForward[P, R], rows: Iterable[Any], *, workers: int | None = None) -> list[R]: ...
        def predict_many(self: HasForward[P, R], rows: Iterable[Any], *, workers: int | None = None) -> list[R]: ...
        def bind(self, *, model: Any = None, release: str | None = None, refresh: float | None = None) -> Self: ...

    else:

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Run ``forward`` and record it; what it read as plain values becomes edges of the result."""
            found = self.named_parameters()
            state = STATE.get()
            if state.parallel is not None and self._whole and state.parallel.here():
                return state.parallel.module(self, found.values(), args, kwargs)
            reads = Reads(outer=state.reads)
            token = STATE.set(state.reading(reads))
            try:
                result = self.forward(*args, **kwargs)
            finally:
                STATE.reset(token)
            if not isinstance(result, Variable) and inspect.isawaitable(result):
                return self._finish_async(result, reads)
            return with_reads(result, reads)

        def predict(self, *args: Any, **kwargs: Any) -> Any:
            """A plain, typed value; records no graph; safe from any thread."""
            with within(record=False, reads=None):
                out = self(*args, **kwargs)
                if inspect.isawaitable(out):
                    out = _wait(out)
            return plain(out)

        async def acall(self, *args: Any, **kwargs: Any) -> Any:
            """The same without blocking the event loop."""
            if inspect.iscoroutinefunction(self.forward):
                return await self(*args, **kwargs)
            out = await aside(lambda: self(*args, **kwargs))
            return await out if inspect.isawaitable(out) else out

        async def apredict(self, *args: Any, **kwargs: Any) -> Any:
            """``predict`` without blocking the event loop."""
            with within(record=False, reads=None):
                return plain(await self.acall(*args, **kwargs))

        def stream(self, *args: Any, **kwargs: Any) -> Any:
            """``predict``, its words piece by piece as the model writes them; ``.result`` after the last piece.

            The pieces are those of the program's last :class:`Generator` (in order of definition); an answer
            that a model or cache gives at once is one piece.
            """
            return registry.facets.get("stream")(self, args, kwargs)

        def astream(self, *args: Any, **kwargs: Any) -> Any:
            """``stream`` for ``async for``."""
            return registry.facets.get("astream")(self, args, kwargs)

        def map(self, rows: Iterable[Any], *, workers: int | None = None) -> list[Any]:
            """Run on many rows at once, recorded, results in order; a failing row is an error output."""
            return registry.facets.get("map")(self, rows, workers=workers, record=True)

        def predict_many(self, rows: Iterable[Any], *, workers: int | None = None) -> list[Any]:
            """``map`` without a graph: plain values, a failing row is its :class:`ExecutionError`."""
            return registry.facets.get("map")(self, rows, workers=workers, record=False)

        def bind(self, *, model: Any = None, release: str | None = None, refresh: float | None = None) -> Any:
            """This program with a model or a release of its own, held by the returned object in every thread."""
            return registry.facets.get("bind")(self, model=model, release=release, refresh=refresh)

    async def _finish_async(self, awaitable: Any, reads: Reads) -> Any:
        with within(reads=reads):
            result = await awaitable
        return with_reads(result, reads)

    # --- Parameters --------------------------------------------------------------------------------

    def named_parameters(self) -> dict[str, Parameter[Any]]:
        """Path to Parameter, in order of definition; gives unnamed ones their path as id."""
        found = found_parameters(self)
        for path, parameter in found.items():
            known = parameter._meta.path
            if known is None or (parameter._bound is None and path.endswith(f".{known}")):  # the outermost program names it
                parameter._meta.path = path
            if parameter._meta.store is not None:
                parameter.bind_store()
        return found

    def parameters(self, kind: str | None = None, name: str = "*") -> list[Parameter[Any]]:
        """Parameters, of one kind and with a path that matches the pattern ``name``."""
        return [
            p
            for path, p in self.named_parameters().items()
            if kind in (None, p.kind) and (fnmatchcase(path, name) or fnmatchcase(p.id, name))
        ]

    def overlay(self, values: Mapping[str, Any]) -> Any:
        """A context in which Parameters have other values, by id or path."""
        from paragrad.trace.overlay import overlay

        return overlay({self._parameter(key): value for key, value in values.items()})

    def _parameter(self, key: str) -> Parameter[Any]:
        named = self.named_parameters()
        for path, parameter in named.items():
            if key in (path, parameter.id):
                return parameter
        raise UsageError(f"no Parameter {key!r} in this program; it has {', '.join(named) or 'none'}")

    def state_dict(self) -> dict[str, Any]:
        """Path to value and flags; ``load_state_dict`` of it changes nothing."""
        return dumped(self.named_parameters())

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Set all values at once; nothing changes when one does not fit.

        Args:
            state: what ``state_dict`` gave, or plain values by path (torch's own state_dict is that).
            strict: refuse missing and unknown paths.

        Raises:
            UsageError: paths are missing or unknown (``strict``), or a value does not fit; the message names them.
        """
        load(self.named_parameters(), state, strict)

    def save(self, path: Any) -> None:
        """Write plain files a person can read and edit: one per text, JSON for the rest, and a manifest."""
        registry.facets.get("save")(self, path)

    def load(self, path: Any) -> Self:
        """Read what ``save`` wrote."""
        registry.facets.get("load")(self, path)
        return self

    def export(self, path: Any = None) -> str:
        """This program as plain Python with the learnt values written in; it needs this library no more."""
        from paragrad.trace.export import exported

        text = exported(self)
        if path is not None:
            from pathlib import Path

            Path(path).write_text(text, encoding="utf-8")
        return text

    def train(self, mode: bool = True) -> Self:
        """Set training mode, here and in every nested program."""
        for part in found_parts(self):
            if isinstance(part, Module):
                part._mode(mode)
        return self

    def _mode(self, mode: bool) -> None:
        """Set training mode here."""
        self.training = mode

    def eval(self) -> Self:
        """Set evaluation mode."""
        return self.train(False)

    def __setattr__(self, name: str, value: Any) -> None:
        current = self.__dict__.get(name, vars(type(self)).get(name))
        if isinstance(current, Parameter) and value is not current and not isinstance(value, Parameter):
            raise TypeError(
                f"{name} is a Parameter, and a Parameter stays a leaf; to change its value write self.{name}.data = ..., "
                f"to use a changed value in forward make a new variable (got {brief(value)})"
            )
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.named_parameters())})"


def plain(out: Any) -> Any:
    """The raw value of a Variable, or of a container of them."""
    if isinstance(out, Variable):
        return thaw(out._n.value)
    if isinstance(out, (list, tuple)):
        return type(out)([plain(x) for x in out])
    return out


def _wait(awaitable: Any) -> Any:
    """Run an awaitable to its end, also from inside a running loop's thread."""

    async def run() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run())
    raise UsageError("this program is async: inside an event loop use await program.apredict(...)")


def model(cls: type[T]) -> type[T]:
    """A Module from a plain class: its ``forward`` (or ``__call__``) is the program."""
    body: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    if "forward" not in dir(cls) and "__call__" in vars(cls):
        body["forward"] = vars(cls)["__call__"]
        body["__call__"] = Module.__call__
    made: Any = type(cls.__name__, (cls, Module), body)
    return made  # type: ignore[no-any-return]


def module_of(program: Any) -> Module:
    """``program`` as a Module: as it is, or a bundle or function wrapped.

    Raises:
        UsageError: it cannot be called.
    """
    if isinstance(program, Module):
        return program
    if isinstance(program, (Bundle, BoundBundle)) or callable(program):
        return Wrapped(program)
    raise UsageError(f"a program is a Module, a prompt, a bundle or a function, not {brief(program)} of type {type(program).__name__}")


class Wrapped(Module):
    """A bundle or plain function as a Module; its Parameters are those it holds and those it reads."""

    def __init__(self, fn: Any, parameters: Iterable[Parameter[Any]] = ()) -> None:
        self.fn = fn
        self.read: list[Parameter[Any]] = list(parameters)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.fn(*args, **kwargs)

    def named_parameters(self) -> dict[str, Parameter[Any]]:
        """The function's own Parameters and the known reads, by id."""
        own = self.fn.named_parameters() if hasattr(self.fn, "named_parameters") else {}
        found = {p.id: p for p in own.values()}
        found.update({p.id: p for p in self.read})
        return found
