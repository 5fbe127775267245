"""``node`` makes a value of the graph, ``bundle`` an operation of it, ``op`` an operation with rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from paragrad import registry
from paragrad.errors import UsageError
from paragrad.trace.binding import Binder
from paragrad.trace.operation import Operation, Rule
from paragrad.trace.parameter import Parameter
from paragrad.trace.resources import Effect, declared
from paragrad.trace.state import STATE
from paragrad.trace.tracing import Tracing, quick, run, run_async
from paragrad.trace.values import thaw
from paragrad.trace.variable import Variable

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")


def node(data: T, trainable: bool = False, name: str | None = None, description: str | None = None, constraint: Any = None) -> T:
    """A value of the graph: a Parameter when trainable, else a Variable (the same one, if it is one already).

    Args:
        data: any value; objects that are not data are taken by reference.
        trainable: whether optimizers may propose new values.
        name, description, constraint: as for :class:`Parameter`, whose role is ``description``.
    """
    made: Any = data
    if trainable:
        made = Parameter(data.value if isinstance(data, Variable) else data, description, name=name, constraint=constraint)
    elif not isinstance(data, Variable):
        try:
            made = Variable(data, description, name=name)
        except TypeError:
            made = Variable(data, description, name=name, space=registry.spaces.get("opaque")())
    return made  # type: ignore[no-any-return]


class Bundle(Generic[P, R]):
    """A traced function. Calls get plain values and return a Variable; as a class attribute it binds like a method.

    Attributes:
        op: the operation its records point to.
        code: the Parameter that holds its source, when it is trainable.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        description: str | None = None,
        trainable: bool = False,
        effects: str | Effect | Sequence[Any] | None = None,
        constraint: Any = None,
        catch: bool = True,
        strict: bool = False,
        kind: str = "bundle",
    ) -> None:
        plain = fn.__func__ if isinstance(fn, (staticmethod, classmethod)) else fn
        if not callable(plain):
            raise UsageError(f"bundle takes a function, not {fn!r}")
        self.wrapped = fn
        self.fn: Callable[..., Any] = plain
        self.catch = catch
        self.strict = strict
        self.binder = Binder(plain)
        self.is_async = inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain)
        self.quick = self.binder.positional if kind == "op" and not (catch or strict or trainable or self.is_async) else -1
        name = getattr(plain, "__qualname__", type(plain).__name__).rpartition("<locals>.")[2]
        self.op = Operation(
            name,
            plain,
            self.binder.names or None,
            kind=kind,
            description=description or inspect.getdoc(plain),
            effects=declared(effects),
            owner=self,
        )
        self.code: Parameter[str] | None = _code(plain, name, constraint) if trainable else None
        update_wrapper(self, plain)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Bundle[P, R]: ...
    @overload
    def __get__(self: Bundle[Concatenate[S, Q], R], instance: S, owner: Any = None) -> Bundle[Q, R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if isinstance(self.wrapped, staticmethod):
            return self
        if isinstance(self.wrapped, classmethod):
            return BoundBundle(self, owner)
        return self if instance is None else BoundBundle(self, instance)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call on Variables and plain values; the result is a Variable (an awaitable of one for async functions).

        Raises:
            ExecutionError: the function raised; ``.output`` is a Variable whose value is the error.
        """
        if len(args) == self.quick and not kwargs:
            made: Any = quick(self.op, args)
            if made is not None:
                return made  # type: ignore[no-any-return]
        return self.call(None, args, kwargs)  # type: ignore[no-any-return]

    def call(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The traced call, bound to ``instance`` or free."""
        group = STATE.get().parallel
        if group is not None and group.here():
            return group.bundle(self, instance, args, kwargs)
        tracing = Tracing(self.op, self.binder, args, kwargs, self.catch, self.strict, instance)
        if self.code is not None:
            tracing.edges.add("code", self.code._n)
        if self.is_async:
            return run_async(tracing, self.fn)
        return run(tracing, self.fn)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The plain function, untraced."""
        return self.wrapped(*args, **kwargs) if callable(self.wrapped) else self.fn(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """The plain result, without a graph."""
        from paragrad.trace.state import no_grad

        with no_grad():
            out = self(*args, **kwargs)
        return thaw(out._n.value) if isinstance(out, Variable) else out

    def pullback(self, kind: Any) -> Callable[[Rule], Rule]:
        """Decorator that gives this operation a gradient rule; see :meth:`Operation.pullback`."""
        return self.op.pullback(kind)

    def parameters(self, kind: str | None = None, name: str = "*") -> list[Parameter[Any]]:
        """Its code, when it is trainable."""
        return list(self.named_parameters().values()) if kind in (None, "code") else []

    def named_parameters(self) -> dict[str, Parameter[Any]]:
        """Its code under ``code``, when it is trainable."""
        return {"code": self.code} if self.code is not None else {}

    def __repr__(self) -> str:
        return f"<bundle {self.op.name}>"


class BoundBundle:
    """A bundle bound to an object, as a method is."""

    def __init__(self, bundle: Bundle[..., Any], instance: Any) -> None:
        self.bundle = bundle
        self.instance = instance
        self.op = bundle.op
        self.__name__ = bundle.op.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.bundle.call(self.instance, args, kwargs)

    def __repr__(self) -> str:
        return f"<bound bundle {self.bundle.op.name}>"


def _code(fn: Callable[..., Any], name: str, constraint: Any) -> Parameter[str]:
    code: Parameter[str] = Parameter(fn, f"the source of {name}", constraint=constraint)
    code._meta.path = f"{name}.code"
    return code


@overload
def bundle(
    function: Callable[P, R],
    /,
    *,
    description: str | None = None,
    trainable: bool = False,
    effects: str | Effect | Sequence[Any] | None = None,
    constraint: Any = None,
    catch: bool = True,
    strict: bool = False,
) -> Bundle[P, R]: ...
@overload
def bundle(
    *,
    description: str | None = None,
    trainable: bool = False,
    effects: str | Effect | Sequence[Any] | None = None,
    constraint: Any = None,
    catch: bool = True,
    strict: bool = False,
) -> Callable[[Callable[P, R]], Bundle[P, R]]: ...
def bundle(function: Any = None, /, **options: Any) -> Any:
    """Make a function or method an operation of the graph.

    Args:
        description: for people and models; default: the docstring.
        trainable: its code is a Parameter.
        effects: what it reads and writes beside arguments and result, ``(pg.reads("cache"), pg.io("console"))``;
            None: undeclared, ``()``: nothing. :func:`~paragrad.trace.parallel.parallel` orders calls by it.
        constraint: a rule for proposals of its code.
        catch: an exception becomes an output with the annotated source line.
        strict: reading a Parameter or Variable that is not an argument is an error.
    """
    return partial(_bundle, **options) if function is None else Bundle(function, **options)


def _bundle(function: Callable[..., Any], **options: Any) -> Bundle[..., Any]:
    return Bundle(function, **options)


def op(function: Any = None, /, **options: Any) -> Any:
    """An operation with gradient rules: ``@pg.op`` on a function, then ``@f.pullback("numeric")`` on its rule.

    Exceptions are not caught, and it declares no effects.
    """
    options = {"catch": False, "effects": (), "kind": "op", **options}
    return partial(_bundle, **options) if function is None else Bundle(function, **options)
