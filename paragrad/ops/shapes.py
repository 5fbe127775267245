"""Operations that rules are made of: they change the shape of a gradient, and have gradients themselves.

Under ``create_graph`` a rule runs on Variables; what it does to shapes must then be recorded too.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from paragrad.trace.operation import PASS, STOP, TABLE, Operation
from paragrad.trace.record import operate
from paragrad.trace.spread import put, zeros
from paragrad.trace.variable import Variable


def raw(x: Any) -> Any:
    """The plain value of an operand."""
    return x._n.value if isinstance(x, Variable) else x


def recorded(name: str, fn: Callable[..., Any], argnames: tuple[str, ...]) -> Callable[..., Any]:
    """``fn`` as a function that records itself when its first argument is a Variable."""
    op = TABLE.add(Operation(name, fn, argnames))

    def call(x: Any, *rest: Any) -> Any:
        return operate(op, (x, *rest)) if isinstance(x, Variable) else fn(x, *rest)

    return call


def _sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    extra = g.ndim - len(shape)
    axes = (*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1))
    summed = g.sum(axis=axes)
    return summed.reshape(shape) if shape else float(summed)


def _broadcast(g: Any, shape: tuple[int, ...]) -> Any:
    return import_module("numpy").broadcast_to(g, shape)


def _transposed(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _scatter(g: Any, container: Any, key: Any) -> Any:
    """Zeros in the form of ``container`` with ``g`` at ``key``."""
    return put(zeros(container), key, g)


def _folded(g: Any, count: int) -> Any:
    """A list that is a repetition of ``count`` elements, summed over the repetitions."""
    return [sum(g[i] for i in range(k, len(g), count)) if k < len(g) else 0.0 for k in range(count)]


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(import_module("numpy").shape(value))


_arrayed = recorded("arrayed", lambda x: import_module("numpy").asarray(x), ("value",))
listed = recorded("listed", lambda g: g.tolist() if hasattr(g, "tolist") else g, ("value",))
folded = recorded("folded", _folded, ("value", "count"))
sum_to = recorded("sum_to", _sum_to, ("value", "shape"))
broadcast = recorded("broadcast", _broadcast, ("value", "shape"))
transposed = recorded("transposed", _transposed, ("value",))
scatter = recorded("scatter", _scatter, ("value", "container", "key"))


def is_list(x: Any) -> bool:
    """Whether an operand is a list or tuple."""
    return isinstance(raw(x), (list, tuple))


def arrayed(x: Any) -> Any:
    """A list beside an array as an array; everything else as it is."""
    return _arrayed(x) if is_list(x) else x


def unbroadcast(g: Any, like: Any) -> Any:
    """``g`` summed over the axes along which ``like`` was broadcast; a list where ``like`` is one."""
    target, given = raw(like), raw(g)
    if isinstance(target, (list, tuple)):
        own = _shape(target)
        return listed(g if _shape(given) == own else sum_to(g, own))
    shape, own = getattr(given, "shape", ()), getattr(target, "shape", ())
    return g if shape == own else sum_to(g, tuple(own))


def _spread(g: Any, out: Any, value: Any, shape: Any) -> Any:
    return broadcast(g, tuple(raw(value).shape))


def _gathered(g: Any, out: Any, value: Any, shape: Any) -> Any:
    return unbroadcast(g, value)


def _repeated(g: Any, out: Any, value: Any, count: Any) -> Any:
    return g * (len(raw(value)) // max(1, raw(count)))


def _back(g: Any, out: Any, value: Any) -> Any:
    return transposed(g)


def _as_list(g: Any, out: Any, value: Any) -> Any:
    return listed(g)


def _as_array(g: Any, out: Any, value: Any) -> Any:
    return arrayed(g)


def _picked(g: Any, out: Any, value: Any, container: Any, key: Any) -> Any:
    return g[key]


TABLE.attach(
    "numeric",
    {
        "added": (PASS, PASS),
        "arrayed": (_as_list,),
        "listed": (_as_array,),
        "broadcast": (_gathered, STOP),
        "folded": (_repeated, STOP),
        "scatter": (_picked, STOP, STOP),
        "sum_to": (_spread, STOP),
        "transposed": (_back,),
    },
)
