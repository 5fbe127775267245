"""Recorded calls as expressions a reader of Python understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paragrad.propagators.subgraph import Calling, Operand

MOST = 12  # elements of a list that are written out
INFIX = {
    "add": "+", "added": "+", "and": "&", "eq": "==", "floordiv": "//", "ge": ">=", "gt": ">", "le": "<=", "lshift": "<<", "lt": "<",
    "matmul": "@", "mod": "%", "mul": "*", "ne": "!=", "or": "|", "pow": "**", "rshift": ">>", "sub": "-", "truediv": "/", "xor": "^",
}  # fmt: skip
PREFIX = {"invert": "~{}", "length": "len({})", "neg": "-{}", "pos": "+{}"}
OPERATOR = "operator"
PART = "_part"
"""Ends the name of a plain value inside of a container."""
LATE = ("code", "raised", "read:")  # edges that are no arguments of the signature come last

Token = Callable[[str, Operand | None, Any], str]


def expression(call: Calling, name: str, token: Token) -> str:
    """One call.

    Args:
        call: an operator, or an operation of the user's.
        name: how the operation is called in the program.
        token: ``token(argument, operand, value)`` names an operand, or a plain value (operand None).
    """
    found = arguments(call, token)
    if call.kind == OPERATOR:
        return _operator(call.op, [text for _, text in found])
    return f"{name}({', '.join(text if not label else f'{label}={text}' for label, text in found)})"


def arguments(call: Calling, token: Token) -> list[tuple[str, str]]:
    """(name, expression) of every argument, in the order of the signature; nested ones with their container around them."""
    by_name: dict[str, list[Operand]] = {}
    for operand in call.operands:
        by_name.setdefault(operand.name, []).append(operand)
    given = dict(call.given)
    early = [name for name in by_name if name not in given and not name.startswith(LATE)]
    late = [name for name in by_name if name not in given and name.startswith(LATE)]
    found = [(name, _argument(name, by_name.get(name, []), given, token)) for name in (*early, *given, *late)]
    reads = [text for name, text in found if name.startswith("read:")]
    plain = [(name, text) for name, text in found if not name.startswith("read:")]
    return [*plain, ("reads", f"[{', '.join(reads)}]")] if reads else plain


def is_infix(call: Calling) -> bool:
    """Whether a call is written with a sign between its operands."""
    return call.kind == OPERATOR and call.op in INFIX


def identifier(name: str) -> str:
    """The last part of an operation's or argument's name, as Python would take it."""
    last = re.sub(r"\W+", "_", name.replace("<lambda>", "function").rpartition(".")[2]).strip("_")
    return f"_{last}" if last[:1].isdigit() else last or "value"


def _argument(name: str, operands: Sequence[Operand], given: Mapping[str, Any], token: Token) -> str:
    if not operands:
        return token(name, None, given[name])
    if len(operands) == 1 and not operands[0].path:
        return token(name, operands[0], operands[0].value)
    inside = {operand.path: token(name, operand, operand.value) for operand in operands}
    if name not in given:
        return f"[{', '.join(inside.values())}]"
    return _container(name, given[name], (), inside, token)


def _container(name: str, value: Any, path: tuple[Any, ...], inside: Mapping[tuple[Any, ...], str], token: Token) -> str:
    """A list, tuple or dict with expressions in the places of its operands."""
    if path in inside:
        return inside[path]
    if not any(known[: len(path)] == path for known in inside) or not isinstance(value, (list, tuple, dict)):
        return token(f"{name}{PART}", None, value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_container(name, x, (*path, key), inside, token)}" for key, x in value.items()) + "}"
    parts = [_container(name, x, (*path, i), inside, token) for i, x in enumerate(value)]
    shown = parts if len(parts) <= MOST else [*parts[: MOST - 2], f"... {len(parts) - MOST} more ...", *parts[-2:]]
    return f"[{', '.join(shown)}]"


def _operator(op: str, tokens: Sequence[str]) -> str:
    if op in INFIX and len(tokens) == 2:
        return f"{tokens[0]} {INFIX[op]} {tokens[1]}"
    if op in PREFIX and len(tokens) == 1:
        return PREFIX[op].format(tokens[0])
    if op == "getitem" and len(tokens) == 2:
        return f"{tokens[0]}[{tokens[1]}]"
    if op == "contains" and len(tokens) == 2:
        return f"{tokens[1]} in {tokens[0]}"
    if op.startswith(("method.", "mutate.")) and tokens:
        return f"{tokens[0]}.{op.rpartition('.')[2]}({', '.join(tokens[1:])})"
    return f"{identifier(op).removesuffix('_template')}({', '.join(tokens)})"
