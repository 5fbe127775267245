"""Scores that are no shares of 1 are shown as they are: the mean, its interval and the gain on one scale."""

from __future__ import annotations

import re

import pytest

import paragrad as pg
from paragrad.runs.figures import are_shares, change, figure, interval


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
    ("scores", "shares"), [((0.0, 1.0), True), ((None, 0.5), True), ((-0.01, 0.5), False), ((0.5, 1.2), False), ((float("nan"), 0.5), True)]
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
