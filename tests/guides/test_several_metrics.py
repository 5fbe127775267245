"""Several metrics as one, and the metric of a form."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from pydantic import BaseModel

import paragrad as pg
from paragrad.errors import MetricError, Outage, UsageError
from paragrad.guides import bind_metric

ROW = pg.Row("7", {"q": "a"}, "go away")


def right(output: Any, target: Any) -> tuple[bool, str | None]:
    return output == target, None if output == target else f"wanted {target}"


def short(output: Any) -> dict[str, float]:
    return {"words": 1.0, "letters": 0.0}


def test_the_mean_is_the_score_and_each_is_kept() -> None:
    feedback = bind_metric(["f1", right, short])(ROW, "go there")
    assert feedback == pg.Feedback(
        (0.5 + 0.0 + 0.5) / 3, "right: wanted go away", f1=0.5, right=0.0, short=0.5, **{"short.words": 1.0, "short.letters": 0.0}
    )
    assert bind_metric({"a": right, "b": "f1"})(ROW, "go away") == pg.Feedback(1.0, None, a=1.0, b=1.0)
    assert bind_metric(pg.metrics.combine({"a": right, "b": "f1"}, {"a": 3, "b": 1}))(ROW, "go there").score == 0.125


def test_what_they_need_is_what_all_of_them_need() -> None:
    def traced(output: Any, trace: Any) -> bool:
        return bool(trace)

    bound = bind_metric([right, traced])
    assert bound.name == "right + traced"
    assert bound.needs == {"row", "output", "target", "trace"}
    assert "target" not in bind_metric([short]).needs
    assert bound(ROW, "go away", trace=("step",)).score == 1.0


def test_failures_name_the_metric_and_the_row() -> None:
    def broken(output: Any) -> float:
        raise KeyError("x")

    def away(output: Any) -> float:
        raise ConnectionError("down")

    with pytest.raises(MetricError, match="the metric broken on row '7' raised KeyError"):
        bind_metric([right, broken])(ROW, "x")
    with pytest.raises(Outage, match="away on row '7'"):
        bind_metric([right, away])(ROW, "x")


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ([], "no metric is given"),
        ([right, right], "have one name"),
        ({"score": right}, "means the mean of all"),
        ({"a": 3}, "no metric"),
        ([lambda gold: 1], "asks for 'gold'"),
    ],
)
def test_what_is_no_list_of_metrics(metrics: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        bind_metric(metrics)


@pytest.mark.parametrize("weights", [{"a": 1}, {"right": -1, "f1": 1}, {"right": 0, "f1": 0}, {"right": float("nan"), "f1": 1}])
def test_weights_fit(weights: Any) -> None:
    with pytest.raises(UsageError, match="one number per metric"):
        pg.metrics.combine([right, "f1"], weights)


def test_digests_follow_the_parts() -> None:
    other = bind_metric(["f1", "contains"]).digest
    assert bind_metric(["f1", "contains"]).digest == other
    assert other != bind_metric(["f1", "exact_match"]).digest
    assert other != bind_metric(pg.metrics.combine(["f1", "contains"], {"f1": 2, "contains": 1})).digest


class Ticket(BaseModel):
    team: str
    urgent: bool


@dataclasses.dataclass
class Point:
    x: int


VALID: list[tuple[Any, Any]] = [
    (Ticket, Ticket(team="a", urgent=True)),
    (Ticket, '{"team": "a", "urgent": false}'),
    (Ticket, 'Here it is:\n```json\n{"team": "a", "urgent": false}\n```'),
    (Ticket, {"team": "a", "urgent": True}),
    (Point, Point(3)),
    (Point, '{"x": 3}'),
    (list[int], "[1, 2]"),
    (str, "any text {"),
    ({"type": "object", "required": ["a"]}, '{"a": null}'),
]
INVALID: list[tuple[Any, Any, str]] = [
    (Ticket, '{"team": "a"}', "urgent"),
    (Ticket, '{"team": "a", "urgent": "yes"}', "urgent"),
    (Ticket, "no json here", "holds no JSON"),
    (Ticket, '{"team": "a", "urgent": true} {"team": "b", "urgent": true}', "2 JSON values"),
    (Ticket, None, "wanted form"),
    (list[int], "[1, 2.5]", r"data\[1\]"),
    ({"type": "object", "required": ["a"]}, {"b": 1}, "'a' is missing"),
]


@pytest.mark.parametrize(("model", "output"), VALID)
def test_outputs_of_the_form(model: Any, output: Any) -> None:
    assert bind_metric(pg.metrics.schema(model))(ROW, output) == pg.Feedback(1.0)


@pytest.mark.parametrize(("model", "output", "said"), INVALID)
def test_other_outputs_are_told_what_is_wrong(model: Any, output: Any, said: str) -> None:
    feedback = bind_metric(pg.metrics.schema(model))(ROW, output)
    assert feedback.score == 0.0
    assert re.search(said, str(feedback.text))


def test_what_is_no_form() -> None:
    for wrong in (None, {"type": "nonsense"}, object()):
        with pytest.raises(UsageError):
            pg.metrics.schema(wrong)
    assert bind_metric(pg.metrics.schema(Ticket)).digest != bind_metric(pg.metrics.schema(Point)).digest
