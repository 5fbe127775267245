"""The methods of Variable, made from the table of operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import methodcaller
from typing import Any

from paragrad import registry
from paragrad.trace import operators
from paragrad.trace.arrays import array, array_function, plain, ufunc
from paragrad.trace.nodes import Const, Leaf, Node, Record1, Record2, Version
from paragrad.trace.operation import Operation
from paragrad.trace.record import operate
from paragrad.trace.state import STATE
from paragrad.trace.values import ATOMS, CONSTANTS, settle
from paragrad.trace.variable import Variable, note_read, wrap

_new = object.__new__


def _general(op: Operation, self: Any, other: Any) -> Any:
    """Anything but the quick cases; a value that outranks Variables (a tracked number of ``gen``) answers itself."""
    return NotImplemented if hasattr(type(other), "outranks_variables") else operate(op, (self, other))


def _binary(op: Operation) -> Callable[[Any, Any], Variable[Any]]:
    fn = op.fn

    def method(self: Any, other: Any) -> Variable[Any]:
        if not STATE.get().fast:
            return _general(op, self, other)  # type: ignore[no-any-return]
        a = self._n
        if other.__class__ in CONSTANTS:
            b = other
            value = fn(a.value, b)
            requires = a.requires
        elif isinstance(other, Variable):
            b = other._n
            value = fn(a.value, b.value)
            requires = a.requires or b.requires
        else:
            return _general(op, self, other)  # type: ignore[no-any-return]
        if value.__class__ not in ATOMS:
            value = settle(value, a.value)
        node: Node
        if requires:
            node = _new(Record2)
            node.value = value
            node.op = op
            node.extra = None
            node.a = a
            node.b = b
        else:
            node = Const(value)
        out: Variable[Any] = _new(Variable)
        out._n = node
        return out

    return method


def _reflected(op: Operation) -> Callable[[Any, Any], Variable[Any]]:
    def method(self: Any, other: Any) -> Variable[Any]:
        return operate(op, (other, self))

    return method


def _unary(op: Operation, fn: Callable[[Any], Any]) -> Callable[[Any], Variable[Any]]:
    def method(self: Any) -> Variable[Any]:
        if not STATE.get().fast:
            return operate(op, (self,))
        a = self._n
        value = fn(a.value)
        if value.__class__ not in ATOMS:
            value = settle(value, a.value)
        node: Node
        if a.requires:
            node = _new(Record1)
            node.value = value
            node.op = op
            node.extra = None
            node.a = a
        else:
            node = Const(value)
        out: Variable[Any] = _new(Variable)
        out._n = node
        return out

    return method


def _call(op: Operation, name: str) -> Callable[..., Variable[Any]]:
    unary = _unary(op, op.fn if name in operators.VIEWS else methodcaller(name))

    def method(self: Any, *args: Any, **kwargs: Any) -> Variable[Any]:
        if not (args or kwargs):
            return unary(self)
        return operate(op, (self, *args), kwargs)

    method.__name__ = name
    return method


def _inplace(op: Operation) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        refuse_inplace(self, op.title)
        made = operate(op, (self, other))
        group = STATE.get().parallel
        if group is not None:
            return group.rebind(self, made)
        self._n = made._n
        return self

    return method


def _mutator(op: Operation, name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_inplace(self, name)
        both = operate(op, (self, *args), kwargs)
        changed, returned = both._n.value
        made = operate(operators.OPERATIONS["getitem"], (both, 0)) if both._n.requires else wrap(Const(changed))
        self._n = made._n
        return wrap(Const(returned)) if returned is not None else None

    method.__name__ = name
    return method


def _item(plain: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``v[key]``; a slice with Variables in it is traced too."""

    def method(self: Any, key: Any) -> Any:
        if key.__class__ is slice and any(isinstance(x, Variable) for x in (key.start, key.stop, key.step)):
            return operate(operators.OPERATIONS["slice"], (self, key.start, key.stop, key.step))
        return plain(self, key)

    return method


def _power(plain: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """``v ** n`` and ``pow(v, n, modulus)``."""

    def method(self: Any, exponent: Any, modulus: Any = None) -> Any:
        return plain(self, exponent) if modulus is None else operate(operators.OPERATIONS["pow3"], (self, exponent, modulus))

    return method


def _extend(plain: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``v += x``; a list takes any iterable, as in Python."""

    def method(self: Any, other: Any) -> Any:
        if isinstance(self._n.value, list) and not isinstance(other, (list, Variable)):
            other = list(other)
        return plain(self, other)

    return method


def refuse_inplace(variable: Variable[Any], what: str) -> None:
    """In-place changes are for once-off Variables.

    Raises:
        RuntimeError: on a leaf that collects gradients.
    """
    if isinstance(variable._n, (Leaf, Version)):
        raise RuntimeError(f"{what} in place on a leaf that collects gradients; write y = x + ... to make a new Variable, or assign x.data")


# --- escapes: plain values --------------------------------------------------------------------------


def _escape(convert: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        return convert(plain(self), *args)

    return method


def _in(self: Any, item: Any) -> bool:
    return (plain(item) if isinstance(item, Variable) else item) in plain(self)


def _iterate(self: Any) -> Iterator[Any]:
    """Elements of sequences are traced; keys of a dict are plain."""
    value = self._n.value
    if isinstance(value, dict):
        note_read(self._n)
        yield from list(value)
    else:
        for i in range(len(value)):
            yield self[i]


def _index(self: Any) -> int:
    return plain(self).__index__()  # type: ignore[no-any-return]


def _getattr(self: Any, field: str) -> Any:
    """A field of a structured value, traced; methods and private names stay errors."""
    if field.startswith("_"):
        raise AttributeError(field)
    value = self._n.value
    if hasattr(value, "shape"):
        method = registry.facets.get("array_method")(self, field)
        if method is not NotImplemented:
            return method
    found = getattr(value, field, _MISSING)
    if found is _MISSING or callable(found):
        plainly = f".value is the plain {type(value).__name__}" if found is _MISSING else f"use .value.{field} for the plain one"
        raise AttributeError(f"a Variable of {type(value).__name__} has no traced attribute {field!r}; {plainly}")
    return operate(operators.OPERATIONS["getattr"], (self, field))


_MISSING = object()


def install() -> None:
    """Give Variable its operators."""
    ops = operators.OPERATIONS
    for row in operators.BINARY:
        setattr(Variable, row.method, _binary(ops[row.name]))
        if row.reflected:
            setattr(Variable, row.reflected, _reflected(ops[row.name]))
    for row in operators.UNARY:
        setattr(Variable, row.method, _unary(ops[row.name], row.fn))
    for name in operators.METHODS:
        setattr(Variable, name, _call(ops[name], name))
    for name in (*operators.MUTATORS, *operators.ITEM_MUTATORS):
        setattr(Variable, name, _mutator(ops[name], name))
    for name, op in operators.INPLACE.items():
        setattr(Variable, name, _inplace(ops[op]))
    for name, refined in (("__getitem__", _item), ("__pow__", _power), ("__iadd__", _extend)):
        setattr(Variable, name, refined(vars(Variable)[name]))
    setattr(Variable, "__round__", lambda self, digits=None: operate(ops["round"], (self, digits)))  # noqa: B010
    setattr(Variable, "__iter__", _iterate)  # noqa: B010
    setattr(Variable, "__contains__", _in)  # noqa: B010
    setattr(Variable, "__array__", array)  # noqa: B010
    setattr(Variable, "__array_ufunc__", ufunc)  # noqa: B010
    setattr(Variable, "__array_function__", array_function)  # noqa: B010
    setattr(Variable, "_array_function__", array_function)  # noqa: B010
    setattr(Variable, "__index__", _index)  # noqa: B010
    setattr(Variable, "__getattr__", _getattr)  # noqa: B010
    for convert in (bool, len, int, float, complex, str, format):
        setattr(Variable, f"__{convert.__name__}__", _escape(convert))


install()
