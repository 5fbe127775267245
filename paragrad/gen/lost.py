"""What would be lost: numbers that are Variables and require a gradient, where only plain or tracked ones have one."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.trace.escapes import behind, label_of
from paragrad.trace.nodes import Version
from paragrad.trace.values import is_numeric
from paragrad.trace.variable import Variable


def plain_number(value: Variable[Any]) -> Any:
    """The plain value of a Variable; words and lists of words have no gradient to lose.

    Raises:
        UsageError: it is a number that requires a gradient; it is named.
    """
    node = value._n
    if node.requires and is_numeric(node.value):
        raise _lost(value)
    return value.value


def _lost(value: Variable[Any]) -> UsageError:
    """The error of a number whose gradient a generative function would lose."""
    leaves = [node for node in behind([value._n]) if node.requires and node.op is None]
    names = ", ".join(dict.fromkeys(label_of(node) for node in leaves)) or "a Variable"
    parameters = all(isinstance(node, Version) for node in leaves)
    fix = f"read it with gen.param({names.partition(',')[0]})" if parameters else "pass it as an argument of the function"
    what = names if value._n.op is None else f"a number made of {names}"
    return UsageError(
        f"{what} requires a gradient, which arithmetic with Variables would lose inside a generative function; {fix}, "
        "or write .value where it is meant as a constant"
    )
