"""Export: a learnt program as plain Python that needs this library no more.

The class and everything of its file that it uses (functions, classes, imports, constants) are written
out with decorators of this library removed and Parameters replaced by their learnt values.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from types import ModuleType
from typing import Any

from paragrad.errors import UsageError
from paragrad.trace.bundle import Bundle
from paragrad.trace.values import brief

TRACED = frozenset({"bundle", "model", "op"})
MAKERS = frozenset({"Parameter", "Variable", "node", "param", "variable"})


def exported(module: Any) -> str:
    """The source of the module's class and of what it uses, with the learnt values.

    Raises:
        UsageError: a source cannot be found, a value cannot be written as Python, or a part of this
            library (a model call) is needed to run it.
    """
    cls = next(c for c in type(module).__mro__ if not c.__module__.startswith("paragrad."))
    values = {path: p.value for path, p in module.named_parameters().items()}
    parts = _Parts()
    parts.add_class(cls, values, _assignments(module, values))
    return f'"""{cls.__name__}, exported by paragrad with its learnt values."""\n\n' + "\n\n".join([*parts.imports, *parts.texts]) + "\n"


class _Parts:
    """What the exported file is made of, in the order in which it must be defined."""

    def __init__(self) -> None:
        self.imports: list[str] = []
        self.texts: list[str] = []
        self.known: set[str] = set()

    def add_class(self, cls: type[Any], values: dict[str, Any], after: list[str]) -> None:
        """A class, after everything it uses."""
        self._add(cls, cls.__name__, _Plain(values, after), {**vars(inspect.getmodule(cls) or builtins), **_globals_of(cls)})

    def _add(self, thing: Any, name: str, rewrite: _Plain, names: dict[str, Any]) -> None:
        self.known.add(name)
        tree = ast.fix_missing_locations(rewrite.visit(ast.parse(_source(thing, name))))
        for used in dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name)):
            if used in names and used not in self.known and not hasattr(builtins, used):
                self._add_name(used, names[used])
        self.texts.append(ast.unparse(tree))

    def _add_name(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            self.known.add(name)
            if not value.__name__.startswith("paragrad"):
                self.imports.append(f"import {value.__name__}" + (f" as {name}" if name != value.__name__ else ""))
        elif isinstance(value, Bundle):
            code = {f"{value.fn.__name__}.code": value.code.value} if value.code is not None else {}
            self._add(value.fn, name, _Plain(code, []), value.fn.__globals__)
        elif getattr(value, "__module__", "").startswith("paragrad"):
            raise UsageError(f"{name} is part of paragrad ({brief(value)}), so the program needs the library to run; use save() and load()")
        elif inspect.isfunction(value):
            self._add(value, name, _Plain({}, []), value.__globals__)
        elif inspect.isclass(value) and getattr(value, "__module__", "") not in ("builtins", "typing", "collections.abc"):
            self.add_class(value, {}, [])
        elif inspect.isclass(value) or hasattr(value, "__module__"):
            self.known.add(name)
            self.imports.append(f"from {value.__module__} import {getattr(value, '__name__', name)}")
        else:
            self.known.add(name)
            self.texts.append(f"{name} = {ast.unparse(_literal(name, value))}")


class _Plain(ast.NodeTransformer):
    """Turns traced definitions into plain ones."""

    def __init__(self, values: dict[str, Any], after: list[str]) -> None:
        self.values = values
        self.after = after
        self.made: set[str] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        assigned = [x for x in ast.walk(node) if isinstance(x, ast.Assign) and isinstance(x.value, ast.Call) and _name(x.value) in MAKERS]
        self.made = {_self_attribute(x.targets[0]) for x in assigned}
        node.decorator_list = [d for d in node.decorator_list if _name(d) not in TRACED]
        node.bases = [b for b in node.bases if _name(b) != "Module"]
        self.generic_visit(node)
        names = {x.name for x in node.body if isinstance(x, ast.FunctionDef)}
        if "forward" in names and "__call__" not in names:
            node.body.append(ast.parse("__call__ = forward").body[0])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        learnt = self.values.get(f"{node.name}.code")
        if learnt is not None and not isinstance(learnt, str):
            learnt = getattr(learnt, "source", None) or inspect.getsource(learnt)
        if learnt is not None:
            node = ast.parse(textwrap.dedent(learnt)).body[0]  # type: ignore[assignment]
        if node.name == "__init__":
            node.body += ast.parse("\n".join(self.after)).body
        node.decorator_list = [d for d in node.decorator_list if _name(d) not in TRACED]
        self.generic_visit(node)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _name(node) not in MAKERS:
            return node
        given = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg in ("data", "value")), None)
        return given if given is not None else ast.Constant(None)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        return node.value if node.attr in ("value", "data") and _self_attribute(node.value) in self.made else node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        path = _self_attribute(node.targets[0])
        if path in self.values:
            node.value = _literal(path, self.values[path])
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        path = _self_attribute(node.target)
        if path in self.values:
            return ast.Assign([node.target], _literal(path, self.values[path]))
        self.generic_visit(node)
        return node


def _assignments(module: Any, values: dict[str, Any]) -> list[str]:
    """Statements that put learnt values where nested modules and containers hold them."""
    lines = []
    for path, value in values.items():
        steps = path.split(".")
        if len(steps) == 1 or steps[-1] == "code":
            continue
        place, owner = "self", module
        for i, step in enumerate(steps):
            last = i == len(steps) - 1
            if isinstance(owner, dict):
                key = next(k for k in owner if str(k) == step)
                place, owner = f"{place}[{key!r}]", owner[key]
            elif isinstance(owner, (list, tuple)):
                if last and isinstance(owner, tuple):
                    raise UsageError(f"{path} is inside a tuple, which cannot be written to; keep Parameters in lists to export them")
                place, owner = f"{place}[{step}]", owner[int(step)]
            else:
                place, owner = f"{place}.{step}", getattr(owner, step)
        lines.append(f"{place} = {ast.unparse(_literal(path, value))}")
    return lines


def _literal(name: str, value: Any) -> ast.expr:
    """A value as Python source.

    Raises:
        UsageError: it has none.
    """
    try:
        tree = ast.parse(repr(value), mode="eval").body
        same = ast.literal_eval(tree) == value
    except (SyntaxError, ValueError):
        same = False
    if not same:
        raise UsageError(f"{name} is {brief(value)}, which cannot be written as Python; save() keeps it in a file")
    return tree


def _source(thing: Any, name: str) -> str:
    try:
        return textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError) as error:
        raise UsageError(f"the source of {name} cannot be found (defined in a console?); put it in a file to export it") from error


def _globals_of(cls: type[Any]) -> dict[str, Any]:
    """The names that a class's methods can see."""
    functions = [getattr(value, "fn", value) for value in vars(cls).values()]
    return {name: value for f in functions if inspect.isfunction(f) for name, value in f.__globals__.items()}


def _self_attribute(node: ast.AST) -> str:
    """``attr`` of ``self.attr``; else nothing."""
    return node.attr if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self" else ""


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
