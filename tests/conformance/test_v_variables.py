"""Section V: Variables (seed 002)."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from paragrad.errors import NothingToTrain
from paragrad.propagators import Text
from paragrad.protocols.gradient import Feedback
from paragrad.trace import Module, Parameter, Variable, backward, bundle, op
from paragrad.trace.escapes import watch

BAD_DATA = [object(), {1: "a"}, [1, [object()]], {"a": {1, 2}}, b"bytes", 1j, lambda: 1]
DATA = [
    "abc",
    "",
    1,
    2.5,
    True,
    None,
    ["a", "b"],
    ("a", 1),
    [],
    (),
    [1, 2],
    [1.5, 2.5],
    [0.1, 0.2, 0.3],
    {"a": [1, {"b": None}]},
    [["x"], []],
]


class Asked:
    """A critic that counts what it is asked, and answers every argument with the words and a mark."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, record: Any, words: Any) -> dict[str, str]:
        self.calls.append(record.op.name)
        return {name: f"{words}+" for name in record.names}


@bundle(effects=())
def shout(x: str) -> str:
    """Upper-cases."""
    return x.upper()


@bundle(effects=())
def join(a: Any, b: Any) -> str:
    return f"{a} {b}"


def test_V1_parameter_constructs_with_the_documents_defaults() -> None:
    p = Parameter()
    assert isinstance(p, Variable)
    assert (p.value, p.role, p.requires_grad, p.is_leaf, p.grad_fn) == (None, None, True, True, None)
    assert list(p.grad) == []
    q = Parameter("abc", "role", False)
    assert (q.value, q.role, q.requires_grad) == ("abc", "role", False)
    named = Parameter(data="abc", role="role", requires_grad=True)
    assert (named.data, named.role, named.requires_grad) == ("abc", "role", True)


@pytest.mark.parametrize("data", DATA, ids=repr)
def test_V2_data_is_text_numbers_and_json_like_values(data: Any) -> None:
    v = Variable(data)
    assert v.data == data
    assert type(v.data) is type(data)


def test_V2_arrays_and_opaque_objects_are_data_too() -> None:
    np = pytest.importorskip("numpy")
    from paragrad.spaces.opaque import Opaque

    source = np.arange(3.0)
    v = Variable(source)
    source[0] = 99
    assert v.data.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        v.data[0] = 1
    thing = object()
    assert Variable(thing, space=Opaque()).value is thing
    assert Variable([1, 2.5]).data == [1.0, 2.5]
    assert all(type(x) is float for x in Variable([1, 2.5]).data)


def test_V2_torch_tensors_are_data() -> None:
    torch = pytest.importorskip("torch")
    v = Variable(torch.tensor([1.0, 2.0]))
    assert [float(x) for x in v.value] == [1.0, 2.0]


@pytest.mark.parametrize("bad", BAD_DATA, ids=lambda x: type(x).__name__)
def test_V2_wrong_data_is_a_type_error_and_changes_nothing(bad: Any) -> None:
    with pytest.raises(TypeError, match="data"):
        Variable(bad)
    for v in (Variable("abc", "role", True), Variable("abc"), Parameter("abc", "role")):
        before = (v.variable_id, v.value, v.role, v.requires_grad, v.is_leaf)
        with pytest.raises(TypeError):
            v.data = bad
        assert (v.variable_id, v.value, v.role, v.requires_grad, v.is_leaf) == before


def test_V2_the_error_names_the_element() -> None:
    with pytest.raises(TypeError, match=r"data\[1\]\['k'\]"):
        Variable(["fine", {"k": object()}])


def test_V3_grad_is_an_ordered_list_of_gradients() -> None:
    v = Variable("abc", "input", requires_grad=True)
    assert list(v.grad) == []
    assert repr(v.grad) == "[]"
    v.append_grad(Variable("one"))
    assert repr(v.grad) == repr(v.grad[0])
    v.append_grad(Variable("two"))
    assert [g.value for g in v.grad] == ["one", "two"]
    assert repr(v.grad).startswith("[variable(one")
    for wrong in ("raw", 1.0, None, object()):
        with pytest.raises(TypeError):
            v.append_grad(wrong)  # type: ignore[arg-type]
    assert [g.value for g in v.grad] == ["one", "two"]
    v.grad = None
    assert list(v.grad) == []
    (v + "!").backward("again")
    assert [g.value for g in v.grad] == ["again"]


def test_V3_numbers_are_one_running_sum_and_a_count() -> None:
    v = Variable(2.0, requires_grad=True)
    for _ in range(5):
        (v * 3.0).backward()
    assert [g.value for g in v.grad] == [15.0]
    assert v.grad.count == 5
    p = Parameter("abc")
    (p + "d").backward(Feedback(1.0, "words", other=2.0))
    assert [g.value for g in p.grad] == ["words"]
    assert len(p.scores) == 2


def test_V3_text_gradients_are_tagged() -> None:
    p = Parameter("abc")
    join(p, b="x").backward("first")
    tag = p._accumulator().texts[0].tag
    assert (tag.item, tag.operation, tag.argument) == (None, "join", "a")


def test_V4_chain_rule_accumulates_over_calls() -> None:
    x, y = Variable(3.0, requires_grad=True), Variable(4.0, requires_grad=True)
    z = (x * y + x) ** 2 / y
    z.backward(None, True, False, None)
    n = 3.0 * 4 + 3
    assert x.grad[0].value == pytest.approx(2 * n * 5 / 4)
    assert y.grad[0].value == pytest.approx(2 * n * 3 / 4 - n * n / 16)
    once = x.grad[0].value
    z.backward()
    assert x.grad[0].value == pytest.approx(2 * once)
    a = Variable("abc", requires_grad=True)
    (a.upper() + "d").backward("one")
    (a + "e").backward("two")
    assert [g.value for g in a.grad] == ["one", "two"]


def test_V4_a_diamond_gives_two_entries_in_a_fixed_order_and_asks_each_operation_once() -> None:
    asked = Asked()

    @bundle
    def left(x: str) -> str:
        return x + "l"

    @bundle
    def right(x: str) -> str:
        return x + "r"

    for _ in range(3):
        a = Variable("a", requires_grad=True)
        asked.calls.clear()
        join(left(a), right(a)).backward("w", propagators=[Text(asked)])
        assert sorted(asked.calls) == ["join", "left", "right"]
        assert [c.tag.operation for c in a._accumulator().texts] == ["left", "right"]
        assert [g.value for g in a.grad] == ["w++", "w++"]


def test_V5_more_than_one_element_needs_a_gradient_before_any_model_is_called() -> None:
    asked = Asked()
    a = Variable(["a", "b"], requires_grad=True)
    out = bundle(lambda x: [s.upper() for s in x])(a)
    with pytest.raises(RuntimeError, match="more than one element"):
        out.backward(propagators=None)
    with pytest.raises(RuntimeError, match="more than one element"):
        (a + ["c"]).backward()  # noqa: RUF005
    for wrong in (Variable("text"), Variable(1.0), 1.0, Variable(["only one"]), Variable(["a", "b", "c"]), Variable([1.0, 2.0])):
        with pytest.raises(RuntimeError, match="match"):
            out.backward(wrong, propagators=None)
        with pytest.raises(RuntimeError, match="match"):
            out.backward(wrong, propagators=[Text(asked), *_numeric()])
    assert asked.calls == []
    assert list(a.grad) == []
    out.backward("plain words fit", retain_graph=True)
    out.backward(Feedback(text="so does feedback"), retain_graph=True)
    out.backward(Variable(["first", "second"]))
    assert [g.value for g in a.grad][:2] == ["plain words fit", "so does feedback"]
    assert a.grad[2].value == ["first", "second"]
    with pytest.raises(TypeError):
        shout(Variable("x", requires_grad=True)).backward(object())


def _numeric() -> list[Any]:
    from paragrad.propagators import Numeric

    return [Numeric()]


@pytest.mark.parametrize(("value", "wrong"), [(2.0, [1.0]), (2.0, "text"), ([1.0, 2.0], 1.0), ([1.0, 2.0], [1.0])])
def test_V5_a_gradient_must_match_kind_and_shape(value: Any, wrong: Any) -> None:
    v = Variable(value, requires_grad=True)
    out = v[:] if isinstance(value, list) else v * 1.0
    with pytest.raises(RuntimeError):
        out.backward(Variable(wrong))
    assert list(v.grad) == []
    out.backward(Variable(value))


def test_V5_one_element_seeds_itself() -> None:
    for value, expected in ((2.0, 3.0), ("abc", "abcabcabc")):
        v = Variable(value, requires_grad=True)
        (v * 3).backward()
        assert v.grad[0].value == expected
    v = Variable([2.0], requires_grad=True)
    v[:].backward()
    assert v.grad[0].value == [1.0]


def test_V5_the_documents_last_example() -> None:
    """``x.grad`` shows ``variable(ABC, role=input, requires_grad=True)`` for an upper-casing model."""
    for model in (lambda x: x.upper(), shout):
        x = Variable(data="abc", role="input")
        assert repr(x) == "variable(abc, role=input, requires_grad=False)"
        x.requires_grad_()
        output = model(x)
        output.backward()
        assert repr(x.grad) == "variable(ABC, role=input, requires_grad=True)"


def test_V6_inputs_select_leaves_and_the_others_cost_nothing() -> None:
    asked = Asked()
    a, b = Variable("a", requires_grad=True), Variable("b", requires_grad=True)
    out = join(shout(a), bundle(lambda x: x + "?")(b))
    out.backward("w", inputs=[a], propagators=[Text(asked)])
    assert ([g.value for g in a.grad], list(b.grad)) == (["w++"], [])
    assert sorted(asked.calls) == ["join", "shout"]


def test_V6_a_non_leaf_or_no_input_is_refused_before_any_call() -> None:
    asked = Asked()
    a = Variable("a", requires_grad=True)
    b = shout(a)
    c = join(b, "x")
    for wrong in ([b], [], [a, b], [Variable("no grad")]):
        with pytest.raises(RuntimeError):
            c.backward("w", inputs=wrong, propagators=[Text(asked)])
    with pytest.raises(TypeError):
        c.backward("w", inputs=["a"])  # type: ignore[list-item]
    assert asked.calls == []
    c.backward("w", inputs=[a])
    assert len(a.grad) == 1


def test_V6_inputs_may_be_a_parameter_or_one_variable() -> None:
    p, q = Parameter(2.0), Parameter(3.0)
    (p * q).backward(inputs=[q])
    assert (list(p.grad), q.grad[0].value) == ([], 2.0)
    (p * q).backward(inputs=p)  # type: ignore[arg-type]
    assert p.grad[0].value == 3.0


def test_V7_the_graph_is_freed_unless_retained() -> None:
    a = Variable("abc", requires_grad=True)
    c = a + "d"
    c.backward()
    assert len(a.grad) == 1
    with pytest.raises(RuntimeError, match="freed"):
        c.backward()
    for look in (c.graph, lambda: c.predecessors):
        with pytest.raises(RuntimeError, match="freed"):
            look()
    with pytest.raises(RuntimeError, match="freed"):
        (c + "e").backward()
    a.grad = None
    c = a + "d"
    c.backward(retain_graph=True)
    c.backward()
    assert len(a.grad) == 2
    c = a + "d"
    c.backward(create_graph=True)
    c.backward(retain_graph=False)
    with pytest.raises(RuntimeError, match="freed"):
        c.backward()


def test_V7_a_failed_backward_frees_and_delivers_nothing() -> None:
    def failing(record: Any, words: Any) -> Any:
        raise ConnectionError("down")

    a = Variable("abc", requires_grad=True)
    c = shout(a)
    with pytest.raises(ConnectionError):
        c.backward("w", propagators=[Text(failing)])
    assert list(a.grad) == []
    c.backward("w")
    assert len(a.grad) == 1


def test_V8_text_gradients_are_differentiable() -> None:
    critic_prompt, p = Parameter("Be harsh.", name="critic"), Parameter("Answer.", name="program")

    @bundle(effects=())
    def criticise(prompt: str, instruction: str, words: str) -> str:
        return f"{prompt} {instruction} {words}"

    def critic(record: Any, words: Any) -> Any:
        return {"x": criticise(critic_prompt, record.operands[0], words)}

    out = shout(p)
    out.backward("too long", create_graph=True, propagators=[Text(critic)])
    (gradient,) = p.grad
    assert gradient.value == "Be harsh. Answer. too long"
    assert gradient.requires_grad
    assert gradient.grad_fn is not None
    p.zero_grad()
    gradient.backward("unfair", retain_graph=True)
    assert [g.value for g in critic_prompt.grad] == ["unfair"]
    assert [g.value for g in p.grad] == ["unfair"]
    gradient.backward("again", inputs=[critic_prompt])
    assert [g.value for g in critic_prompt.grad] == ["unfair", "again"]
    assert len(p.grad) == 1
    out.backward("the graph was retained")


def test_V8_a_text_that_seeds_itself_is_differentiable() -> None:
    a = Variable("abc", "input", requires_grad=True)
    (a + "d").backward(create_graph=True)
    gradient = a.grad[0]
    assert gradient.value == "abcd"
    assert gradient.requires_grad
    assert gradient.grad_fn is not None
    assert gradient.role == "input"
    gradient.backward("second order")
    assert [g.value for g in a.grad][1:] == ["second order"]


def test_V8_without_create_graph_gradients_hold_no_graph() -> None:
    p = Parameter("abc")

    def critic(record: Any, words: Any) -> Any:
        return {"x": shout(record.operands[0])}

    shout(p).backward("w", propagators=[Text(critic)])
    assert p.grad[0].grad_fn is None
    assert isinstance(p._accumulator().texts[0].value, str)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda x, y: x * x * y,
    "power": lambda x, y: x**y + y**3,
    "ratio": lambda x, y: x / y - y / x,
    "mixed": lambda x, y: (x * y + 2.0) ** 2 / (1.0 + y * y),
    "absolute": lambda x, y: abs(x - 10.0) * y * y,
    "negated": lambda x, y: -(x * x) + (+y) * x,
    "modulo": lambda x, y: (x * x) % (y * 3.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_V8_second_derivatives_agree_with_finite_differences(name: str) -> None:
    f = FUNCTIONS[name]

    def gradient(x0: float, y0: float) -> tuple[float, float]:
        x, y = Variable(x0, requires_grad=True), Variable(y0, requires_grad=True)
        f(x, y).backward()
        return x.grad[0].value, y.grad[0].value

    x, y, h = Variable(1.7, requires_grad=True), Variable(2.3, requires_grad=True), 1e-5
    f(x, y).backward(create_graph=True)
    gx = x.grad[0]
    x.grad = y.grad = None
    gx.backward()
    dxx = (gradient(1.7 + h, 2.3)[0] - gradient(1.7 - h, 2.3)[0]) / (2 * h)
    dxy = (gradient(1.7, 2.3 + h)[0] - gradient(1.7, 2.3 - h)[0]) / (2 * h)
    assert (x.grad[0].value if x.grad else 0.0) == pytest.approx(dxx, rel=1e-4, abs=1e-6)
    assert (y.grad[0].value if y.grad else 0.0) == pytest.approx(dxy, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_V8_second_derivatives_agree_with_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    f = FUNCTIONS[name]
    x, y = Variable(1.7, requires_grad=True), Variable(2.3, requires_grad=True)
    f(x, y).backward(create_graph=True)
    gx = x.grad[0]
    x.grad = y.grad = None
    gx.backward()
    tx, ty = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (1.7, 2.3))
    (tgx,) = torch.autograd.grad(f(tx, ty), tx, create_graph=True)
    wanted = torch.autograd.grad(tgx, (tx, ty), allow_unused=True)
    for v, t in zip((x, y), wanted, strict=True):
        assert (v.grad[0].value if v.grad else 0.0) == pytest.approx(0.0 if t is None else float(t), rel=1e-9, abs=1e-12)


def test_V8_second_derivatives_through_lists() -> None:
    v = Variable([2.0, 3.0], requires_grad=True)
    (v[0] * v[0] * v[1]).backward(create_graph=True)
    (gradient,) = v.grad
    assert gradient.value == [12.0, 4.0]
    v.grad = None
    gradient[0].backward()  # d/dv (2 v0 v1)
    assert v.grad[0].value == [6.0, 4.0]


def test_V9_several_losses_over_one_graph() -> None:
    asked = Asked()
    a = Variable("a", requires_grad=True)
    shared = shout(a)
    one, two = bundle(lambda x: x + "1")(shared), bundle(lambda x: x + "2")(shared)
    backward([one, two], ["first", "second"], retain_graph=True)
    assert [g.value for g in a.grad] == ["first", "second"]
    a.grad = None

    class Counting(Text):
        pass

    one.backward("again", retain_graph=True)
    two.backward("and again")
    assert [g.value for g in a.grad] == ["again", "and again"]
    a.grad = None
    shared = shout(a)
    one, two = bundle(lambda x: x + "1")(shared), bundle(lambda x: x + "2")(shared)
    from paragrad.trace.backward import backward as sweep

    sweep([one, two], ["first", "second"], propagators=[Text(asked)])
    assert asked.calls.count("shout") == 1
    assert [g.value for g in a.grad] == ["first+\nsecond++"]


def test_V9_numbers_of_several_outputs_add_up() -> None:
    x = Variable(2.0, requires_grad=True)
    y = x * x
    backward([y * 3.0, y * 5.0, x * 1.0])
    assert x.grad[0].value == pytest.approx(4 * 8 + 1)


def test_V10_copy_takes_data_role_and_flag() -> None:
    target, source = Variable("abc", "old"), Variable("xyz", "new", requires_grad=True)
    assert target.copy_(source) is target
    assert (target.value, target.role, target.requires_grad, target.is_leaf) == ("xyz", "new", True, True)
    assert Variable(1.5).copy_(Variable(2)).value == 2.0
    assert type(Variable(1.5).copy_(Variable(2)).value) is float
    assert Variable([1.5, 2.5]).copy_(Variable([1, 2])).value == [1.0, 2.0]
    p = Parameter("abc", "role")
    assert p.copy_(Variable("xyz", "new", requires_grad=True)) is p
    assert (p.value, p.role, p.requires_grad, type(p)) == ("xyz", "new", True, Parameter)


@pytest.mark.parametrize(
    ("target", "source", "error"),
    [
        ("x", "raw", TypeError),
        ("x", None, TypeError),
        ("x", Variable(3), ValueError),
        (3, Variable("x"), ValueError),
        (3, Variable(2.5), ValueError),
        (True, Variable(1), ValueError),
        ("x", Variable(["x"]), ValueError),
        (["x"], Variable("x"), ValueError),
        (["a", "b", "c"], Variable(["a", "b"]), ValueError),
        (["a", "b"], Variable(["a", 1]), ValueError),
        ([1, 2], Variable([1.5, 2.5]), ValueError),
        ({"a": 1}, Variable([1]), ValueError),
        (["x"], Variable(("x",)), ValueError),
    ],
    ids=repr,
)
def test_V10_copy_errors_leave_the_target_unchanged(target: Any, source: Any, error: type[Exception]) -> None:
    v = Variable(target, "role", requires_grad=True)
    v.append_grad(Variable("kept"))
    with pytest.raises(error):
        v.copy_(source)
    assert (v.value, v.role, v.requires_grad, len(v.grad)) == (target, "role", True, 1)


def test_V10_copy_onto_a_result_leaves_the_record_alone() -> None:
    a = Variable("abc", requires_grad=True)
    b = a.upper()
    b.role = "middle"
    c = b + "d"
    b.copy_(Variable("XYZ", "replaced"))
    assert (b.value, b.role, b.is_leaf) == ("XYZ", "replaced", True)
    assert c.predecessors["left"].value == "ABC"
    assert c.predecessors["left"].role == "middle"
    c.backward("w")
    assert [g.value for g in a.grad] == ["w"]


def test_V11_detach_is_independent() -> None:
    a = Variable(["a"], "role", requires_grad=True)
    c = a + ["b"]  # noqa: RUF005
    c.role = "list"
    d = c.detach()
    assert (d.value, d.role, d.grad_fn, d.requires_grad, d.is_leaf) == (["a", "b"], "list", None, False, True)
    d.append("z")
    d.data.append("y")
    assert (c.value, d.value) == (["a", "b"], ["a", "b", "z"])
    assert d.variable_id != c.variable_id
    assert (d + ["x"]).grad_fn is None  # noqa: RUF005
    assert type(Parameter("abc").detach()) is Variable


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (1.0, True),
        (1, False),
        (True, False),
        ("1.0", False),
        ([1.0, 2.0], True),
        ([1, 2], False),
        ([], False),
        ((1.0,), True),
        (None, False),
    ],
)
def test_V12_is_floating_point(data: Any, expected: bool) -> None:
    assert Variable(data).is_floating_point() is expected


def test_V12_arrays_by_dtype() -> None:
    np = pytest.importorskip("numpy")
    assert Variable(np.zeros(2)).is_floating_point() is True
    assert Variable(np.zeros(2, dtype="int64")).is_floating_point() is False
    assert Variable(np.zeros(0, dtype="float32")).is_floating_point() is True


def test_V13_the_documents_five_leaf_examples() -> None:
    a = Variable("abc", requires_grad=True)
    assert a.is_leaf is True
    b = Variable("abc", requires_grad=True).upper()
    assert b.is_leaf is False
    c = Variable("abc", requires_grad=True) + "def"
    assert c.is_leaf is False
    d = Variable("abc").upper()
    assert d.is_leaf is True
    e = Variable("abc").upper().requires_grad_()
    assert e.is_leaf is True
    assert (b.data, c.data, d.data, e.data) == ("ABC", "abcdef", "ABC", "ABC")
    assert (b.requires_grad, c.requires_grad, d.requires_grad, e.requires_grad) == (True, True, False, True)
    assert (repr(b.grad_fn), repr(c.grad_fn), d.grad_fn, e.grad_fn) == ("<Upper>", "<Add>", None, None)


def test_V14_only_leaves_and_retained_values_get_grad() -> None:
    a = Variable("abc", requires_grad=True)
    b = a.upper()
    c = b + "d"
    for read in (lambda: b.grad, lambda: c.grad, lambda: b.append_grad(Variable("x"))):
        with pytest.raises(RuntimeError, match="retain_grad"):
            read()
    b.retain_grad()
    c.backward("w", retain_graph=True)
    assert [g.value for g in b.grad] == ["w"]
    with pytest.raises(RuntimeError, match="retain_grad"):
        _ = c.grad
    c.retain_grad()
    c.backward("w")
    assert (len(b.grad), len(c.grad)) == (2, 1)
    a.retain_grad()
    assert len(a.grad) == 2
    x = Variable(2.0, requires_grad=True)
    y = x * x
    y.retain_grad()
    (y * y).backward()
    assert (x.grad[0].value, y.grad[0].value) == (32.0, 8.0)


def test_V14_a_leaf_has_nothing_to_differentiate() -> None:
    for out in (Variable("a", requires_grad=True), Variable("a").upper(), Variable("a"), Variable(1.0)):
        with pytest.raises(RuntimeError):
            out.backward("words" if isinstance(out.value, str) else None)
        with pytest.raises(NothingToTrain):
            out.backward()


def test_V15_recording_starts_where_requires_grad_is_set() -> None:
    x = Variable("abc")
    y = x.upper()
    assert y.requires_grad_() is y
    z = y + "d"
    z.backward("w")
    assert [g.value for g in y.grad] == ["w"]
    assert list(x.grad) == []
    assert z.is_leaf is False
    y.requires_grad = False
    assert (y.requires_grad, (y + "d").grad_fn) == (False, None)
    p = Parameter("abc")
    assert p.requires_grad_(False) is p
    assert (p + "d").grad_fn is None
    for wrong in ("yes", 1, None):
        with pytest.raises(TypeError):
            x.requires_grad_(wrong)  # type: ignore[arg-type]


def test_V16_to_casts_and_is_tracked() -> None:
    source = Variable(["1", "2"], "r", requires_grad=True)
    cast = source.to(float)
    assert (cast.value, cast.role, cast.is_leaf, cast.requires_grad) == ([1.0, 2.0], "r", False, True)
    assert source.value == ["1", "2"]
    assert source.to() is source
    assert Variable(3).to("float").value == 3.0
    assert Variable((1.9, 2.1)).to(int).value == (1, 2)
    for wrong in ("x", list, object(), 3):
        with pytest.raises(TypeError):
            source.to(wrong)
    x = Variable(3, requires_grad=True)
    (x.to(float) * 2.0).backward()
    assert x.grad[0].value == 2.0
    np = pytest.importorskip("numpy")
    assert Variable(np.arange(2)).to("float32").value.dtype == np.float32
    with pytest.raises(TypeError):
        Variable(np.arange(2)).to("nonsense")


def test_V17_variable_id_is_unique_stable_and_never_copied() -> None:
    for v in (Variable("abc", "r", requires_grad=True), Parameter("abc", "r"), Variable("abc").upper()):
        mine = v.variable_id
        assert v.variable_id == mine
        if v.is_leaf:
            v.data = "xyz"
            assert v.variable_id == mine
        for other in (copy.deepcopy(v), copy.copy(v)):
            assert other.variable_id != mine
            assert (other.value, other.role, other.requires_grad, type(other)) == (v.value, v.role, v.requires_grad, type(v))
    ids = {Variable("x").variable_id for _ in range(1000)}
    assert len(ids) == 1000


def test_V17_a_copy_in_another_process_has_its_own_id() -> None:
    v = Variable(["a", 1.5], "r", requires_grad=True)
    kind, args = v.__reduce__()
    program = "import json,sys; from paragrad.trace import Variable; v=Variable(*json.loads(sys.stdin.read())); print(v.variable_id); print(repr(v))"
    done = subprocess.run([sys.executable, "-c", program], input=json.dumps(args), capture_output=True, text=True, check=True)
    other, shown = done.stdout.splitlines()
    assert kind is Variable
    assert other != v.variable_id
    assert shown == repr(v)


def test_V18_comparisons_are_tracked_and_hash_is_identity() -> None:
    a, b = Variable(1, requires_grad=True), Variable(1, requires_grad=True)
    same = a == b
    assert isinstance(same, Variable)
    assert same.value is True
    assert repr(same.grad_fn) == "<Eq>"
    assert len({a, b}) == 2
    assert {a: "x"}[a] == "x"
    assert a in [b]  # `in list` compares by value


def test_V18_escapes_are_noted_with_their_place() -> None:
    class Program(Module):
        def __init__(self) -> None:
            self.style, self.used = Parameter("kind"), Parameter("used")

        def forward(self, x: Any) -> Any:
            _ = f"{self.style}"
            return self.used + x

    program = Program()
    with watch() as seen:
        out = program(Variable("x", requires_grad=True))
    (escape,) = seen.escapes
    assert escape.label == "style"
    assert escape.parameter is program.style
    here = test_V18_escapes_are_noted_with_their_place.__code__.co_firstlineno
    assert escape.where.startswith("test_v_variables.py:")
    assert here < int(escape.where.rpartition(":")[2]) < here + 9
    assert "read:style" in out.predecessors


def test_V19_repr_shows_role_and_flag_in_constant_time() -> None:
    assert repr(Variable("abc", role="input", requires_grad=False)) == "variable(abc, role=input, requires_grad=False)"
    assert repr(Variable("abc")) == "variable(abc, role=None, requires_grad=False)"
    assert repr(Variable("abc", "input", True).upper()) == "variable(ABC, role=None, grad_fn=<Upper>)"
    assert len(repr(Variable("x" * 10**6))) < 120
    assert len(repr(Variable(list(range(10**6))))) < 120

    class Counting(dict):  # type: ignore[type-arg]
        steps = 0

        def __iter__(self) -> Any:
            for key in super().__iter__():
                Counting.steps += 1
                yield key

    from paragrad.trace.values import brief

    assert len(brief(Counting({str(i): i for i in range(10**5)}))) < 120
    assert Counting.steps < 20


def test_V20_everything_runs_locally() -> None:
    program = """
import socket
def refuse(*a, **k): raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refuse
from paragrad.trace import Variable, Parameter, bundle
@bundle
def f(a, b): return f"{a} {b}"
p = Parameter("abc", role="input")
f(p, Variable("x").upper()).backward("shorter")
print(p.grad[0].value)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PATH": "/nowhere", "PYTHONPATH": "."}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "shorter\n"


def test_V20_rules_written_by_hand_need_no_model() -> None:
    @op
    def double(x: float) -> float:
        return 2 * x

    @double.pullback("numeric")
    def _(g: Any, out: Any, x: Any) -> Any:
        return g * 2

    x = Variable(1.5, requires_grad=True)
    double(double(x)).backward()
    assert x.grad[0].value == 4.0
