"""Choices and numbers: TPE and the evolution strategy, on functions whose best values are known."""

from __future__ import annotations

import json
import math
import sys
from random import Random
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import UsageError
from paragrad.optimizers import TPE, EvolutionStrategy, Transform
from paragrad.optimizers.coordinates import Coordinates, elements
from paragrad.optimizers.ranges import range_of
from paragrad.optimizers.separable import advanced, population, started
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.testing import check_optimizer
from paragrad.trainers.evaluation import Evaluation


def of(id: str, value: Any, space: Any) -> ParameterEvidence:
    return ParameterEvidence(id, space.kind, space.check(value), 1, space)


def search(
    optimizer: Transform, start: list[ParameterEvidence], score: Any, *, steps: int, n: int, seed: int = 0
) -> tuple[float, Any, Any]:
    """The best score, its values, and the last state; the state goes through JSON between steps, as in a resumed run."""
    parameters = {p.id: p for p in start}
    state = optimizer.init([])
    best: tuple[float, Any] = (score({p.id: p.value for p in start}), None)
    base = best[0]
    for step in range(steps):
        evidence = Evidence(parameters, random=Random(f"{seed}/{step}"))
        candidates, state = optimizer.propose(evidence, json.loads(json.dumps(state)), n=n, ask=None)
        for candidate in candidates:
            got = score(candidate.values)
            best = max(best, (got, candidate.values), key=lambda pair: pair[0])
            evaluation = Evaluation((ItemEvidence(0, {}, None, None, {"score": got}),), delta=got - base)
            state = optimizer.observe(state, candidate, evaluation)
    return (*best, state)


MIXED = [
    of("x", 0.9, pg.Number(low=0, high=1)),
    of("k", 1, pg.Number(low=0, high=20, integer=True)),
    of("l", 1.0, pg.Number(low=1e-5, high=1.0, log=True)),
]


def mixed(v: Any) -> float:
    """Best at x = 0.3, k = 7, l = 0.001, with 0."""
    return -abs(v["x"] - 0.3) - abs(v["k"] - 7) / 20 - abs(math.log10(v["l"]) + 3) / 6


CHOICE = of("c", {"mode": "a"}, pg.Choice([{"mode": "a"}, {"mode": "b"}, True, 1]))


def with_choice(v: Any) -> float:
    return mixed(v) - (0.0 if v["c"] is True else 0.5)


@pytest.mark.parametrize("make", [TPE, EvolutionStrategy, lambda: EvolutionStrategy(population=3)])
def test_conformance(make: Any) -> None:
    assert check_optimizer(make, rounds=3) > 0


def test_tpe_learns_what_random_draws_do_not_find() -> None:
    learnt = [search(TPE(), [*MIXED, CHOICE], with_choice, steps=7, n=6, seed=s)[0] for s in range(2)]
    drawn = [search(TPE(startup=10**6), [*MIXED, CHOICE], with_choice, steps=7, n=6, seed=s)[0] for s in range(2)]
    assert min(learnt) > max(drawn)
    assert sum(learnt) / 2 > -0.3


def test_tpe_pools_evaluations_and_remembers_a_bounded_number() -> None:
    optimizer = TPE()
    base = Evidence({p.id: p for p in MIXED}, (ItemEvidence(0, {}, None, None, {"score": 0.25}),), random=Random(0))
    _, state = optimizer.propose(base, optimizer.init([]), n=1, ask=None)
    _, state = optimizer.propose(base, state, n=1, ask=None)
    assert [(t["total"], t["rows"]) for t in state["trials"]] == [(0.5, 2)], "the present setting, by its rows"
    other = base.candidate({"k": 9})
    for score in (1.0, 0.0):
        state = optimizer.observe(state, other, Evaluation((ItemEvidence(0, {}, None, None, {"score": score}),) * 3))
    assert [(t["setting"]["k"], t["total"], t["rows"]) for t in state["trials"]] == [(1, 0.5, 2), (9, 3.0, 6)]
    assert optimizer.observe(state, base.candidate({}), Evaluation(base.items)) == state, "nothing of its own was changed"


def test_tpe_without_optuna_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install 'paragrad\[tpe\]'"):
        TPE().propose(Evidence({"x": MIXED[0]}), TPE().init([]), n=1, ask=None)


def test_tpe_leaves_the_terminal_and_optunas_settings_alone(capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    search(TPE(), MIXED, mixed, steps=2, n=2)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_what_cannot_vary_is_left_alone() -> None:
    fixed = [of("one", "a", pg.Choice(["a"])), of("two", 3, pg.Number(low=3, high=3))]
    assert search(TPE(), fixed, lambda v: 0.0, steps=2, n=2)[1] is None
    assert search(EvolutionStrategy(), fixed[1:], lambda v: 0.0, steps=2, n=2)[1] is None


@pytest.mark.parametrize(("steps", "n"), [(15, 7), (105, 1)])
def test_the_evolution_strategy_finds_mixed_optima(steps: int, n: int) -> None:
    best, values, _ = search(EvolutionStrategy(), MIXED, mixed, steps=steps, n=n)
    assert best > -0.02
    assert values["k"] == 7
    assert type(values["k"]) is int


def test_the_evolution_strategy_scales_to_small_tensors() -> None:
    target = np.arange(8) / 2
    start = [of("w", np.zeros(8, np.float32), pg.Tensor())]
    best, values, state = search(EvolutionStrategy(), start, lambda v: -float(((v["w"] - target) ** 2).sum()), steps=60, n=10)
    assert best > -0.01, "from -35"
    assert values["w"].dtype == np.float32
    assert state["search"]["sigma"] < 0.1, "the step has shrunk"


def test_the_step_grows_on_a_plateau_and_where_all_is_downhill() -> None:
    start = [of("x", 0.5, pg.Number())]
    flat = search(EvolutionStrategy(), start, lambda v: 0.0, steps=4, n=4)[2]
    assert flat["search"]["sigma"] > 0.2
    far = search(EvolutionStrategy(), start, lambda v: -abs(v["x"] - 1000), steps=60, n=6)
    assert far[0] > -20, "it walks out of its first range"


def test_bounds_hold_and_every_proposal_differs() -> None:
    spaces = [
        of("a", 0.01, pg.Number(low=0, high=1)),
        of("b", 2, pg.Number(low=1, high=3, integer=True)),
        of("w", np.array([[0.0, 2.9], [0.5, 0.1]], np.float32), pg.Tensor(low=[0, 0], high=[3, 3])),
        of("i", np.array([1, 5]), pg.Tensor(low=0, high=6)),
    ]
    parameters = {p.id: p for p in spaces}
    optimizer = EvolutionStrategy(sigma=0.6)
    state = optimizer.init([])
    for step in range(6):
        evidence = Evidence(parameters, random=Random(step))
        found, state = optimizer.propose(evidence, state, n=8, ask=None)
        shown = [json.dumps({id: np.asarray(v).tolist() for id, v in c.values.items()}) for c in found]
        assert len(set(shown)) == len(found) == 8
        assert all(c.changed() for c in found)
        assert {found[0].values["w"].dtype.name, found[0].values["i"].dtype.name} == {"float32", "int64"}


def test_a_point_tried_alone_counts_before_the_same_point_among_other_changes() -> None:
    optimizer, text = EvolutionStrategy(population=2), of("t", "old", pg.Text())
    evidence = Evidence({"x": MIXED[0], "t": text}, random=Random(0))
    found, state = optimizer.propose(evidence, optimizer.init([]), n=2, ask=None)
    item = (ItemEvidence(0, {}, None, None, {"score": 0.0}),)
    joined = evidence.candidate({"x": found[0].values["x"], "t": "new"})
    for candidate, delta in ((joined, 0.9), (found[0], -0.5), (found[1], 0.1)):
        state = optimizer.observe(state, candidate, Evaluation(item, delta=delta))
    before = state["search"]["mean"][0]
    _, after = optimizer.propose(evidence, state, n=1, ask=None)
    good, bad = state["told"][2]["at"][0], state["told"][1]["at"][0]
    assert abs(after["search"]["mean"][0] - good) < abs(before - good)
    assert good != bad
    assert optimizer.observe(state, evidence.candidate({"t": "new"}), Evaluation(item, delta=1.0)) == state


def test_large_tensors_are_refused() -> None:
    big = of("w", np.zeros(300), pg.Tensor())
    assert not EvolutionStrategy().serves(big)
    assert EvolutionStrategy(most=300).serves(big)
    assert not EvolutionStrategy().serves(of("m", np.array([True]), pg.Tensor()))
    halves = {f"w{i}": of(f"w{i}", np.zeros(150), pg.Tensor()) for i in range(2)}
    with pytest.raises(UsageError, match="300 numbers together"):
        EvolutionStrategy().propose(Evidence(halves), EvolutionStrategy().init([]), n=1, ask=None)
    with pytest.raises(UsageError, match="sigma"):
        EvolutionStrategy(sigma=0)


@pytest.mark.parametrize(
    ("value", "space", "expected"),
    [
        (0.5, pg.Number(low=0, high=1), (0, 1)),
        (2.0, pg.Number(), (-8.0, 12.0)),
        (0.0, pg.Number(low=0), (0, 5.0)),
        (3, pg.Number(integer=True, high=4), (-12.0, 4.0)),
        (0.1, pg.Number(low=0.01, log=True), (0.01, 100.0)),
    ],
)
def test_ranges(value: Any, space: Any, expected: Any) -> None:
    assert range_of(of("x", value, space)) == pytest.approx(expected)


def test_coordinates_are_the_values_in_other_words() -> None:
    parameters = {p.id: p for p in (*MIXED, of("w", np.array([[1.0, -2.0]]), pg.Tensor(low=-3, high=3)))}
    space = Coordinates(parameters, {})
    values = {id: p.value for id, p in parameters.items()}
    assert (space.size, [elements(p) for p in parameters.values()]) == (5, [1, 1, 1, 2])
    back = space.read(space.write(values))
    assert all(np.allclose(back[id], values[id]) for id in values)
    moved = {id: of(id, p.value if id != "x" else 0.1, p.space) for id, p in parameters.items()}
    assert Coordinates(moved, json.loads(json.dumps(space.ranges()))).ranges() == space.ranges(), "the scale stays the first one"


def test_one_generation_moves_towards_the_better_half() -> None:
    search_ = started([0.5, 0.5], 0.1)
    after = advanced(search_, [[0.6, 0.5], [0.58, 0.52], [0.42, 0.48], [0.4, 0.5]])
    assert after.mean[0] > 0.57
    assert after.generation == 1
    assert population(1) == 4 < population(10) < population(100)
