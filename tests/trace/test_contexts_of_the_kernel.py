"""Overlays, transactions, pinned contexts, stale traces, hooks, order-only edges."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from paragrad.errors import Conflict, NothingToTrain, StaleTrace, UsageError
from paragrad.protocols.gradient import Feedback
from paragrad.trace import Module, Parameter, Variable, bundle, carry, depend, effects, hooks, no_grad, overlay, pinned, transaction


def grads(p: Any) -> list[Any]:
    return [g.value for g in p.grad]


def test_an_overlay_owns_values_and_accumulators() -> None:
    p = Parameter("base")
    (p + "!").backward("outside")
    with overlay({p: "candidate"}):
        assert p.value == "candidate"
        assert grads(p) == []
        (p + "!").backward("inside")
        p.data = "written inside"
        assert (p.value, grads(p)) == ("written inside", ["inside"])
        with overlay({p: "deeper"}):
            assert (p.value, grads(p)) == ("deeper", [])
    assert (p.value, grads(p)) == ("base", ["outside"])
    with pytest.raises(TypeError), overlay({p: 3}):
        pass
    with pytest.raises(UsageError), overlay({"name": "x"}):
        pass


def test_a_gradient_goes_to_the_cell_that_was_read() -> None:
    p = Parameter(2.0)
    with overlay({p: 3.0}):
        inside = p * p
    outside = p * 5.0
    with overlay({p: 100.0}):
        outside.backward()
        inside.backward()
        assert grads(p) == []
    assert grads(p) == [5.0]


def test_a_transaction_publishes_at_exit_and_shares_gradients() -> None:
    p, q = Parameter("p"), Parameter("q")
    with transaction():
        p.data = "p2"
        assert p.value == "p2"
        (p + q).backward("inside")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: p.value).result() == "p"
        q.data = "q2"
    assert (p.value, q.value) == ("p2", "q2")
    assert (grads(p), grads(q)) == (["inside"], ["inside"])


def test_a_failed_transaction_changes_nothing() -> None:
    p, q = Parameter("p"), Parameter("q")
    with pytest.raises(ZeroDivisionError), transaction():  # noqa: PT012 - the block is what is tested
        p.data = "p2"
        raise ZeroDivisionError
    assert p.value == "p"

    def elsewhere() -> None:
        q.data = "theirs"

    with pytest.raises(Conflict), transaction():  # noqa: PT012 - the block is what is tested
        p.data = "mine"
        q.data = "mine"
        with ThreadPoolExecutor(1) as pool:
            pool.submit(elsewhere).result()
    assert (p.value, q.value) == ("p", "theirs")


def test_a_transaction_inside_an_overlay_stays_inside() -> None:
    p = Parameter("p")
    with overlay({p: "candidate"}):
        with transaction():
            p.data = "better"
        assert p.value == "better"
    assert p.value == "p"


def test_pinned_sees_no_half_update() -> None:
    p = Parameter("one")
    with pinned():
        assert p.value == "one"
        copy_context()

        def elsewhere() -> None:
            p.data = "two"

        with ThreadPoolExecutor(1) as pool:
            pool.submit(elsewhere).result()
        assert p.value == "one"
    assert p.value == "two"


def test_a_gradient_for_a_cell_that_moved_on_is_refused_or_tagged() -> None:
    p, q = Parameter("p", name="style"), Parameter("q")
    out = p + q
    p.data = "changed"
    with pytest.raises(StaleTrace, match="style was read at version 1 and is now at version 2"):
        out.backward("late")
    assert grads(p) == grads(q) == []
    out.backward("late", stale="keep")
    assert [(c.value, c.stale) for c in p._accumulator().texts] == [("late", True)]
    assert [c.stale for c in q._accumulator().texts] == [False]
    with pytest.raises(ValueError, match="stale"):
        (p + q).backward("x", stale="sometimes")


def test_no_grad_records_nothing() -> None:
    p = Parameter("p")
    with no_grad():
        out = p.upper()
    assert (out.value, out.grad_fn) == ("P", None)

    @no_grad()
    def plain() -> Any:
        return p + "!"

    assert plain().grad_fn is None
    with pytest.raises(NothingToTrain):
        out.backward("w")


def test_a_score_variable_is_maximised() -> None:
    p, x = Parameter("p"), Variable(3.0, requires_grad=True)
    out = p + "!"
    out.backward(Feedback(score=x * 2.0, text="words"))
    assert grads(x) == [-2.0]
    assert grads(p) == ["words"]
    assert [s.value for s in p.scores] == [6.0]


def test_depend_keeps_the_value_and_the_order() -> None:
    x, y, after = Variable(2.0, requires_grad=True), Variable(3.0, requires_grad=True), Variable("done")
    z = depend(x, y, after)
    assert z.value == 2.0
    (z * 5.0).backward(retain_graph=True)
    assert grads(x) == [5.0]
    assert grads(y) == []
    drawn = z.graph().to_dict()
    assert sorted(e["argument"] for e in drawn["edges"]) == ["after", "after", "value"]
    with pytest.raises(TypeError):
        depend(x, "plain")
    assert effects(bundle(lambda x: x)) is None
    assert effects(bundle(effects=("io:log",))(lambda x: x)) == ("io:log",)


def test_hooks_see_every_record_of_their_context() -> None:
    seen: list[str] = []
    p = Parameter(2.0)
    with hooks.recording(lambda v: seen.append(v.grad_fn.name)):
        out = p * 3.0 + 1.0
    p * 2.0
    assert seen == ["mul", "add"]
    out.backward()
    assert grads(p) == [3.0]


def test_carry_keeps_the_context_in_threads_of_the_users() -> None:
    p = Parameter("p")
    with overlay({p: "candidate"}):
        carried = carry(lambda: p.value)
    with ThreadPoolExecutor(2) as pool:
        assert [pool.submit(carried).result() for _ in range(3)] == ["candidate"] * 3


def test_outputs_keep_their_call_when_a_program_read_something() -> None:
    class Program(Module):
        def __init__(self) -> None:
            self.p = Parameter("p")

        def forward(self, x: str) -> Any:
            noted = f"{self.p}"
            out = bundle(lambda x: x)(x)
            out.role = noted
            return out

    out = Program()("x")
    assert dict(out.call.input_args) == {"x": "x"}
    assert out.role == "p"
    assert "read:p" in out.predecessors


def test_copies_of_modules_share_nothing() -> None:
    class Program(Module):
        def __init__(self) -> None:
            self.p = Parameter("p", name="style")

        def forward(self) -> Any:
            return self.p + "!"

    one = Program()
    two = copy.deepcopy(one)
    two.p.data = "other"
    two().backward("w")
    assert (one.p.value, grads(one.p), two.p.name) == ("p", [], "style")
    state = one.state_dict()
    one.load_state_dict(state)
    assert one.state_dict() == state


def test_several_retained_gradients_and_replaced_data() -> None:
    v = Variable("a", "r", requires_grad=True)
    (v + "b").backward("one")
    v.data = "c"
    assert (v.value, grads(v), v.role) == ("c", ["one"], "r")
    v.requires_grad_(False)
    assert grads(v) == ["one"]
    v.requires_grad_()
    assert grads(v) == ["one"]
    out = v + "b"
    v.data = "later"
    out.backward("two")
    assert grads(v) == ["one", "two"]
    assert out.is_leaf is False
    with pytest.raises(RuntimeError, match="made by an operation"):
        out.data = "x"
