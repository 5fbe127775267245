"""Code: the source text of one Python function. It is parsed here and never executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from paragrad.spaces.base import Base, names_of, words_of
from paragrad.spaces.plain import short, unfence, whole_text
from paragrad.spaces.signature import Function, header, read_signature, signature_of
from paragrad.spaces.source import source_of
from paragrad.spaces.wording import diff_lines, shorten

MAX_LENGTH = 100_000
"""Longest source in characters; Python's parser is not safe on arbitrarily long nested texts."""

LANGUAGES = ("python", "py", "python3")
"""Names of a fence that holds Python."""

_ALLOWED_AT_TOP = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)


class Code(Base[str]):
    """The source of a function.

    With a signature, exactly one top-level function has that name and those parameters (order, kinds
    and which have defaults; annotations and the defaults' values are free), and helpers may stand beside
    it. Without one there is exactly one top-level function. Otherwise only imports, classes and
    constants may stand at the top level.

    Args:
        signature: a header such as ``"solve(rows, limit=10)"``, or None.
        imports: modules that may be imported, with what is inside them; none by default.
    """

    kind = "code"
    plain = True
    signature: str | None
    imports: tuple[str, ...]

    def __init__(self, signature: str | None = None, imports: Sequence[str] = ()) -> None:
        if signature is not None and not isinstance(signature, str):
            raise TypeError(f"signature must be a header in a text or None, got {short(signature)}")
        wanted = None if signature is None else read_signature(signature)
        self._fix(signature=None if signature is None else header(signature), imports=names_of("imports", imports), _wanted=wanted)

    _wanted: Any

    def options(self) -> dict[str, Any]:
        """signature, imports."""
        return {"signature": self.signature, "imports": list(self.imports)}

    @property
    def name(self) -> str | None:
        """The wanted function's name, when there is a signature."""
        return None if self._wanted is None else self._wanted.name

    def function_name(self, value: str) -> str:
        """The name of the function that a checked source defines."""
        return self.name or _functions(ast.parse(value))[0].name

    def check(self, value: Any) -> str:
        """The source text; a Python function is replaced by its source, without decorators.

        Raises:
            TypeError: neither a text nor a function with source.
            ValueError: wrong syntax, name, signature or import, or other statements at the top level.
        """
        if callable(value):
            value = source_of(value)
        if not isinstance(value, str):
            raise TypeError(f"data: {type(value).__name__} is not source code: {short(value)}; give its text or the function itself")
        text = whole_text(value)
        tree = _parsed(text)
        self._check_function(tree)
        self._check_top(tree)
        self._check_imports(tree)
        return text

    def show(self, value: str, limit: int | None = None) -> str:
        """The source itself."""
        return shorten(value, limit)

    def parse(self, text: str) -> str:
        """The source in a reply: the whole reply, the reply in a python fence, or the only fenced block in it."""
        words = words_of(self.kind, text)
        try:
            return self.check(words)
        except ValueError:
            inside = unfence(words, LANGUAGES)
            blocks = [inside] if inside is not words else _blocks(words)
            if not blocks:
                raise
        if len(blocks) > 1:
            raise ValueError(f"the reply holds {len(blocks)} code blocks; write exactly one")
        return self.check(blocks[0])

    def encode(self, value: str) -> bytes:
        """UTF-8."""
        return value.encode()

    def decode(self, data: bytes) -> str:
        """The source of UTF-8 bytes."""
        try:
            return self.check(data.decode())
        except UnicodeDecodeError as error:
            raise ValueError(f"these bytes are no source code: byte {error.start} is not UTF-8") from None

    def diff(self, a: str, b: str) -> str:
        """Changed lines."""
        return diff_lines(a, b)

    def _check_function(self, tree: ast.Module) -> None:
        functions = _functions(tree)
        if self._wanted is None:
            if len(functions) != 1:
                raise ValueError(f"the code defines {_names(functions)} at the top level; define exactly one function")
            return
        found = [node for node in functions if node.name == self._wanted.name]
        if len(found) != 1:
            raise ValueError(f"the code defines {_names(functions)}; define exactly one {self._wanted}")
        fault = self._wanted.differs(signature_of(found[0]))
        if fault:
            raise ValueError(f"line {found[0].lineno}: {signature_of(found[0])} should be {self._wanted}: {fault}"[:600])

    def _check_top(self, tree: ast.Module) -> None:
        for index, node in enumerate(tree.body):
            if isinstance(node, _ALLOWED_AT_TOP) or (index == 0 and _is_docstring(node)):
                if self.name in _bound(node):
                    raise ValueError(f"line {node.lineno}: {self.name} is bound again; only the function may have that name")
                continue
            allowed = "only functions, imports, classes and constants may stand at the top level"
            raise ValueError(f"line {node.lineno}: {allowed}; move this into the function")

    def _check_imports(self, tree: ast.Module) -> None:
        for line, module in _imported(tree):
            if module != "__future__" and not any(module == name or module.startswith(f"{name}.") for name in self.imports):
                known = f"allowed: {', '.join(self.imports)}" if self.imports else "no import is allowed; give the space imports=[...]"
                raise ValueError(f"line {line}: the import of {short(module)} is not allowed ({known})"[:600])


def _blocks(text: str) -> list[str]:
    """The insides of fenced blocks that are Python or of no language."""
    found: list[str] = []
    inside: list[str] | None = None
    for line in text.splitlines(keepends=True):
        mark = line.strip().lower() if line.startswith("```") else None
        if inside is None:
            inside = [] if mark in ("```", *(f"```{name}" for name in LANGUAGES)) else None
        elif mark == "```":
            found.append("".join(inside))
            inside = None
        else:
            inside.append(line)
    return found


def imported(text: str) -> tuple[str, ...]:
    """The modules a source imports, sorted, without ``__future__``."""
    return tuple(sorted({module for _, module in _imported(ast.parse(text)) if module != "__future__"}))


def _parsed(text: str) -> ast.Module:
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the code has {len(text)} characters, at most {MAX_LENGTH} are read; shorten it")
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {shorten(error.msg, 300)}: {short((error.text or '').strip())}") from None
    except (RecursionError, MemoryError):
        raise ValueError("the code is nested too deeply to be read; make it flatter") from None


def _functions(tree: ast.Module) -> list[Function]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _names(functions: Sequence[Function]) -> str:
    return shorten(", ".join(node.name for node in functions), 200) or "no function"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _bound(node: ast.stmt) -> set[str]:
    """Names a top-level statement binds other than by ``def``."""
    if isinstance(node, ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return set()


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Name) and node.id == "__import__":
            yield node.lineno, "__import__"
