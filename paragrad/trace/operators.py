"""The table of operators and methods that Variables trace, and the methods made from it.

One row is a name, a standard-library callable and its argument names. The methods are closures
over the row, not written out by hand; gradient rules live in ``ops/`` under the same names.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from paragrad.trace.operation import TABLE, Operation
from paragrad.trace.values import added


class Row(NamedTuple):
    """One operator: the dunder or method it becomes, and the reflected dunder when there is one."""

    name: str
    fn: Callable[..., Any]
    method: str
    reflected: str | None = None


def _contains(container: Any, item: Any) -> bool:
    return item in container


def _cast(value: Any, dtype: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)([_cast(x, dtype) for x in value])
    return value.astype(dtype) if hasattr(value, "astype") else dtype(value)


def _slice_of(value: Any, start: Any, stop: Any, step: Any) -> Any:
    return value[start:stop:step]


BINARY = (
    Row("add", operator.add, "__add__", "__radd__"),
    Row("sub", operator.sub, "__sub__", "__rsub__"),
    Row("mul", operator.mul, "__mul__", "__rmul__"),
    Row("truediv", operator.truediv, "__truediv__", "__rtruediv__"),
    Row("floordiv", operator.floordiv, "__floordiv__", "__rfloordiv__"),
    Row("mod", operator.mod, "__mod__", "__rmod__"),
    Row("pow", operator.pow, "__pow__", "__rpow__"),
    Row("matmul", operator.matmul, "__matmul__", "__rmatmul__"),
    Row("and", operator.and_, "__and__", "__rand__"),
    Row("or", operator.or_, "__or__", "__ror__"),
    Row("xor", operator.xor, "__xor__", "__rxor__"),
    Row("lshift", operator.lshift, "__lshift__", "__rlshift__"),
    Row("rshift", operator.rshift, "__rshift__", "__rrshift__"),
    Row("divmod", builtins.divmod, "__divmod__", "__rdivmod__"),
    Row("eq", operator.eq, "__eq__"),
    Row("ne", operator.ne, "__ne__"),
    Row("lt", operator.lt, "__lt__"),
    Row("le", operator.le, "__le__"),
    Row("gt", operator.gt, "__gt__"),
    Row("ge", operator.ge, "__ge__"),
    Row("getitem", operator.getitem, "__getitem__"),
    Row("contains", _contains, "contains"),
    Row("cast", _cast, "cast"),
)

UNARY = (
    Row("neg", operator.neg, "__neg__"),
    Row("pos", operator.pos, "__pos__"),
    Row("abs", operator.abs, "__abs__"),
    Row("invert", operator.invert, "__invert__"),
    Row("trunc", math.trunc, "__trunc__"),
    Row("floor", math.floor, "__floor__"),
    Row("ceil", math.ceil, "__ceil__"),
    Row("length", len, "length"),
)

STR_METHODS = (
    "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format", "format_map", "index", "isalnum",
    "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join",
    "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit",
    "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper", "zfill",
)  # fmt: skip
VIEWS = ("items", "keys", "values")
CONTAINER_METHODS = ("copy", "get", *VIEWS)
METHODS = (*STR_METHODS, *CONTAINER_METHODS)

MUTATORS = ("append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update")
ITEM_MUTATORS = ("__setitem__", "__delitem__")
INPLACE = {
    "__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "truediv", "__ifloordiv__": "floordiv", "__imod__": "mod",
    "__ipow__": "pow", "__imatmul__": "matmul", "__iand__": "and", "__ior__": "or", "__ixor__": "xor", "__ilshift__": "lshift",
    "__irshift__": "rshift",
}  # fmt: skip


UFUNCS = {
    "absolute": "abs", "add": "add", "divide": "truediv", "divmod": "divmod", "equal": "eq", "floor_divide": "floordiv", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "matmul": "matmul", "multiply": "mul", "negative": "neg", "not_equal": "ne",
    "positive": "pos", "power": "pow", "remainder": "mod", "subtract": "sub",
}  # fmt: skip
"""Functions of arrays that are operators of Variables: an array on the left hands over to these."""


def method_caller(name: str) -> Callable[..., Any]:
    """A plain function that calls the method ``name``; dict views come back as lists."""

    def call(value: Any, *args: Any, **kwargs: Any) -> Any:
        result = getattr(value, name)(*args, **kwargs)
        return list(result) if name in VIEWS and not isinstance(result, list) else result

    call.__name__ = name
    return call


def mutation_of(name: str) -> Callable[..., Any]:
    """A plain function that returns ``(changed copy, what the method returned)``."""

    def change(value: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        copy = value.copy()
        returned = getattr(copy, name)(*args, **kwargs)
        return copy, returned

    change.__name__ = name
    return change


OPERATIONS: dict[str, Operation] = {
    row.name: TABLE.add(Operation(row.name, row.fn, ("left", "right") if row in BINARY else ("value",))) for row in (*BINARY, *UNARY)
}
OPERATIONS["slice"] = TABLE.add(Operation("slice", _slice_of, ("value", "start", "stop", "step")))
OPERATIONS["pow3"] = TABLE.add(Operation("pow3", pow, ("base", "exponent", "modulus")))
OPERATIONS["round"] = TABLE.add(Operation("round", round, ("value", "digits")))
OPERATIONS["getattr"] = TABLE.add(Operation("getattr", getattr, ("value", "field")))
ADDED = TABLE.add(Operation("added", added, ("left", "right")))
for _name in METHODS:
    OPERATIONS[_name] = TABLE.add(Operation(f"method.{_name}", method_caller(_name), ("value",)))
for _name in (*MUTATORS, *ITEM_MUTATORS):
    OPERATIONS[_name] = TABLE.add(Operation(f"mutate.{_name.strip('_')}", mutation_of(_name), ("value",)))
