"""Objectives: weights, limits and fronts over the metric and what every row is measured by. Models are scripted (simulated)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paragrad as pg
from paragrad.errors import Outage, UsageError
from paragrad.journal import RunJournal
from paragrad.journal.runs import Runs
from paragrad.protocols.evidence import ItemEvidence
from paragrad.trainers.objective import FAR, objective_of
from tests.faults.trainee import STYLES, Answers, Logged, metric, reply, trainer


def item(score: float, tokens: int = 0, usd: float | None = 0.0, **more: float) -> ItemEvidence:
    spent = {
        "calls": 1,
        "input_tokens": tokens,
        "output_tokens": 0,
        "usd": usd,
        **({"seconds": more.pop("seconds")} if "seconds" in more else {}),
    }
    return ItemEvidence(0, {}, None, "x", {"score": score, **more}, spent=spent)


def scores(objective: pg.Objective, *items: ItemEvidence) -> list[float | None]:
    return [one.score for one in objective.applied(items)]


def test_weights_and_the_metric_beside_the_objective() -> None:
    weighed = pg.Objective({"score": 1, "tokens": -1e-3})
    assert scores(weighed, item(1.0, 200), item(0.5, 0)) == pytest.approx([0.8, 0.5])
    assert weighed.applied([item(1.0, 200)])[0].scores["metric"] == 1.0
    assert scores(pg.Objective({"cited": 2.0}), item(0.0, cited=0.5)) == [1.0]
    assert scores(pg.Objective(["usd", "score"]), item(1.0, usd=0.25)) == [-0.25], "of a measured cost, less is better"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-100, 100), st.integers(0, 50)), min_size=1, max_size=6),
    st.lists(st.tuples(st.floats(-100, 100), st.integers(0, 500)), min_size=1, max_size=6),
)
def test_a_candidate_that_breaks_a_limit_never_beats_one_that_keeps_it(a: Any, b: Any) -> None:
    """Of two that break it, the one that breaks it less is better."""
    objective = pg.Objective("score", at_most={"tokens": 50})
    means = [sum(t for _, t in part) / len(part) for part in (a, b)]
    found = [scores(objective, *(item(s, t) for s, t in part)) for part in (a, b)]
    values = [sum(x or 0.0 for x in part) / len(part) for part in found]
    assert means[0] <= 50
    assert values[0] == pytest.approx(sum(s for s, _ in a) / len(a))
    if means[1] > 50:
        assert values[1] < values[0]
        assert values[1] == pytest.approx(-FAR * means[1] / 50)


def test_limits_say_why_in_the_feedback() -> None:
    found = pg.Objective("score", at_most={"usd": 0.002}, at_least={"cited": 0.5}).applied([item(1.0, usd=0.003, cited=0.0)])
    assert "usd is broken: 0.003 on average, allowed is at most 0.002" in str(found[0].feedback)
    assert "cited is broken: 0 on average, allowed is at least 0.5" in str(found[0].feedback)
    assert found[0].score == pytest.approx(-FAR * (1.5 + 2.0))


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match=r"names 'cites', and row 0 has calls, cited, score, seconds, tokens, usd"):
        pg.Objective("cites").applied([item(1.0, cited=1.0)])
    with pytest.raises(UsageError, match="price of a model is not known"):
        pg.Objective("score", at_most={"usd": 1}).applied([item(1.0, usd=None)])
    for wrong in ({}, [], {"score": float("nan")}, {"score": True}, [1]):
        with pytest.raises(UsageError):
            pg.Objective(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="write a name"):
        objective_of(3)
    assert objective_of("score") is objective_of(pg.Objective()) is None


def costly(request: Any) -> str:
    """Right more often in a careful style, and longer."""
    words = reply(request)
    return words if "style careful" not in request.messages[0]["content"] else words + " because"


def test_a_limit_and_a_front_in_a_whole_run() -> None:
    """The careful style answers better and longer; the front holds both, a limit keeps it out."""
    seen = {style: 20 + worth for style, worth in STYLES.items()}
    assert max(seen, key=lambda s: seen[s]) == "careful"

    def train(objective: Any, **options: Any) -> Any:
        made: dict[str, Any] = {"parameters": ["style"], "optimizer": pg.optimizers.EditSearch(), "journal": False, **options}
        return trainer(pg.llm.stack(Logged(script=costly), cache=False), Answers(), objective=objective, guide=judged, **made).train()

    def judged(output: Any, target: Any) -> Any:
        return pg.Feedback(float(output.removesuffix(" because") == target), length=float(len(output)))

    free = train(["score", "length"])
    assert free.best.values["style"] == "careful"
    assert free.best.scores["score"] > free.measured["before"]["score"]
    assert free.to_json()["objective"] == "score against length"
    shorter = pg.Objective({"score": 1}, at_most={"length": free.measured["before"]["length"] + 1})
    held = train(shorter)
    assert held.best.values["style"] == "plain", "no gain counts that breaks a limit"
    front = train(pg.Objective({"score": 1, "length": -1e-6}))
    assert {c.values["style"] for c in front.front} == {"plain", "careful"}, "neither beats the other in both"


def test_an_objective_in_seconds_is_the_same_after_an_interruption(tmp_path: Path) -> None:
    """Seconds are effects: a resumed run is told those it was told before."""

    def dying(left: int) -> Any:
        count = [0]

        def answer(request: Any) -> str:
            count[0] += 1
            if count[0] > left:
                raise pg.errors.ServerFailed("gone")
            return reply(request)

        return answer

    objective = pg.Objective({"score": 1, "seconds": -0.01})

    def train(script: Any, **options: Any) -> Any:
        wire = Logged(script=script, seconds=0.002)
        made = trainer(pg.llm.stack(wire, cache=False, retries=0), Answers(), objective=objective, home=tmp_path, run="r", **options)
        return made.train()

    with pytest.raises(Outage):
        train(dying(60))
    result = train(reply)
    assert result.measured["before"]["seconds"] > 0
    assert result.objective == "score + -0.01 × seconds"
    with RunJournal(Runs(tmp_path).all()[0].journal, read_only=True) as record:
        timed = [event for event in record.events("clock")]
    assert len({event.coordinate for event in timed}) == len(timed) > 60, "every row was timed once, also those of before"


def test_another_objective_is_another_run(tmp_path: Path) -> None:
    def train(objective: Any, **options: Any) -> Any:
        model = pg.llm.stack(Logged(), cache=False)
        return trainer(model, Answers(), objective=objective, home=tmp_path, run="r", **options)

    stopped = train({"score": 1, "tokens": -1e-6}, budget="200 calls", guide=_failing())
    with pytest.raises(pg.errors.Outage):
        stopped.train()
    with pytest.raises(pg.errors.Diverged, match="configuration"):
        train({"score": 1, "tokens": -2e-6}, budget="200 calls", guide=_failing()).train()


def _failing() -> Any:
    count = [0]

    def judge(output: Any, target: Any) -> bool:
        count[0] += 1
        if count[0] > 30:
            raise ConnectionError("away")
        return metric(output, target)

    return judge


def test_fronts_of_a_search_that_looks_ahead_are_the_same_at_any_number_of_workers() -> None:
    def judged(output: Any, target: Any) -> Any:
        return pg.Feedback(float(output == target), length=float(len(output)))

    def train(workers: int) -> Any:
        model = pg.llm.stack(Logged(seconds=0.002, seed=workers), cache=False)
        made: dict[str, Any] = {"guide": judged, "objective": pg.Objective({"score": 1, "length": -1e-3}), "workers": workers}
        return trainer(model, Answers(), pg.trainers.ParetoSearch, journal=False, budget="600 calls", **made).train()

    one, many = train(1), train(8)
    assert one.sha256 == many.sha256
    assert one.front[0] is one.best
    assert one.measured["before"].keys() == {"score", "length"}
    means = [(c.scores["score"], -c.scores["length"]) for c in one.front]
    assert not any(a != b and a[0] >= b[0] and a[1] >= b[1] for a in means for b in means), "none beats another"
