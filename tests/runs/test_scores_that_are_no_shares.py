"""Scores that are no shares of 1 are shown as they are: the mean, its interval and the gain on one scale."""

from __future__ import annotations

import re

import pytest

import paragrad as pg
from paragrad.runs.figures import are_shares, change, figure, interval
from paragrad.trainers.intervals import Interval, mean_interval
from paragrad.trainers.result import Pass, held_out


def fitted(low: float):
    slope = pg.Parameter(0.0, name="slope", space=pg.Number(low=-5, high=5))
    rows = [({"x": k / 10}, k / 5) for k in range(1, 61)]

    def closeness(output, target):
        return 0.9 + low * (output - target) ** 2

    optimizer = pg.optimizers.SGD(lr=0.05)
    return pg.fit(
        lambda x: slope * x,
        rows,
        metric=closeness,
        parameters=[slope],
        optimizer=optimizer,
        algorithm="minibatch",
        journal=False,
        progress=False,
    )


def test_the_table_has_one_scale():
    shown = str(fitted(-1.0))
    before, gain = (next(row for row in shown.splitlines() if word in row) for word in ("before", "gain"))
    mean, low, high = (float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[+-]\d+)?", before))
    assert low < mean < high < 0
    assert "points" not in gain
    assert "%" not in shown.split("EXAMPLE")[0].split("CHANGED")[0]
    assert "▇" not in shown


def test_shares_stay_percent():
    shown = str(fitted(-0.001))
    assert re.search(r"before +\d\d\.\d %  ▇+ +\[\d\d\.\d, \d\d\.\d\]", shown)
    assert re.search(r"gain +[+-]\d+\.\d  points", shown)


def test_an_evaluation_below_zero():
    found = pg.evaluate(lambda x: x, [({"x": 1.0}, 2.0), ({"x": 1.0}, 1.5)], metric=lambda output, target: -abs(output - target))
    assert str(found).startswith("-0.75 [")
    assert "%" not in str(found)


@pytest.mark.parametrize(
    ("scores", "shares"),
    [((0.0, 1.0), True), ((None, 0.5), True), ((-0.01, 0.5), False), ((0.5, 1.2), False), ((float("nan"), 0.5), True), ((-0.0,), False)],
)
def test_all_scores_side_by_side_are_shares_or_none_is(scores, shares):
    assert are_shares(*scores) is shares


def test_figures_of_both_scales():
    assert (figure(0.975, True), interval(0.1, 1, True), change(0.2, True)) == ("97.5 %", "[10.0, 100.0]", "+20.0")
    assert (figure(-532.81, False), interval(-679.31, -386.2, False), change(0.2, False)) == ("-532.8", "[-679.3, -386.2]", "+0.2")


def test_the_progress_of_a_run_keeps_its_scale():
    from paragrad.runs.watching import Watch

    watch = Watch()
    shown = [watch.told({"event": "step", "step": step, "score": score}) for step, score in enumerate((0.5, -1.0, 0.0))]
    assert ["".join(part[0] for part in lines[-1].parts).split("validation ")[1] for lines in shown] == ["50.0 %", "-1", "0"]


def test_an_answer_beside_such_a_score_has_no_mark():
    from paragrad.runs.table import answer

    said = [
        "".join(text for text, _ in answer(*row))
        for row in (("0.5", -2.25, 2.0), ("2.0", -0.0, 2.0, False), ("a", 0.0, "b"), ("b", 1.0, "b"))
    ]
    assert said == ['"0.5"  score -2.25 wanted 2.0', '"2.0"  score 0 wanted 2.0', '"a"  ✗ wanted b', '"b"  ✓']


def test_differences_of_numbers_show_the_digits_that_tell():
    assert pg.Number().diff(0.0, 3.999742010318968) == "0.0 → 3.99974"
    assert pg.Number().diff(1.00000001, 1.00000002) == "1.00000001 → 1.00000002"
    assert pg.Number(integer=True).diff(3, 123456789) == "3 → 123456789"


def test_held_out_zeros_of_a_negated_error_are_no_shares():
    """Validation rows below zero say what the metric is; the held-out zeros alone would look like 0 of 20 right."""
    slope = pg.Parameter(0.0, name="slope", space=pg.Number(low=-5, high=5))
    rows = [({"x": k / 10, "n": k}, k / 5) for k in range(1, 41)]
    found = pg.fit(
        lambda x, n: slope * x,
        rows[::2],
        rows[1::2],
        [({"x": 0.0, "n": 100 + n}, 0.0) for n in range(20)],
        metric=lambda output, target: 0.0 - abs(output - target) ** 2,
        parameters=[slope],
        optimizer=pg.optimizers.SGD(lr=0.05),
        algorithm="minibatch",
        journal=False,
        progress=False,
    )
    assert found.test is not None
    for one in (found.test.before, found.test.after):
        assert one.scores == (0.0,) * 20
        assert (one.mean.low, one.mean.value, one.mean.high) == (0.0, 0.0, 0.0)
    assert (found.test.comparison.low, found.test.comparison.high) == (0.0, 0.0)
    assert "%" not in str(found)


def test_one_score_of_the_metric_that_is_no_share_makes_all_of_them_numbers():
    zeros = Pass(mean_interval([0.0] * 20), (0.0,) * 20)
    assert held_out(zeros, zeros).before.mean.high == pytest.approx(0.161, abs=1e-3)
    assert held_out(zeros, zeros, others=[None, 0.5]).comparison.high > 0
    mixed = held_out(zeros, zeros, others=[0.5, -3.0])
    assert mixed.before.mean == mixed.after.mean == Interval(0.0, 0.0, 0.0)
    assert mixed.comparison.low == mixed.comparison.high == 0


def test_an_error_that_is_negated_is_told_by_its_minus_zero():
    found = pg.evaluate(lambda x: x, [({"x": 1.0}, 1.0)] * 5, metric=lambda output, target: -abs(output - target))
    assert found.interval == (0.0, 0.0)
    assert str(found).startswith("0 [0, 0]")


@pytest.mark.parametrize(("lr", "told"), [(0.001, True), (0.1, False)])
def test_a_run_that_ended_while_it_gained_says_so(lr, told):
    slope = pg.Parameter(0.0, name="slope", space=pg.Number(low=-5, high=5))
    rows = [({"x": k / 10}, k / 5) for k in range(1, 61)]
    found = pg.fit(
        lambda x: slope * x,
        rows,
        metric=lambda output, target: 0.0 - abs(output - target) ** 2,
        parameters=[slope],
        optimizer=pg.optimizers.Adam(lr=lr),
        algorithm="minibatch",
        journal=False,
        progress=False,
    )
    assert found.significant
    assert ("40 steps, and the last one still gained: fit again from here, or with larger steps" in str(found)) is told
