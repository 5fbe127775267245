"""Export: a learnt program as plain Python that needs this library no more."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from paragrad.errors import UsageError
from paragrad.trace.values import brief

TRACED = frozenset({"bundle", "model", "op"})


def exported(module: Any) -> str:
    """The source of the module's class, Parameters replaced by their values and decorators removed.

    Raises:
        UsageError: the source cannot be found, or a value cannot be written as Python.
    """
    cls = next(c for c in type(module).__mro__ if c.__module__ != __name__.rpartition(".")[0] + ".module")
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError) as error:
        raise UsageError(f"the source of {cls.__name__} cannot be found (defined in a console?); put it in a file to export it") from error
    tree = ast.parse(source)
    values = {path: p.value for path, p in module.named_parameters().items()}
    rewritten = ast.fix_missing_locations(_Plain(values).visit(tree))
    header = f'"""{cls.__name__}, exported by paragrad with its learnt values."""\n\n'
    return header + ast.unparse(rewritten) + "\n"


class _Plain(ast.NodeTransformer):
    """Turns traced definitions into plain ones."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [d for d in node.decorator_list if _name(d) not in TRACED]
        node.bases = [b for b in node.bases if _name(b) != "Module"]
        if any(isinstance(x, ast.FunctionDef) and x.name == "forward" for x in node.body):
            node.body.append(ast.parse("__call__ = forward").body[0])
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [d for d in node.decorator_list if _name(d) not in TRACED]
        self.generic_visit(node)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        return self._replaced(node, node.targets[0])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return self._replaced(node, node.target)

    def _replaced(self, node: Any, target: ast.expr) -> ast.AST:
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self" and target.attr in self.values:
            value = self.values[target.attr]
            try:
                node.value = ast.parse(repr(value), mode="eval").body
            except SyntaxError as error:
                raise UsageError(f"{target.attr} is {brief(value)}, which cannot be written as Python; save() keeps it in a file") from error
        return node  # type: ignore[no-any-return]


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
