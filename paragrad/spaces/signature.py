"""Signatures of functions as written in source: name, kinds and order of parameters; annotations do not count."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from paragrad.spaces.plain import short

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter. ``kind`` is "positional" (only), "both", "rest" (``*args``), "keyword" (only) or "options" (``**kwargs``)."""

    name: str
    kind: str
    optional: bool = False

    def __str__(self) -> str:
        star = {"rest": "*", "options": "**"}.get(self.kind, "")
        return f"{star}{self.name}{'=...' if self.optional else ''}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's name and parameters, and whether it is ``async``."""

    name: str
    arguments: tuple[Argument, ...]
    is_async: bool = False

    def __str__(self) -> str:
        parts, before = [], ""
        for argument in self.arguments:
            if before == "positional" and argument.kind != "positional":
                parts.append("/")
            if argument.kind == "keyword" and before not in ("keyword", "rest"):
                parts.append("*")
            parts.append(str(argument))
            before = argument.kind
        if before == "positional":
            parts.append("/")
        return f"{'async ' if self.is_async else ''}def {self.name}({', '.join(parts)})"

    def differs(self, other: Signature) -> str:
        """How ``other`` differs from this, in words; empty when it does not."""
        if self.is_async != other.is_async:
            return f"it must be {'async def' if self.is_async else 'a plain def, not async'}"
        wanted, got = [a.name for a in self.arguments], [a.name for a in other.arguments]
        missing, extra = [n for n in wanted if n not in got], [n for n in got if n not in wanted]
        if missing:
            return f"the parameter {', '.join(missing)} is missing"
        if extra:
            return f"the parameter {', '.join(extra)} is not wanted"
        if wanted != got:
            return f"the parameters must stand in the order {', '.join(wanted)}"
        for a, b in zip(self.arguments, other.arguments, strict=True):
            if a.optional != b.optional:
                return f"the parameter {a.name} must {'have a default' if a.optional else 'have no default'}"
            if a.kind != b.kind:
                return f"the parameter {a.name} must be of the kind {a.kind!r}, not {b.kind!r}"
        return ""


def signature_of(node: Function) -> Signature:
    """The signature of a parsed function."""
    spec = node.args
    plain = [*spec.posonlyargs, *spec.args]
    first_optional = len(plain) - len(spec.defaults)
    arguments = [
        Argument(arg.arg, "positional" if index < len(spec.posonlyargs) else "both", index >= first_optional)
        for index, arg in enumerate(plain)
    ]
    if spec.vararg is not None:
        arguments.append(Argument(spec.vararg.arg, "rest"))
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        arguments.append(Argument(arg.arg, "keyword", default is not None))
    if spec.kwarg is not None:
        arguments.append(Argument(spec.kwarg.arg, "options"))
    return Signature(node.name, tuple(arguments), isinstance(node, ast.AsyncFunctionDef))


def read_signature(text: str) -> Signature:
    """The signature a header such as ``solve(x, y=1)`` or ``async def solve(x: int) -> str`` says.

    Raises:
        ValueError: not a header.
    """
    tree = None
    if len(text) <= 10_000:
        try:
            tree = ast.parse(header(text) + ": ...")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            tree = None
    node = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        raise ValueError(f"{short(text)} is not a signature; write it as in 'solve(rows, limit=10)' or 'async def solve(rows)'")
    return signature_of(node)


def header(text: str) -> str:
    """The header with ``def``, without colon and body."""
    bare = text.strip().removesuffix("...").rstrip().removesuffix(":").rstrip()
    return bare if bare.startswith(("def ", "async ")) else f"def {bare}"
