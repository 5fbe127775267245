"""SGD and Adam: the torch-like shell over flat groups, and the pure transform that trainers use."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import Conflict, StaleTrace, UsageError
from paragrad.optimizers import SGD, Adam, partition
from paragrad.optimizers.base import evidence_of
from paragrad.protocols.evidence import Evidence
from paragrad.stores.flat_cells import FlatCell
from paragrad.trace.accumulator import Contribution
from paragrad.trace.state import within

try:
    import torch
except ModuleNotFoundError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")

MADE: list[tuple[Any, Any]] = [
    (lambda p: SGD(p, lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
    (lambda p: Adam(p, lr=0.1), lambda p: torch.optim.Adam(p, lr=0.1)),
    (lambda p: Adam(p, lr=0.1, weight_decay=0.1, decoupled=True), lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1)),
]


def bowl(values: Any) -> Any:
    """A loss."""
    out = values[0] * values[0]
    for n, value in enumerate(values[1:], 1):
        out = out + (value - n) * (value - n) * n
    return out


@needs_torch
@pytest.mark.parametrize(("ours", "theirs"), MADE, ids=["sgd", "nesterov", "adam", "adamw"])
def test_a_loop_by_hand_is_that_of_torch(ours: Any, theirs: Any) -> None:
    parameters = [pg.Parameter(0.5 * n) for n in range(4)]
    weights = [torch.tensor(0.5 * n, dtype=torch.float64, requires_grad=True) for n in range(4)]
    optimizer, twin = ours(parameters), theirs(weights)
    for _ in range(6):
        optimizer.zero_grad()
        twin.zero_grad()
        bowl(parameters).backward()
        bowl(weights).backward()
        assert [float(p.grad[0].value) for p in parameters] == pytest.approx([float(w.grad) for w in weights])
        assert optimizer.step()
        twin.step()
    assert [p.value for p in parameters] == pytest.approx([float(w.detach()) for w in weights], rel=1e-9)


def test_the_parameters_lie_in_one_array_and_a_step_visits_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = [pg.Parameter(float(n)) for n in range(50)]
    optimizer = SGD(parameters, lr=0.1)
    cells = [p._bound for p in parameters]
    assert all(isinstance(cell, FlatCell) and cell.group is cells[0].group for cell in cells)
    bowl(parameters).backward()
    made: list[Any] = []
    real = pg.Parameter._version
    monkeypatch.setattr(pg.Parameter, "_version", lambda self, *given: made.append(self) or real(self, *given))
    optimizer.step()
    assert made == []
    assert parameters[3].value == pytest.approx(3.0)
    assert parameters[49].value == 49.0
    assert len(made) == 2, "a leaf is made when it is read"


def test_a_step_makes_older_traces_stale() -> None:
    a, b = pg.Parameter(1.0), pg.Parameter(2.0)
    early = a * 3
    optimizer = SGD([a, b], lr=0.1)
    early.backward()
    assert [g.value for g in a.grad] == [3.0]
    old = a * b
    assert optimizer.step()
    with pytest.raises(StaleTrace, match="read at version 1 and is now at version 2"):
        old.backward()
    old.backward(stale="keep")
    assert [g.value for g in a.grad] == [5.0], "without zero_grad gradients add up, as in torch"


def test_a_parameter_that_got_no_gradient_keeps_its_version_and_its_traces() -> None:
    a, b = pg.Parameter(1.0, name="a"), pg.Parameter(2.0, name="b")
    optimizer = SGD([a, b], lr=0.1)
    of_a, of_b = a * a, b * b
    (a * 3).backward()
    assert optimizer.step()
    with pytest.raises(StaleTrace, match="a was read at version 1 and is now at version 2"):
        of_a.backward()
    of_b.backward()
    assert [g.value for g in b.grad] == [4.0]
    optimizer.step()
    assert [entry.version for entry in b.history()] == [1, 2]
    assert [entry.version for entry in a.history()] == [1, 2, 3]


def test_an_optimizer_of_large_parameters_keeps_few_old_values() -> None:
    small, large = pg.Parameter(np.zeros(4)), pg.Parameter(np.zeros(2**18))
    for parameter, held in ((small, 16), (large, 2)):
        optimizer = SGD([parameter], lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            parameter._accumulator().add_number(np.ones(parameter.shape))
            optimizer.step()
        (group,) = optimizer._groups or ()
        assert len(group.past) == held
        assert parameter.value[0] == pytest.approx(-2.0)


def test_parameters_without_gradient_are_left_alone() -> None:
    a, b = pg.Parameter(1.0), pg.Parameter(2.0)
    optimizer = SGD([a, b], lr=0.1, momentum=0.9, weight_decay=0.5)
    assert not optimizer.step()
    (a * 2 + b * 2).backward()
    optimizer.step()
    moved = b.value
    optimizer.zero_grad()
    (a * 2).backward()
    optimizer.step()
    assert b.value == moved
    assert optimizer.state_dict()["state"][b.id] == {"velocity": 3.0}


def test_a_gradient_that_is_nan_refuses_the_step() -> None:
    a, b = pg.Parameter(1.0, name="alpha"), pg.Parameter(2.0, name="beta")
    optimizer = Adam([a, b], lr=0.1)
    (a * 2 + b * float("nan")).backward()
    with pytest.raises(ValueError, match="gradient of 'beta' is nan"):
        optimizer.step()
    assert (a.value, b.value, a.version) == (1.0, 2.0, 1)
    assert [g.value for g in a.grad] == [2.0]


def test_values_written_by_hand_are_taken_over() -> None:
    a, b, w = pg.Parameter(1.0), pg.Parameter(2.0), pg.Parameter(np.ones(2))
    optimizer = SGD([a, b, w], lr=0.1)
    a.data = 5.0
    assert (a.value, a.version, b.version) == (5.0, 2, 1)
    with pg.transaction():
        b.data = 7.0
        w.write(w.checked(np.zeros(2)))
    (a * 10 + b).backward()
    optimizer.step()
    assert (a.value, b.value, w.value.tolist()) == (4.0, 6.9, [0.0, 0.0])
    assert [entry.value for entry in a.history()] == [1.0, 5.0, 4.0]
    with pg.transaction():
        a.data = 1.0
    assert (a.value, a.version) == (1.0, 4)


def test_a_lost_race_writes_nothing() -> None:
    a, b = pg.Parameter(1.0), pg.Parameter(2.0, name="b", store=pg.stores.open("memory:"))
    SGD([a], lr=0.1)

    def raced() -> None:
        with pg.transaction():
            a.data = 5.0
            b.data = 6.0
            with within(overlay=None):
                a.data = 9.0

    with pytest.raises(Conflict):
        raced()
    assert (a.value, b.value) == (9.0, 2.0)


def test_another_shape_leaves_the_group_and_the_next_step_binds_again() -> None:
    a, w = pg.Parameter(1.0), pg.Parameter(np.ones(2), space=pg.Tensor())
    optimizer = SGD([a, w], lr=0.1, momentum=0.9)
    (a * 2).backward()
    optimizer.step()
    w.write(w.checked(np.ones(3)))
    assert w.value.shape == (3,)
    optimizer.zero_grad()
    (a * 2).backward()
    optimizer.step()
    assert a.value == pytest.approx(1.0 - 0.2 - 0.1 * (0.9 * 2 + 2))
    assert w.value.tolist() == [1.0, 1.0, 1.0]


def test_a_second_optimizer_over_some_of_them() -> None:
    a, b, c = (pg.Parameter(1.0) for _ in range(3))
    one, two = SGD([a, b], lr=0.1), SGD([b, c], lr=1.0)
    (a + b + c).backward()
    one.step()
    two.step()
    assert (a.value, b.value, c.value) == (0.9, pytest.approx(-0.1), 0.0)


def test_contexts_see_what_they_pinned() -> None:
    a = pg.Parameter(1.0)
    optimizer = SGD([a], lr=0.1)
    with pg.overlay({a: 5.0}):
        (a * a).backward()
        assert [g.value for g in a.grad] == [10.0]
        assert optimizer.step()
        assert a.value == 4.0
    assert a.value == 1.0
    assert not optimizer.step()


def test_state_is_plain_data_and_goes_on_elsewhere() -> None:
    def train(parameters: Any, optimizer: Any, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            bowl(parameters).backward()
            optimizer.step()

    whole = [pg.Parameter(0.5 * n, name=f"p{n}") for n in range(3)]
    train(whole, Adam(whole, lr=0.1), 6)
    part = [pg.Parameter(0.5 * n, name=f"p{n}") for n in range(3)]
    first = Adam(part, lr=0.1)
    train(part, first, 3)
    kept = json.loads(json.dumps(first.state_dict()))
    later = copy.deepcopy(part)
    second = Adam(later, lr=0.1)
    second.load_state_dict(kept)
    train(later, second, 3)
    assert [p.value for p in later] == [p.value for p in whole]
    assert [p.value for p in part] != [p.value for p in later]


@pytest.mark.parametrize("wrong", ["text", np.array([1, 2])])
def test_what_has_no_slope_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="no number and no tensor of floats"):
        SGD([pg.Parameter(wrong)], lr=0.1)


def evidence(*parameters: Any) -> Evidence:
    """What the parameters collected."""
    return Evidence({p.id: evidence_of(p) for p in parameters}, random=Random(0))


def propose(optimizer: Any, found: Evidence, state: Any = None) -> Any:
    """One proposal."""
    state = optimizer.init(list(found.parameters.values())) if state is None else state
    return optimizer.propose(found, state, n=3, ask=lambda prompt: "")


def test_the_pure_form_steps_what_got_a_gradient_inside_its_bounds() -> None:
    a = pg.Parameter(0.5, name="a", space=pg.Number(low=0, high=1))
    n = pg.Parameter(7, name="n", space=pg.Number(integer=True))
    w = pg.Parameter(np.ones((2, 2), "float32"), name="w", space=pg.Tensor(low=0))
    idle, text = pg.Parameter(1.0, name="idle"), pg.Parameter("words", name="text")
    for parameter, gradient in ((a, 100.0), (n, 3.0), (w, np.array([[1.0, 2.0], [30.0, 0.0]], "float32"))):
        parameter._accumulator().add_number(gradient)
    text._accumulator().texts.append(Contribution(None, "be brief", "", ""))
    (candidate,), state = propose(SGD(lr=0.5, momentum=0.9), evidence(a, n, w, idle, text))
    assert candidate.values["a"] == 0.0
    assert (candidate.values["n"], type(candidate.values["n"])) == (6, int)
    assert candidate.values["w"].tolist() == [[0.5, 0.0], [0.0, 1.0]]
    assert candidate.values["w"].dtype == "float32"
    assert sorted(candidate.changed()) == ["a", "n", "w"]
    assert json.loads(json.dumps(state)) == state
    assert sorted(state) == ["a", "n", "w"]


@needs_torch
def test_the_pure_form_keeps_its_moments_in_the_state() -> None:
    optimizer, state, value = Adam(lr=0.1), None, 1.0
    weight = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    twin = torch.optim.Adam([weight], lr=0.1)
    for gradient in (1.0, -0.5, 2.0):
        a = pg.Parameter(value, name="a")
        a._accumulator().add_number(gradient)
        (candidate,), state = propose(optimizer, evidence(a), state)
        state, value = json.loads(json.dumps(state)), candidate.values["a"]
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        twin.step()
    assert value == pytest.approx(float(weight.detach()), rel=1e-9)


def test_without_gradients_or_with_a_nan_nothing_is_proposed() -> None:
    a = pg.Parameter(1.0, name="a")
    assert propose(SGD(lr=0.1), evidence(a)) == ([], {})
    a._accumulator().add_number(float("nan"))
    assert propose(SGD(lr=0.1), evidence(a)) == ([], {})


class Line(pg.Module):
    """Two numbers to fit."""

    def __init__(self) -> None:
        self.slope: Any = pg.Parameter(0.0, space=pg.Number(low=-5, high=5))
        self.offset: Any = pg.Parameter(0.0)

    def forward(self, x: Any) -> Any:
        """The line."""
        return self.slope * x + self.offset


def closeness(output: Any, target: Any) -> Any:
    """Minus the squared distance."""
    return -((output - target) ** 2)


@pytest.mark.parametrize("optimizer", [SGD(lr=0.05), Adam(lr=0.3), partition({"slope": SGD(lr=0.05), "off*": Adam(lr=0.3)})], ids=str)
def test_fit_follows_the_slope_of_the_score(optimizer: Any) -> None:
    rows, held, last = ([({"x": k / 4 + shift}, 2 * (k / 4 + shift) + 1) for k in range(-8, 9)] for shift in (0.0, 0.1, 0.2))
    program = Line()
    result = pg.fit(program, rows, held, last, metric=closeness, optimizer=optimizer, algorithm="minibatch", journal=False, progress=False)
    assert result.score > result.baseline / 4
    assert -5 <= program.slope.value <= 5


def test_a_metric_that_leaves_the_graph_has_no_slope() -> None:
    rows, held, last = ([({"x": k / 4 + shift}, 2 * (k / 4 + shift) + 1) for k in range(-8, 9)] for shift in (0.0, 0.1, 0.2))
    options: dict[str, Any] = {"optimizer": SGD(lr=0.05), "algorithm": "minibatch", "journal": False, "progress": False}
    result = pg.fit(Line(), rows, held, last, metric=lambda output, target: -abs(float(output) - target), **options)
    assert result.best.changed() == []
