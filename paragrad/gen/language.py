"""The modelling language: a Python function whose random choices are made with ``gen.sample``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, ParamSpec, TypeVar, get_type_hints, overload

from paragrad.errors import UsageError
from paragrad.gen.choices import Choices, Selection
from paragrad.gen.environment import Environment
from paragrad.gen.interface import GenerativeFunction, Gradients
from paragrad.gen.revising import Regeneration, Update
from paragrad.gen.running import Assessment, Generation, Simulation
from paragrad.gen.trace import Trace

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class _Marked:
    """The note inside ``gen.Grad[...]``."""


Grad = Annotated[T, _Marked()]
"""Marks an argument or a return value as differentiable: ``def f(x: gen.Grad[float]) -> gen.Grad[float]``."""


class Generative(GenerativeFunction, Generic[P, R]):
    """A generative function written in Python; made by :func:`generative`."""

    def __init__(self, function: Callable[P, R], store: Any = None, grad: bool | Sequence[str] = ()) -> None:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise UsageError(f"{function.__name__}: a generative function is a plain function; take async and yield out of it")
        self.function = function
        self.seen: set[GenerativeFunction] = set()  # callees met while running
        self.store_key = store
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        names = list(inspect.signature(function).parameters)
        marked = _marked(function, names) if grad == () else {*names, "return"} if grad is True else set(grad or ())
        unknown = marked - {*names, "return"}
        if unknown:
            raise UsageError(f"grad={sorted(unknown)!r} are no arguments of {self!r}; they are {names}, and 'return' is its value")
        self.argument_grads = tuple(name in marked for name in names)
        self.output_grad = "return" in marked

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Inside another generative function a call for ``gen.sample``; outside, a run's return value."""
        return super().__call__(*args, **kwargs)  # type: ignore[no-any-return]

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments by position."""
        found = inspect.signature(self.function).bind(*args, **kwargs)
        found.apply_defaults()
        if found.kwargs:
            raise UsageError(f"{self!r} has keyword-only arguments ({', '.join(found.kwargs)}); traces take arguments by position")
        return found.args

    def callees(self) -> Sequence[GenerativeFunction]:
        """Those its source names, and those met while running."""
        named = [found for found in _named(self.function) if isinstance(found, GenerativeFunction)]
        return list(dict.fromkeys([*named, *self.seen]))

    def simulate(self, args: tuple[Any, ...], env: Environment) -> Trace:
        """A trace with every choice sampled."""
        return Simulation(self, env).execute(args)

    def generate(self, args: tuple[Any, ...], constraints: Choices, env: Environment) -> tuple[Trace, Any]:
        """A trace that holds the constraints; the weight is the sum of their log probabilities."""
        run = Generation(self, env, constraints)
        return run.execute(args), run.weight

    def assess(self, args: tuple[Any, ...], choices: Choices, env: Environment) -> Trace:
        """The trace of given choices."""
        return Assessment(self, env, choices).execute(args)

    def update(self, trace: Trace, args: tuple[Any, ...], constraints: Choices, env: Environment) -> tuple[Trace, Any, Choices]:
        """The changed trace, its weight, and what was replaced or dropped."""
        run = Update(self, env, trace, constraints)
        return run.execute(args), run.weight, Choices.flat(run.discard)

    def regenerate(self, trace: Trace, args: tuple[Any, ...], selection: Selection, env: Environment) -> tuple[Trace, Any]:
        """The trace with the selected choices sampled anew, and the weight."""
        run = Regeneration(self, env, trace, selection)
        return run.execute(args), run.weight

    def gradients(self, trace: Trace, selection: Selection, retgrad: Any, needed: Sequence[bool], scale: Any = 1.0) -> Gradients:
        """One run with tracked numbers, and one sweep back."""
        from paragrad.gen.backprop import gradients

        return gradients(self, trace, selection, retgrad, needed, scale)


@overload
def generative(function: Callable[P, R], /) -> Generative[P, R]: ...
@overload
def generative(
    *, store: Any = None, grad: bool | Sequence[str] = (), static: bool = False
) -> Callable[[Callable[P, R]], Generative[P, R]]: ...


def generative(function: Any = None, /, *, store: Any = None, grad: bool | Sequence[str] = (), static: bool = False) -> Any:
    """Make a generative function of a Python function.

    Args:
        function: its body says ``gen.sample(distribution, address)`` and ``gen.param(name, init)``.
        store: the key of its parameter store in a context, beside the function itself and "default".
        grad: names of the arguments, and "return", whose gradients are wanted; True for all. The same as
            annotating them with ``gen.Grad[float]``.
        static: the body does the same in every run: no ``if`` or ``for`` that depends on a number, nothing read from
            outside that changes. It is recorded once, with the static functions it calls, and replayed, several times
            as fast. A body that is seen to do otherwise is an error.
    """
    if function is None:
        return lambda f: generative_of(f, store, grad, static)
    return generative_of(function, store, grad, static)


def generative_of(function: Any, store: Any, grad: Any, static: bool) -> Generative[..., Any]:
    """The object for a function and its options."""
    if not static:
        return Generative(function, store, grad)
    from paragrad.gen.static.function import StaticGenerative

    return StaticGenerative(function, store, grad)


def _marked(function: Callable[..., Any], names: list[str]) -> set[str]:
    """Names annotated with ``Grad``."""
    notes = getattr(function, "__annotations__", {})
    if not any("Grad" in str(note) or "_Marked" in str(note) for note in notes.values()):
        return set()
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError:  # a type that only type checkers know; the text says enough
        return {name for name in [*names, "return"] if re.match(r"(\w+\.)*Grad\[", str(notes.get(name, "")))}
    return {n for n in [*names, "return"] if any(isinstance(note, _Marked) for note in getattr(hints.get(n), "__metadata__", ()))}


def _named(function: Any) -> list[Any]:
    """What the globals and closure of a function hold under the names it uses, nested code included."""
    found, todo = [], [function.__code__] if hasattr(function, "__code__") else []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            continue
    while todo:
        code = todo.pop()
        found += [function.__globals__[name] for name in code.co_names if name in function.__globals__]
        todo += [inner for inner in code.co_consts if hasattr(inner, "co_names")]
    return found
