"""Metrics: bound by name, one form of answer, and failures told apart."""

import asyncio
import math
import subprocess
import sys
from contextlib import suppress
from enum import Enum
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragrad.errors import BudgetExceeded, Diverged, MetricError, Outage, UnknownName, UsageError
from paragrad.guides import AutoGuide, as_feedback, bind_metric, metric_digest, score_of
from paragrad.guides.metrics import contains, exact_match, f1, numeric
from paragrad.protocols.data import Row
from paragrad.protocols.gradient import Feedback
from paragrad.trace.variable import Variable

ROW = Row("r7", {"question": "2 + 2?"}, "4", {"level": 1})


def call(metric, output="4", row=ROW, **more):
    return bind_metric(metric)(row, output, **more)


def test_parameters_are_bound_by_name():
    assert call(lambda target, output: (float(output == target), f"{output} for {target}")) == Feedback(1.0, "4 for 4")
    assert call(lambda response, reference, query: (1, f"{response}{reference}{query}")).text == "442 + 2?"
    assert call(lambda input, row: (1, f"{input} {row.meta['level']}")).text == "2 + 2? 1"
    assert call(lambda output, trace, call: (1, f"{trace} {call}"), trace="T", call="C").text == "T C"
    assert call(lambda output, /, target, *rest, scale=3.0, **more: scale).score == 3.0
    two = Row("1", {"a": 1, "b": 2})
    assert call(lambda output, input: (1, str(input)), row=two).text == "{'a': 1, 'b': 2}"
    assert bind_metric(lambda output, row: 1).uses == {"output", "row"}


@pytest.mark.parametrize("metric", [lambda prediction, target: 1, lambda output, gold: 1])
def test_another_name_is_an_error_before_the_first_call(metric):
    with pytest.raises(UsageError, match=r"asks for '(prediction|gold)'; .*output \(or response\), target \(or reference\)"):
        bind_metric(metric)


def test_what_is_no_metric():
    for wrong, said in ((3, "no metric"), (lambda: 1, "nothing it could judge"), (AutoGuide, r"give an instance, AutoGuide\(\)")):
        with pytest.raises(UsageError, match=said):
            bind_metric(wrong)
    with pytest.raises(UnknownName, match="did you mean 'exact_match'"):
        bind_metric("exactmatch")
    bound = bind_metric("exact_match")
    assert bind_metric(bound) is bound
    assert (bound.name, call(bound).score) == ("exact_match", 1.0)


class Polite(AutoGuide):
    def __init__(self, weight=1.0):
        self.weight = weight

    def get_feedback(self, query, response, reference=None):
        return self.weight * (response == reference), f"{query} → {response}"


def test_guides():
    assert call(Polite()) == Feedback(1.0, "2 + 2? → 4")
    assert Polite()("q", "x", "y") == Feedback(0.0, "q → x")
    assert bind_metric(Polite()).name == "Polite"
    with pytest.raises(NotImplementedError, match="get_feedback"):
        AutoGuide().get_feedback(1, 2)


def test_async_metrics_run():
    async def later(output, target):
        await asyncio.sleep(0)
        return output == target

    assert call(later) == Feedback(1.0)

    async def inside():
        return call(later)

    assert asyncio.run(inside()).score == 1.0


@pytest.mark.parametrize(
    ("answer", "feedback"),
    [
        (True, Feedback(1.0)),
        (0.25, Feedback(0.25)),
        (Fraction(1, 4), Feedback(0.25)),
        (np.float32(0.5), Feedback(0.5)),
        (np.bool_(True), Feedback(1.0)),
        (np.array(3), Feedback(3.0)),
        ((1, "good"), Feedback(1.0, "good")),
        ((0, None), Feedback(0.0)),
        ({"score": 1, "length": 12, "text": "fine"}, Feedback(1.0, "fine", length=12.0)),
        ({"accuracy": 1, "brevity": 0.5}, Feedback(0.75, accuracy=1.0, brevity=0.5)),
        (Feedback(True, "ok", cited=False), Feedback(1.0, "ok", cited=0.0)),
    ],
)
def test_answers_take_one_form(answer, feedback):
    found = call(lambda output: answer)
    assert found == feedback
    assert type(found.score) is float


@pytest.mark.parametrize(
    "answer",
    [None, math.nan, math.inf, "0.5", (1, 2), (1,), (1, "a", "b"), ("text", 1), [1, "a"], {}, {"text": "x"}, {"score": None},
     {"score": 1, "x": "y"}, Feedback(None, "x"), Feedback(math.nan), Feedback(1, 5), Feedback(1, None, cited="yes"), 1j,
     np.array([1.0, 2.0]), object()],
)  # fmt: skip
def test_what_is_no_score_names_the_row(answer):
    with pytest.raises(MetricError, match="on row 'r7'") as caught:
        call(lambda output: answer)
    assert "returned" in str(caught.value)


FLOATS = st.floats()
ANSWERS = st.one_of(st.none(), st.text(), st.lists(FLOATS), st.dictionaries(st.text(), FLOATS), st.tuples(FLOATS, st.text()), FLOATS)


@given(ANSWERS)
def test_any_answer_is_a_finite_score_or_a_metric_error(answer):
    with suppress(MetricError):
        assert math.isfinite(as_feedback(answer).score)


def test_variables_stay_variables():
    score = Variable(-0.25, requires_grad=True)
    found = call(lambda output: Feedback(score, "words"))
    assert found.score is score
    assert score_of(found) == -0.25
    with pytest.raises(MetricError):
        call(lambda output: Feedback(Variable(math.nan)))
    assert exact_match(Variable("a"), "a") == 1.0


def raising(error):
    def metric(output):
        raise error

    return metric


def test_failures_are_told_apart():
    with pytest.raises(MetricError, match="the metric metric on row 'r7' raised ZeroDivisionError: oops") as caught:
        call(raising(ZeroDivisionError("oops")))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    for error in (ConnectionResetError("reset"), TimeoutError("slow")):
        with pytest.raises(Outage, match="r7"):
            call(raising(error))
    for kind in (Outage, BudgetExceeded, Diverged):
        with pytest.raises(kind, match="as it came"):
            call(raising(kind("as it came")))
    with pytest.raises(KeyboardInterrupt):
        call(raising(KeyboardInterrupt()))


def weighted(weight):
    def metric(output, target):
        return weight * (output == target)

    return metric


def test_digests():
    assert metric_digest(weighted(1)) == metric_digest(weighted(1)) == bind_metric(weighted(1)).digest
    different = {metric_digest(m) for m in (weighted(1), weighted(2), raising(1), exact_match, f1, lambda output: 1, lambda output: 2)}
    assert len(different) == 7
    assert bind_metric(Polite(1)).digest == bind_metric(Polite(1)).digest != bind_metric(Polite(2)).digest
    program = "from paragrad.guides import bind_metric; print(bind_metric('f1').digest)"
    found = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert found == {bind_metric("f1").digest + "\n"}


class Team(Enum):
    BILLING = "billing"


def test_exact_match():
    equal = [("a b", " a  b\n"), ("12", 12), (12.0, "12"), (12, 12.0), (True, "true"), ("False", False), ([1, 2], [1, 2]), (None, None)]
    other = [("a", "A"), ("a.", "a"), ("x", 3), ("nan", math.nan), ([1], [2]), (None, "None"), (1, "true"), ("ab", "a b")]
    for output, target in equal:
        assert exact_match(output, target) == 1.0, (output, target)
    for output, target in other:
        assert exact_match(output, target) == 0.0, (output, target)
    assert exact_match(Team.BILLING, Team.BILLING) == 1.0


def test_contains():
    assert contains("The answer is  Paris, France.", "paris, france") == 1.0
    assert contains("Rome", "Paris") == 0.0
    assert contains("red and blue", ["Red", "green"]) == 0.5
    for empty in ("", " ", []):
        with pytest.raises(ValueError, match="empty"):
            contains("x", empty)


def test_f1():
    assert f1("the cat sat", "The cat sat!") == 1.0
    assert f1("a a b", "a c") == pytest.approx(2 * 1 / 5)
    assert f1("", "") == 1.0
    assert f1("", "x") == 0.0


@given(st.text(max_size=30), st.text(max_size=30))
def test_f1_is_symmetric_and_bounded(a, b):
    assert 0 <= f1(a, b) == f1(b, a) <= 1


TWELVES = ["Answer: 12", "12 apples", "3 + 9 = 12.", 12, 12.0, "12.0", "$12", "10-12", "1. first\n2. then 12", "+12", "1.2e1", Variable(12)]


@pytest.mark.parametrize("output", TWELVES)
def test_numeric_finds_the_last_number(output):
    assert numeric(output, 12) == 1.0
    assert numeric(output, "#### 12") == 1.0
    assert numeric(output, 13) == 0.0


def test_numeric_details():
    assert numeric("1,234.5 km", 1234.5) == 1.0
    assert numeric("it is −4", -4) == 1.0
    assert numeric("x=-5", "-5") == 1.0
    assert numeric("none", 0) == numeric("H2O", 2) == numeric(math.nan, 0) == numeric(None, 0) == 0.0
    for target in ("none", None, math.nan):
        with pytest.raises(ValueError, match="holds no number"):
            numeric("1", target)
