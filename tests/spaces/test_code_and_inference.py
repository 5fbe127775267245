"""Code read from replies and functions, and the space a plain value belongs to."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from paragrad.protocols.data import Demo
from paragrad.spaces import Choice, Code, Demos, Json, List, Number, Tensor, Text, space_for
from paragrad.spaces.signature import read_signature
from paragrad.spaces.source import source_of

SOURCE = "def solve(rows, limit=10):\n    return rows[:limit]\n"


@pytest.mark.parametrize(
    "text",
    [
        "def f()",
        "def f(a, b=...)",
        "async def f(a)",
        "def f(a, /, b, *, c=..., **d)",
        "def f(*a, c)",
        "def f(a=..., /)",
        "def f(*, c)",
        "def f(a, /, *b)",
    ],
)
def test_signatures_are_written_as_read(text: str) -> None:
    assert str(read_signature(text)) == text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def solve(rows): ...", "limit is missing"),
        ("def solve(rows, limit=1, x=2): ...", "x is not wanted"),
        ("def solve(limit, rows=1): ...", "order rows, limit"),
        ("def solve(rows, limit): ...", "limit must have a default"),
        ("def solve(rows, *, limit=1): ...", "limit must be of the kind 'both'"),
        ("async def solve(rows, limit=1): ...", "not async"),
        ("def solv(rows, limit=1): ...", "defines solv; define exactly one def solve"),
        ("class solve: ...\n" + SOURCE, "solve is bound again"),
        ("import os\n" + SOURCE, "import of 'os' is not allowed .*imports="),
        ("def solve(rows, limit=1):\n    import os.path", "line 2: the import of 'os.path'"),
        ("from . import x\n" + SOURCE, "import of '.'"),
        (SOURCE + "__import__('os')\n", "top level"),
        ("def solve(rows, limit=1): return __import__('os')", "__import__"),
        (SOURCE + "if __name__ == '__main__':\n    solve([])\n", "line 3: only functions"),
        ("def solve(rows, limit=10)\n    return rows", "line 1: expected ':'"),
    ],
)
def test_a_wrong_function_is_named(source: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Code("solve(rows, limit=10)").check(source)


def test_annotations_and_default_values_are_free() -> None:
    Code("solve(rows, limit=10)").check("def solve(rows: list[int], limit: int = 3) -> list: return rows")


def test_allowed_imports() -> None:
    space = Code("f()", imports=["math", "os.path"])
    for good in (
        "import math",
        "from math import sqrt",
        "import os.path as p",
        "from os.path import join",
        "from __future__ import annotations",
    ):
        space.check(f"{good}\ndef f(): ...")
    for bad in ("import os", "from os import path", "import mathx"):
        with pytest.raises(ValueError, match="allowed: math, os"):
            space.check(f"{bad}\ndef f(): ...")


def test_code_is_found_in_a_reply() -> None:
    space = Code("solve(rows, limit=10)")
    for reply in (SOURCE, f"```python\n{SOURCE}```", f"Here:\n\n```py\n{SOURCE}```\nIt is shorter."):
        assert space.parse(reply).strip() == SOURCE.strip()
    for reply in (
        f"```python\n{SOURCE}```\nor\n```python\n{SOURCE}```",
        f"```js\n{SOURCE}```",
        "I would change nothing.",
        "```python\n" * 20_000,
    ):
        with pytest.raises(ValueError, match=r"."):
            space.parse(reply)


def test_nothing_is_executed(tmp_path: Any) -> None:
    mark = tmp_path / "mark"
    source = f"def f(x=open({str(mark)!r}, 'w')): ..."
    Code().check(source)
    assert not mark.exists()


def test_code_differs_by_lines() -> None:
    assert "-    return rows[:limit]\n+    return rows" in Code().diff(SOURCE, SOURCE.replace("[:limit]", ""))
    assert Code().diff(SOURCE, SOURCE.rstrip()) == "only the ends of lines changed"


def marked(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


@marked
@functools.lru_cache(maxsize=3)
def decorated(x: int, /, *, y: str = "a") -> str:  # kept
    import math

    return f"{x}{y}{math.pi}"  # kept too


class Holder:
    @staticmethod
    def indented(x):  # type: ignore[no-untyped-def]
        return (
            """
no indentation here
"""
            + x
        )

    def method(self) -> int:
        return 1


def test_the_source_of_a_function_stands_alone() -> None:
    text = source_of(decorated)
    assert text.startswith("def decorated(x: int, /, *, y")
    assert text.count("# kept") == 2
    space = space_for(decorated)
    assert space == Code("def decorated(x: int, /, *, y: str='a') -> str", imports=["math"])
    assert space is not None
    assert space.check(decorated) == text


def test_texts_that_defeat_dedenting() -> None:
    text = source_of(Holder.indented)
    assert text.startswith("def indented(x):")
    assert "no indentation here" in text
    assert source_of(Holder().method).startswith("def method(self)")


@pytest.mark.parametrize(
    "function",
    [len, Holder, lambda x: x, functools.partial(len, []), np.sin, "".join],
    ids=["builtin", "class", "lambda", "partial", "ufunc", "method"],
)
def test_functions_without_source_are_type_errors(function: Any) -> None:
    with pytest.raises(TypeError, match=r"pg\.Opaque\(\)"):
        space_for(function)


class Lazy:
    shape, dtype = (2, 3), "float32"

    def materialize(self) -> Any:
        return np.ones(self.shape, self.dtype)


FOUND: list[tuple[Any, Any, Any]] = [  # value, the space of a Variable, the space of a Parameter
    (None, None, None),
    ("a", Text(), Text()),
    (True, Choice([False, True]), Choice([False, True])),
    (3, Number(integer=True), Number(integer=True)),
    (0.5, Number(), Number()),
    (np.zeros((2, 1), np.float16), Tensor(), Tensor(shape=(2, 1), dtype="float16")),
    (Lazy(), Tensor(), Tensor(shape=(2, 3), dtype="float32")),
    ([1, 2], List(), Tensor(shape=(2,), dtype="int64")),
    ([[1, 2.5]], List(), Tensor(shape=(1, 2), dtype="float64")),
    ((1.0, 2.0), List(), Tensor(shape=(2,), dtype="float64")),
    ([True, False], List(), List()),
    ([1, True], List(), List()),
    ([[1], [1, 2]], List(), List()),
    ([2**70], List(), List()),
    ([], List(), List()),
    (["a", 1], List(), List()),
    ([Demo({}, 1)], Demos(), Demos()),
    ([Demo({}, 1)] * 6, Demos(max_shots=6), Demos(max_shots=6)),
    ({"a": 1}, Json(), Json()),
]


@pytest.mark.parametrize(("value", "variable", "parameter"), FOUND, ids=[repr(row[0])[:30] for row in FOUND])
def test_the_space_of_a_value(value: Any, variable: Any, parameter: Any) -> None:
    assert space_for(value) == variable
    assert space_for(value, parameter=True) == parameter
    for space in (space_for(value), space_for(value, parameter=True)):
        if space is not None:
            space.check(value)


@pytest.mark.parametrize(
    "value",
    [b"x", {1}, object(), 1j, range, bytearray(b"x"), Ellipsis],
    ids=["bytes", "set", "object", "complex", "range", "bytearray", "ellipsis"],
)
def test_other_types_are_told_what_to_write(value: Any) -> None:
    with pytest.raises(TypeError, match=r"data: .*pg\.Opaque\(\)"):
        space_for(value)
