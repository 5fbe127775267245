"""Every law of a space, for every kind, on awkward values and on values hypothesis finds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paragrad.protocols.data import Demo
from paragrad.spaces import Choice, Code, Demos, Json, List, Number, Opaque, Tensor, Text, from_spec
from paragrad.testing.spaces import check_space


@dataclass
class Ticket:
    title: str
    tags: list[str]


class Hidden:
    pass


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
DEEP: Any = 0
for _ in range(5000):
    DEEP = [DEEP]
SURROGATE = "\ud800"
HUGE = 10**5000
SOURCE = "def solve(rows, limit=10):\n    # über\n    return rows[:limit]\n"
NOT_PLAIN = [
    b"x",
    {1: 2},
    {"a": {1, 2}},
    [Hidden()],
    [float("nan")],
    {"a": float("-inf")},
    ENDLESS,
    DEEP,
    SURROGATE,
    {SURROGATE: 1},
    HUGE,
    [np.zeros(2)],
]

CASES: list[tuple[Any, list[Any], list[Any]]] = [
    (
        Text(),
        ["", "a", "\n", "\n\n", "\nx\n", "\r\n", " x ", "ü\x00\x1b[2J\u202e", "x" * 200_000, "a b c", "a\nb", "a\r\nb", "a\u2028b"],
        [1, b"x", None, True, SURROGATE, HUGE, ["a"]],
    ),
    (
        Text(max_length=30, placeholders=["question"], keep=["in JSON"]),
        ["{question} in JSON", "in JSON {{{question}}}"],
        ["in JSON", "{question}", "{{question}} in JSON", "{question } in JSON", "{question} in JSON" + "x" * 30],
    ),
    (
        Number(),
        [0, 1.5, -0.0, 1e300, 2**60, np.float32(0.1), 5e-324],
        [True, float("nan"), float("inf"), 10**400, HUGE, 2**60 + 1, "3", None, [1], 1j],
    ),
    (Number(low=0.5, high=2, log=True), [0.5, 1, 2], [0.4, 2.1, np.nan]),
    (Number(integer=True, low=-5, high=10**30), [0, 3, 10**29, 4.0, np.int8(3)], [True, 3.9, -6, 10**31, np.bool_(True), "1"]),
    (
        Choice([True, 1, 1.0, "1", "true", None, [1, {"a": 2}], '"1"', ""]),
        [True, 1, 1.0, "1", None, [1, {"a": 2}], '"1"', "true", ""],
        [2, "x", [1.0, {"a": 2}], *NOT_PLAIN],
    ),
    (Choice([False, True]), [False, True], [0, 1, "True", None]),
    (Choice(["Sentence", "number", " number "]), ["Sentence", "number", " number "], ["sentence", "NUMBER"]),
    (
        Json(),
        [None, 1, "text", {"a": [1, 2.5, {"x": "ü"}]}, {"b": 1, "a": 2}, {"a": 2, "b": 1.0}, {"k": "x" * 500}, [True], (1, 2)],
        NOT_PLAIN,
    ),
    (Json(Ticket), [Ticket("a", ["b"]), {"title": "", "tags": []}], [{"title": 1, "tags": []}, {"title": "a"}, [], *NOT_PLAIN]),
    (Json(list[int]), [[], [1, 2]], [["1"], [1.5], [True], 3]),
    (
        Json({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}),
        [{"a": 1}, {"a": 2, "b": []}],
        [{"a": "1"}, {}, 3],
    ),
    (
        List(),
        [[], [1, 2], [1, 2.5], (1, "a", None, [1, 2.5]), [{"a": [1]}] * 50, [[1, 2], [3.5]], [[]], [np.float32(0.5), 1]],
        ["abc", {1: 2}, [10**400, 1.0], range, *NOT_PLAIN],
    ),
    (List(Number(low=0)), [[1, 2], [], (0.5,)], [[1, -1], ["a"], [[1]], 3]),
    (List(List(Text(max_length=3))), [[["abc"], []], []], [[["abcd"]], ["abc"]]),
    (
        Code("solve(rows, limit=10)"),
        [SOURCE, SOURCE.strip(), "def helper(): return 1\n" + SOURCE, "X = 1\nclass A: pass\n" + SOURCE],
        [
            "",
            "def solve(",
            "def solve(rows): pass",
            "solve = 1",
            SOURCE * 2,
            "import os\n" + SOURCE,
            SOURCE + "solve([])\n",
            SOURCE + "\0",
            3,
            None,
            "(" * 500,
            len,
            Hidden,
        ],
    ),
    (
        Code(),
        ["def f(): pass", "async def g(*a, b=1, **c): ...", '"""doc"""\ndef f():\n    """```python\n    x\n    ```"""\n'],
        ["def f(): 1\ndef g(): 2", "x = 1"],
    ),
    (
        Demos(max_shots=3),
        [
            (),
            [Demo({"q": "a"}, 1)],
            [{"inputs": {"q": "a"}, "output": True}],
            [({"q": "b", "n": [1]}, {"team": "x"}), ({"q": "a"}, 1)],
            [({"q": "a"}, 1), ({"q": "b", "n": [1]}, {"team": "x"})],
        ],
        [[Demo({}, 1)] * 4, ["q"], "abc", [("a", "b")], [{"inputs": {}}], [Demo({"x": b""}, 1)], [Demo({}, Hidden())], 3, None],
    ),
    (
        Tensor(),
        [
            np.zeros((2, 3), np.float32),
            np.array([1, 2], ">i4"),
            [1, 2],
            [1.5],
            [[True]],
            3,
            0.5,
            np.arange(6).reshape(2, 3).T,
            np.zeros((0, 3)),
            [],
            np.array([np.nan, np.inf]),
            np.float16(2),
        ],
        [
            "abc",
            [[1], [1, 2]],
            ["a"],
            np.array(["a"]),
            np.array([object()]),
            np.array([1j]),
            np.ma.masked_array([1], [True]),
            None,
            {},
            b"ab",
            [HUGE],
            DEEP,
            [None],
        ],
    ),
    (
        Tensor(shape=(2,), dtype="float32", low=[0, 0], high=[3, 1]),
        [[1.2, 0.75], [0, 1], np.array([1, 0], np.int8), np.zeros(2, np.float16)],
        [[4, 0], [1, 2], [0.5], [np.nan, 0], np.zeros(2), np.zeros((2, 1), np.float32)],
    ),
    (Tensor(dtype="int32"), [[1, 2], np.array([1], np.int16), [True]], [[1.5], np.array([1]), [2**40], np.array([1.0], np.float16)]),
    (Opaque("index"), [Hidden(), ENDLESS, 3], []),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case[0])[:60])
def test_every_law_holds(case: tuple[Any, list[Any], list[Any]]) -> None:
    space, values, bad = case
    check_space(space, values, bad)
    assert from_spec(dict(space.spec())) == space


def test_the_battery_covers_every_kind() -> None:
    from paragrad.registry import spaces

    assert {case[0].kind for case in CASES} == set(spaces.builtin)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
ARRAYS = st.tuples(
    st.sampled_from(["int8", "float16", "float32", "float64", "int64", "bool"]), st.lists(st.integers(0, 3), max_size=3)
).map(lambda spec: np.arange(int(np.prod(spec[1]))).reshape(spec[1]).astype(spec[0]))
DEMO_LISTS = st.lists(st.tuples(st.dictionaries(TEXTS, PLAIN, max_size=3), PLAIN), max_size=4)
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_texts(values: list[str]) -> None:
    check_space(Text(), values)


@QUICK
@given(st.lists(PLAIN, min_size=1, max_size=3))
def test_json_values(values: list[Any]) -> None:
    check_space(Json(), values)
    check_space(List(), [[value] for value in values])


@QUICK
@given(st.lists(PLAIN, min_size=1, max_size=6, unique_by=lambda value: (type(value).__name__, repr(value))))
def test_choices(options: list[Any]) -> None:
    try:
        space = Choice(options)
    except ValueError:  # equal mappings in another order
        return
    check_space(space, options)


@QUICK
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53), min_size=1, max_size=4))
def test_numbers(values: list[float]) -> None:
    check_space(Number(), values)


@QUICK
@given(st.lists(DEMO_LISTS, min_size=1, max_size=3))
def test_demos(values: list[Any]) -> None:
    check_space(Demos(), values)


@QUICK
@given(st.lists(ARRAYS, min_size=1, max_size=3))
def test_tensors(values: list[Any]) -> None:
    check_space(Tensor(), values)


def test_importing_spaces_imports_only_the_standard_library() -> None:
    heavy = "{'numpy', 'pydantic', 'torch', 'pydantic_core'}"
    program = f"import sys, paragrad.spaces; print(sorted({{m.partition('.')[0] for m in sys.modules}} & {heavy}))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
