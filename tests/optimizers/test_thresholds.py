"""ThresholdFit: cuts from what was compared, at no model call. Models are simulated."""

from __future__ import annotations

import hashlib
import json
import operator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.llm import stack
from paragrad.optimizers import ThresholdFit
from paragrad.optimizers.thresholds import _expected, _totals, met_by
from paragrad.propagators.subgraph import FEEDBACK, Calling, Operand
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.testing import check_optimizer
from paragrad.trainers.evaluation import Evaluation


def confidence(text: str) -> float:
    """A number in [0, 1] that is the same everywhere."""
    return round(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8, 4)


class Escalate(pg.Module):
    """A model rates, a threshold decides."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.rate: Any = pg.Generator(pg.Variable("Rate it."), output=float, inputs=["text"])
        self.cut: Any = pg.Parameter(0.95, "least confidence", space=pg.Number(low=0, high=1))

    def forward(self, text: str) -> Any:
        rated = self.rate(text=text)
        if self.how == "bundle":
            return decide(rated, self.cut)
        if self.how == "read":
            return "yes" if rated > self.cut.value else "no"
        return "yes" if rated > self.cut else "no"


@pg.bundle(effects=())
def decide(rated: float, cut: float) -> str:
    """Yes from the cut on."""
    return "yes" if rated > cut else "no"


ROWS = [(f"t{i}", "yes" if confidence(f"t{i}") > 0.37 else "no") for i in range(90)]


@pytest.mark.parametrize("how", ["operator", "bundle"])
def test_a_fit_pays_for_no_model_call(tmp_path: Any, how: str) -> None:
    wire = pg.llm.Fake(lambda request: str(confidence(str(request.messages[-1]["content"]))))
    model = stack(wire, cache=tmp_path / "cache.sqlite")
    program = Escalate(how)
    before = pg.evaluate(program, ROWS, metric="exact_match", model=model)
    assert len(wire.requests) == 90
    result = pg.fit(
        program, ROWS[:60], ROWS[60:], metric="exact_match", model=model, optimizer="thresholds", home=tmp_path, progress=False,
        budget="3000 calls",
    )  # fmt: skip
    assert len(wire.requests) == 90, "everything it evaluated was answered from the cache"
    assert result.spent["calls"] == 0
    assert before.score < 0.5 < 0.9 < result.score
    assert abs(program.cut.value - 0.37) < 0.1


def test_conformance() -> None:
    assert check_optimizer(ThresholdFit, rounds=2) > 0


def item(number: int, met: float, score: float, *, op: str = "gt", kind: str = "operator", left: bool = True) -> ItemEvidence:
    """A row in which a number met the threshold in one call."""
    operands = (Operand("a", (), met, 1), Operand("b", (), 0.5, 2, "cut"))
    said = Calling(FEEDBACK, FEEDBACK, None, (Operand("output", (), True, 3),), (), "x", number, 0, "x", score)
    call = Calling(op, kind, None, operands if left else operands[::-1], (), True, number, 3, consumers=(said,))
    return ItemEvidence(number, {}, None, "out", {"score": score}, "x", graph=(call,))


def evidence(items: Any, value: float = 0.5, space: Any = None) -> Evidence:
    return Evidence(
        {"cut": ParameterEvidence("cut", "number", value, 1, space or pg.Number(low=0, high=1))}, tuple(items), random=Random(0)
    )


def cuts(items: Any, n: int = 4, **more: Any) -> list[float]:
    fit = ThresholdFit()
    return [c.values["cut"] for c in fit.propose(evidence(items, **more), fit.init([]), n=n, ask=None)[0]]


def test_the_best_gap_is_proposed_first() -> None:
    rows = [item(0, 0.1, 1.0), item(1, 0.2, 0.0), item(2, 0.3, 0.0), item(3, 0.4, 0.0), item(4, 0.9, 1.0)]
    best, *rest = cuts(rows)
    assert best == pytest.approx(0.15), "between the last right row and the first wrong one"
    assert rest[0] == pytest.approx(0.25), "two of three would be right"


def test_nothing_is_proposed_when_no_cut_should_do_better() -> None:
    assert cuts([item(0, 0.1, 1.0), item(1, 0.9, 1.0)]) == []
    assert cuts([]) == []
    assert cuts([replace(item(0, 0.1, 0.0), graph=None)]) == [], "nothing was recorded"
    assert cuts([item(0, 0.1, 0.0, op="mul")]) == [], "a factor is no threshold"
    assert cuts([item(0, 0.1, 0.0, kind="model", op="complete")]) == [], "nor is what a model is asked with"


def test_evaluations_teach_the_other_side() -> None:
    fit = ThresholdFit()
    rows = [item(0, 0.2, 0.0), item(1, 0.3, 0.0), item(2, 0.8, 1.0)]
    base = evidence(rows)
    found, state = fit.propose(base, fit.init([]), n=1, ask=None)
    assert found[0].values["cut"] < 0.2
    still = tuple(replace(row, scores={"score": 0.0}) for row in rows[:2])
    state = json.loads(json.dumps(fit.observe(state, found[0], Evaluation((*still, rows[2])))))
    assert fit.propose(base, state, n=4, ask=None)[0] == [], "these rows are wrong on both sides"
    other = Evidence({**base.parameters, "t": ParameterEvidence("t", "text", "x", 1, pg.Text())}, base.items)
    mixed = other.candidate({"cut": 0.1, "t": "y"})
    assert fit.observe(state, mixed, Evaluation(base.items)) == state, "something else may have done it"
    changed = replace(other, parameters={**other.parameters, "t": replace(other.parameters["t"], value="y")})
    assert fit.propose(changed, state, n=1, ask=None)[0], "with another text everything is learnt anew"


@pytest.mark.parametrize(
    ("op", "left", "at_tie"),
    [("gt", True, "as above"), ("ge", True, "as below"), ("lt", True, "as below"), ("le", True, "as above"),
     ("gt", False, "as below"), ("ge", False, "as above"), ("lt", False, "as above"), ("le", False, "as below")],
)  # fmt: skip
def test_ties_fall_to_the_side_on_which_the_comparison_puts_them(op: str, left: bool, at_tie: str) -> None:
    (met,) = met_by("cut", item(0, 0.5, 0.0, op=op, left=left))
    assert ("as above" if met < 0.5 else "as below") == at_tie

    def outcome(cut: float) -> bool:
        return bool(getattr(operator, op)(*((0.5, cut) if left else (cut, 0.5))))

    assert (outcome(0.5) == outcome(0.6)) == (at_tie == "as above")


def test_integers_and_bounds() -> None:
    rows = [item(0, 3.0, 0.0), item(1, 7.0, 1.0)]
    space = pg.Number(low=2, high=9, integer=True)
    found = cuts(rows, value=5, space=space)
    assert found == [2]
    assert all(type(cut) is int for cut in found)
    low = [item(0, 0.0, 0.0), item(1, 0.7, 1.0)]
    assert cuts(low) == [], "0 > 0 is as false as 0 > 0.5, and no cut below 0 is allowed"
    assert cuts([replace(item(0, 0.0, 0.0, op="ge")), low[1]]) == [0.0], "0 >= 0 is true"
    assert cuts(low, space=pg.Number())[0] < 0


def test_state_stays_bounded() -> None:
    fit, state = ThresholdFit(), ThresholdFit().init([])
    for step in range(3):
        _, state = fit.propose(evidence([item(step * 200 + i, i / 200, 0.0) for i in range(200)]), state, n=1, ask=None)
    assert len(state["fits"]["cut"]["rows"]) == 400


def test_the_sweep_over_cuts_is_the_plain_sum() -> None:
    random = Random(0)

    def number() -> float:
        return random.choice([random.random(), random.randrange(5) / 4])

    for _ in range(100):
        rows = {
            str(i): {
                "met": sorted({number() for _ in range(random.randrange(4))}),
                "seen": [[number(), float(random.random() < 0.5)] for _ in range(random.randrange(3))],
            }
            for i in range(random.randrange(1, 8))
        }
        cuts_ = sorted({number() for _ in range(6)})
        plain = [sum(_expected(row, cut) for row in rows.values()) for cut in cuts_]
        assert list(_totals(rows, cuts_)) == pytest.approx(plain)
