"""V18 as a table: every operator and method gives what plain Python gives, and a record with the right operands."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable
from typing import Any

import pytest

from paragrad.trace import Module, Parameter, Variable, bundle
from paragrad.trace.escapes import watch
from paragrad.trace.operators import BINARY, INPLACE, ITEM_MUTATORS, METHODS, MUTATORS, UNARY

NUMBERS = [(7, 3), (7.5, 2.0), (-7, 3), (True, 2)]
BINARY_ROWS: dict[str, list[tuple[Any, Any]]] = {
    "add": [*NUMBERS, ("ab", "cd"), ([1], [2]), ((1,), (2,))],
    "sub": NUMBERS,
    "mul": [*NUMBERS, ("ab", 3), (3, "ab"), ([1, 2], 2), (2, [1, 2])],
    "truediv": NUMBERS,
    "floordiv": NUMBERS,
    "mod": [*NUMBERS, ("%s-%s", ("a", 1)), ("%(x)s", {"x": 1})],
    "pow": NUMBERS,
    "and": [(6, 3), (True, False)],
    "or": [(6, 3), ({"a": 1}, {"b": 2})],
    "xor": [(6, 3)],
    "lshift": [(6, 3)],
    "rshift": [(60, 3)],
    "divmod": [(7, 3)],
    "eq": [(1, 1), (1, 2), ("a", "a"), ([1], [1]), ("a", None)],
    "ne": [(1, 1), ("a", "b")],
    "lt": [(1, 2), ("a", "b"), ([1], [2])],
    "le": [(1, 1)],
    "gt": [(2, 1)],
    "ge": [(2, 2)],
    "getitem": [
        ([1, 2, 3], 1),
        ([1, 2, 3], -1),
        ([1, 2, 3], slice(0, 2)),
        ("abc", 0),
        ("abc", slice(None, None, -1)),
        ({"k": 1}, "k"),
        ((1, 2), 0),
    ],
    "contains": [("abc", "b"), ([1, 2], 3), ({"k": 1}, "k")],
    "cast": [(1, float), (["1", "2"], int), (2.7, int)],
}
UNARY_ROWS: dict[str, list[Any]] = {
    "neg": [3, -2.5], "pos": [3], "abs": [-3, 2.5], "invert": [6], "trunc": [2.7], "floor": [2.7], "ceil": [2.2], "length": ["abc", [1, 2], {"a": 1}],
}  # fmt: skip
METHOD_ROWS: dict[str, list[tuple[Any, tuple[Any, ...]]]] = {
    "capitalize": [("abc", ())], "casefold": [("ABC", ())], "center": [("a", (5, "*"))], "count": [("banana", ("a",)), ([1, 1], (1,)), ((1,), (1,))],
    "encode": [("ä", ("utf-8",))], "endswith": [("abc", ("c",)), ("abc", (("b", "c"),))], "expandtabs": [("a\tb", (4,))], "find": [("abc", ("c",))],
    "format": [("{} {}", (1, "x"))], "format_map": [("{a}", ({"a": 1},))], "index": [("abc", ("b",)), ([5, 6], (6,))], "isalnum": [("a1", ())],
    "isalpha": [("a", ())], "isascii": [("ä", ())], "isdecimal": [("1", ())], "isdigit": [("1", ())], "isidentifier": [("a_b", ())],
    "islower": [("a", ())], "isnumeric": [("1", ())], "isprintable": [("a\n", ())], "isspace": [(" ", ())], "istitle": [("Ab", ())],
    "isupper": [("AB", ())], "join": [("-", (["a", "b"],))], "ljust": [("a", (3,))], "lower": [("AB", ())], "lstrip": [("  a", ())],
    "partition": [("a=b", ("=",))], "removeprefix": [("abc", ("a",))], "removesuffix": [("abc", ("c",))], "replace": [("abc", ("b", "x"))],
    "rfind": [("abcb", ("b",))], "rindex": [("abcb", ("b",))], "rjust": [("a", (3, "0"))], "rpartition": [("a=b=c", ("=",))],
    "rsplit": [("a b c", (None, 1))], "rstrip": [("a  ", ())], "split": [("a b c", ()), ("a,b", (",",))], "splitlines": [("a\nb", ())],
    "startswith": [("abc", ("a",))], "strip": [(" a ", ())], "swapcase": [("aB", ())], "title": [("ab cd", ())], "translate": [("abc", ({97: "x"},))],
    "upper": [("ab", ())], "zfill": [("7", (3,))], "copy": [([1, 2], ()), ({"a": 1}, ())], "get": [({"a": 1}, ("a",)), ({"a": 1}, ("b", 2))],
    "items": [({"a": 1}, ())], "keys": [({"a": 1}, ())], "values": [({"a": 1}, ())],
}  # fmt: skip
MUTATOR_ROWS: dict[str, list[tuple[Any, tuple[Any, ...]]]] = {
    "append": [([1], (2,))], "clear": [([1], ()), ({"a": 1}, ())], "extend": [([1], ([2, 3],))], "insert": [([1], (0, 9))],
    "pop": [([1, 2], ()), ([1, 2], (0,)), ({"a": 1}, ("a",))], "popitem": [({"a": 1}, ())], "remove": [([1, 2], (1,))], "reverse": [([1, 2], ())],
    "setdefault": [({"a": 1}, ("b", 2))], "sort": [([3, 1, 2], ())], "update": [({"a": 1}, ({"b": 2},))],
    "__setitem__": [([1, 2], (0, 9)), ({"a": 1}, ("b", 2)), ([1, 2, 3], (slice(0, 2), [7]))], "__delitem__": [([1, 2], (0,)), ({"a": 1}, ("a",))],
}  # fmt: skip
INPLACE_ROWS: dict[str, list[tuple[Any, Any]]] = {
    "__iadd__": [(1, 2), ("a", "b"), ([1], [2]), ([1], (2,)), ([1], "ab")], "__isub__": [(3, 1)], "__imul__": [(3, 2), ("ab", 2), ([1], 2)],
    "__itruediv__": [(3, 2)], "__ifloordiv__": [(7, 2)], "__imod__": [(7, 4)], "__ipow__": [(2, 3)], "__iand__": [(6, 3)],
    "__ior__": [(6, 1), ({"a": 1}, {"b": 2})], "__ixor__": [(6, 3)], "__ilshift__": [(1, 3)], "__irshift__": [(8, 1)],
}  # fmt: skip


def flat(rows: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(name, row, id=f"{name}-{i}") for name, entries in rows.items() for i, row in enumerate(entries)]


def same(found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted)
    assert found == wanted


def test_V18_the_table_is_covered() -> None:
    assert set(BINARY_ROWS) | {"matmul"} == {row.name for row in BINARY}
    assert set(UNARY_ROWS) == {row.name for row in UNARY}
    assert set(METHOD_ROWS) == set(METHODS)
    assert set(MUTATOR_ROWS) == {*MUTATORS, *ITEM_MUTATORS}
    assert set(INPLACE_ROWS) | {"__imatmul__"} == set(INPLACE)
    assert {n for n in dir(str) if not n.startswith("_")} - set(METHODS) == {"maketrans"}
    assert {n for n in dir(list) if not n.startswith("_")} <= {*METHODS, *MUTATORS}
    assert {n for n in dir(dict) if not n.startswith("_")} - {*METHODS, *MUTATORS} == {"fromkeys"}


@pytest.mark.parametrize(("name", "row"), flat(BINARY_ROWS))
def test_V18_binary_operators(name: str, row: tuple[Any, Any]) -> None:
    entry = next(r for r in BINARY if r.name == name)
    left, right = row
    wanted = entry.fn(left, right)
    a = Variable(left, requires_grad=True)
    out = getattr(a, entry.method)(right)
    same(out.value, wanted)
    assert out.predecessors == {"left": a}
    assert repr(out.grad_fn) == f"<{name.capitalize()}>"
    assert Variable(left).__getattribute__(entry.method)(right).grad_fn is None
    if not isinstance(right, (slice, type)):
        b = Variable(right, requires_grad=True)
        both = getattr(a, entry.method)(b)
        same(both.value, wanted)
        assert both.predecessors == {"left": a, "right": b}
        if entry.reflected:
            reflected = getattr(b, entry.reflected)(left)
            same(reflected.value, wanted)
            assert reflected.predecessors == {"right": b}


@pytest.mark.parametrize(
    ("expression", "left", "right"),
    [
        (operator.add, "x", "a"), (operator.add, [1], [2]), (operator.add, (1,), (2,)), (operator.mul, [1], 2), (operator.mul, "ab", 2),
        (operator.sub, 5, 3), (operator.truediv, 5, 2), (operator.pow, 2, 3), (divmod, 7, 2), (operator.or_, {"a": 1}, {"b": 2}),
        (operator.lshift, 1, 2), (operator.eq, "a", "a"), (operator.lt, 1, 2), (operator.ge, 1, 2), (operator.ne, [1], [2]),
    ],
)  # fmt: skip
def test_V18_plain_left_operands_are_tracked(expression: Callable[[Any, Any], Any], left: Any, right: Any) -> None:
    b = Variable(right, requires_grad=True)
    out = expression(left, b)
    same(out.value, expression(left, right))
    assert list(out.predecessors.values()) == [b]


@pytest.mark.parametrize(("name", "value"), flat(UNARY_ROWS))
def test_V18_unary_operators(name: str, value: Any) -> None:
    entry = next(r for r in UNARY if r.name == name)
    a = Variable(value, requires_grad=True)
    out = getattr(a, entry.method)()
    same(out.value, entry.fn(value))
    assert out.predecessors == {"value": a}
    assert repr(out.grad_fn) == f"<{name.capitalize()}>"


@pytest.mark.parametrize(("name", "row"), flat(METHOD_ROWS))
def test_V18_methods(name: str, row: tuple[Any, tuple[Any, ...]]) -> None:
    value, args = row
    wanted = getattr(value, name)(*args)
    wanted = list(wanted) if name in ("items", "keys", "values") else wanted
    a = Variable(value, requires_grad=True)
    out = getattr(a, name)(*args)
    same(out.value, wanted)
    assert out.predecessors == {"value": a}
    assert out.grad_fn.title == "".join(part.capitalize() for part in name.split("_"))
    assert getattr(Variable(value), name)(*args).grad_fn is None


@pytest.mark.parametrize(("name", "row"), flat(MUTATOR_ROWS))
def test_V18_mutators_rebind_and_never_corrupt_a_record(name: str, row: tuple[Any, tuple[Any, ...]]) -> None:
    value, args = row
    wanted = copy.deepcopy(value)
    returned = getattr(wanted, name)(*args)
    source = Variable(value, requires_grad=True)
    v = source.copy()
    before = v + v if isinstance(value, list) else v.copy()
    recorded = copy.deepcopy(before.predecessors[next(iter(before.predecessors))].value)
    found = getattr(v, name)(*args)
    same(v.value, wanted)
    assert (found.value if isinstance(found, Variable) else found) == returned
    assert v.is_leaf is False
    assert recorded == before.predecessors[next(iter(before.predecessors))].value == value
    assert source.value == value
    plain = Variable(value)
    getattr(plain, name)(*args)
    same(plain.value, wanted)
    with pytest.raises(RuntimeError, match="in place"):
        getattr(source, name)(*args)
    with pytest.raises(RuntimeError, match="in place"):
        getattr(Parameter(value), name)(*args)
    assert source.value == value


@pytest.mark.parametrize(("name", "row"), flat(INPLACE_ROWS))
def test_V18_in_place_operators_rebind(name: str, row: tuple[Any, Any]) -> None:
    left, right = row
    fn = getattr(operator, name.strip("_"))
    wanted = fn(copy.deepcopy(left), right)
    source = Variable(left, requires_grad=True)
    v = source[:] if isinstance(left, (str, list)) else source.copy() if isinstance(left, dict) else +source
    old = v._n
    v = fn(v, right)
    same(v.value, wanted)
    assert v._n is not old
    assert old.value == left
    for leaf in (source, Parameter(left)):
        with pytest.raises(RuntimeError, match="in place"):
            fn(leaf, right)


def test_V18_matmul_and_arrays_on_the_left() -> None:
    np = pytest.importorskip("numpy")
    m = np.arange(4.0).reshape(2, 2)
    a = Variable(m, requires_grad=True)
    for out, wanted in (
        (a @ m, m @ m),
        (m @ a, m @ m),
        (m + a, m + m),
        (np.float64(2) * a, 2 * m),
        (np.subtract(m, a), m - m),
        (m == a, m == m),
    ):
        assert isinstance(out, Variable)
        assert np.array_equal(out.value, wanted)
        assert list(out.predecessors.values()) == [a]
    b = +a
    b @= m
    assert np.array_equal(b.value, m @ m)
    with watch() as seen:
        plain = np.floor(a)  # has no traced form
    assert type(plain) is np.ndarray
    assert len(seen.escapes) == 1


def test_V18_wrong_operands_raise_as_python_does() -> None:
    for call in (lambda a: 1 + a, lambda a: a + 1, lambda a: a - "x", lambda a: a["k"], lambda a: a < 1, lambda a: a @ a):
        a = Variable("a", requires_grad=True)
        with pytest.raises(TypeError):
            call(a)
        assert a.value == "a"
    with pytest.raises(AttributeError):
        Variable("a").no_such_field
    with pytest.raises(IndexError):
        Variable([1])[3]
    with pytest.raises(KeyError):
        Variable({"a": 1})["b"]


def test_V18_iteration_unpacking_slices_and_keywords_are_tracked() -> None:
    v, n = Variable([1, 2, 3], requires_grad=True), Variable(1, requires_grad=True)
    first, *rest = v
    assert [x.value for x in (first, *rest)] == [1, 2, 3]
    assert all(x.predecessors["left"] is v for x in (first, *rest))
    assert [x.value for x in reversed(v)] == [3, 2, 1]
    part = v[n : n + 2]
    assert part.value == [2, 3]
    assert part.predecessors["value"] is v
    assert part.predecessors["start"] is n
    assert list(Variable({"a": 1})) == ["a"]
    text = Variable("a-b-c", requires_grad=True)
    out = text.split(sep=Variable("-", requires_grad=True), maxsplit=1)
    assert out.value == ["a", "b-c"]
    assert list(out.predecessors) == ["value", "sep"]
    assert pow(Variable(3, requires_grad=True), 2, 5).value == 4
    assert [round(Variable(2.567), 1).value, math.floor(Variable(2.5)).value, math.ceil(Variable(2.5)).value] == [2.6, 2, 3]
    assert sum([Variable(1, requires_grad=True), Variable(2)]).value == 3


def test_V18_a_changed_argument_never_changes_a_record() -> None:
    items = ["b"]
    v = Variable("-", requires_grad=True)
    out = v.join(items)
    items.append("c")
    assert out.value == "b"
    np = pytest.importorskip("numpy")
    weights = np.ones(2)
    x = Variable(np.ones(2), requires_grad=True)
    y = x * weights
    weights[:] = 100
    y.backward(np.ones(2))
    assert x.grad[0].value.tolist() == [1.0, 1.0]
    inner = [[1.0]]
    w = Variable([[2.0]], requires_grad=True) + inner
    inner[0][0] = 9.0
    assert w.value == [[2.0], [1.0]]


ESCAPES: dict[str, Callable[[Any], Any]] = {
    "bool": bool, "len": len, "in": lambda v: "a" in v, "str": str, "format": lambda v: f"{v:>5}", "join": lambda v: "".join([str(v)]),
    "value": lambda v: v.value, "data": lambda v: v.data, "if": lambda v: 1 if v else 2,
}  # fmt: skip


@pytest.mark.parametrize("how", ESCAPES)
def test_V18_escapes_give_plain_values_and_become_edges(how: str) -> None:
    p = Parameter("abc", name="p")
    plain = ESCAPES[how]("abc") if how not in ("value", "data") else "abc"

    @bundle
    def inside(x: Any) -> Any:
        return ESCAPES[how](p)

    with watch() as seen:
        out = inside("x")
    same(out.value, plain)
    assert list(out.predecessors) == ["read:p"]
    assert [(e.label, e.parameter) for e in seen.escapes] == [("p", p)]
    assert seen.escapes[0].where.startswith("test_v18_table.py:")
    assert seen.lost([out]) == []
    assert len(seen.lost([Variable("unrelated")])) == 1


def test_V18_numbers_escape_too() -> None:
    p = Parameter(2.5, name="p")
    with watch() as seen:
        assert (int(p), float(p), complex(p), f"{p:.1f}", str(p)) == (2, 2.5, 2.5 + 0j, "2.5", "2.5")
    assert [e.label for e in seen.escapes] == ["p"]  # each value once
    n = Parameter(2, name="n")
    assert "abc"[n] == "c"
    assert list(range(n)) == [0, 1]


def test_V18_tracked_forms_lose_nothing() -> None:
    p = Parameter("abc", name="p")
    with watch() as seen:
        made = [p.contains("b"), p.length(), p + "d"]
    assert [v.value for v in made] == [True, 3, "abcd"]
    assert [list(v.predecessors.values()) for v in made] == [[p]] * 3
    assert seen.escapes == []


def test_V18_an_escape_in_a_program_is_an_edge_of_its_output_and_a_lost_one_is_named() -> None:
    class Program(Module):
        def __init__(self) -> None:
            self.p, self.q = Parameter("p"), Parameter("q")

        def forward(self, x: str) -> Any:
            return bundle(lambda y: f"{self.p} {y}")(x)

    program = Program()
    with watch() as seen:
        out = program("x")
        noise = str(program.q)
    assert noise == "q"
    assert [e.label for e in seen.escapes] == ["p", "q"]
    assert [e.label for e in seen.lost([out])] == ["q"]
    out.backward("w")
    assert len(program.p.grad) == 1
