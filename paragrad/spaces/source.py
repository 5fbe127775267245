"""The source text of a Python function, as it would be written alone in a file."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from paragrad.spaces.plain import short
from paragrad.spaces.signature import Function

_ADVICE = "write it with def in a file, give its text with space=pg.Code(), or keep it by reference with space=pg.Opaque()"


def source_of(function: Callable[..., Any]) -> str:
    """The function's source: dedented, decorators stripped, comments kept.

    Raises:
        TypeError: a class, a lambda, a built-in, or a function made without a file.
    """
    target = inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(target):
        raise TypeError(f"data: {short(function)} is a {type(function).__name__}, not a function with source; {_ADVICE}")
    if target.__name__ == "<lambda>":
        raise TypeError(f"data: a lambda has no name to find it by; {_ADVICE}")
    try:
        text = inspect.getsource(target)
    except (OSError, TypeError):
        raise TypeError(f"data: the source of {target.__qualname__} cannot be found; {_ADVICE}") from None
    return _alone(text, target.__name__)


def header_of(text: str) -> str:
    """The header of the only function in a source, with annotations and defaults, without ``:``."""
    node = _function(ast.parse(text).body)
    bare = type(node)(name=node.name, args=node.args, body=[ast.Expr(ast.Constant(...))], decorator_list=[], returns=node.returns)
    written = ast.unparse(ast.fix_missing_locations(bare))
    return written.partition("\n")[0].removesuffix(":")


def _alone(text: str, name: str) -> str:
    dedented = textwrap.dedent(text)
    try:
        node = _function(ast.parse(dedented).body)
    except SyntaxError:
        return _unparsed(text, name)
    return "".join(dedented.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno])


def _unparsed(text: str, name: str) -> str:
    """For an indented function whose multi-line texts defeat dedenting: written anew from its syntax tree."""
    try:
        outer = ast.parse(f"if True:\n{text}").body[0]
    except SyntaxError:
        raise TypeError(f"data: the source of {name} is not a statement of its own; {_ADVICE}") from None
    node = _function(outer.body if isinstance(outer, ast.If) else [])
    node.decorator_list = []
    return ast.unparse(node) + "\n"


def _function(body: list[ast.stmt]) -> Function:
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef | ast.AsyncFunctionDef):
        raise TypeError(f"data: the source found is not one function; {_ADVICE}")
    return body[0]
