"""``optimize_anything``: values of every form, exact budgets, failures that are feedback, runs that resume. Models are scripted (simulated)."""

from __future__ import annotations

import contextlib
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import BudgetExceeded, MetricError, Outage, UsageError
from paragrad.optimizers import EditSearch
from paragrad.trainers.objective import FAR

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "anything.py"
QUIET: dict[str, Any] = {"journal": False, "progress": False}


def bowl(candidate: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Best at x = 3, good; some candidates cannot be evaluated."""
    if candidate["kind"] == "bad":
        raise ValueError("nothing bad, please")
    return -((candidate["x"] - 3) ** 2) - (candidate["kind"] != "good"), {"x off by": candidate["x"] - 3, "kind": candidate["kind"]}


BOWL = {"x": 0.5, "kind": pg.Choice(["bad", "fine", "good"])}


def test_the_example() -> None:
    policy, notice = runpy.run_path(str(EXAMPLE))["main"](**QUIET)
    assert policy.best.values["growth"] == "doubling"
    assert policy.score > policy.baseline
    assert policy.spent["calls"] == 120, "every evaluation counts, and none is made beyond the budget"
    assert policy.best.scores["answered"] > 0.97
    assert all(fact in notice.best.values["candidate"] for fact in ("orders", "10 UTC", "refunded"))
    assert "one number, taken as exact: better" in str(notice)


def test_failures_are_feedback_and_rank_below_every_score() -> None:
    count = [0]

    def counted(candidate: dict[str, Any]) -> Any:
        count[0] += 1
        return bowl(candidate)

    result = pg.optimize_anything(BOWL, counted, budget="60 calls", **QUIET)
    assert result.baseline == -FAR
    assert result.best.values["kind"] == "good"
    assert abs(result.best.values["x"] - 3) < 0.5
    assert count[0] == result.spent["calls"] == 60
    assert result.significant


class Bench:
    """Is switched off after some evaluations."""

    __slots__ = ("left", "seen")

    def __init__(self) -> None:
        self.left, self.seen = 0, list[str]()

    def __call__(self, candidate: dict[str, Any]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ConnectionError("the bench is off")
        self.seen.append(repr(candidate))
        return bowl(candidate)


def test_a_yes_ends_the_search() -> None:
    result = pg.optimize_anything({"n": pg.Choice(list(range(9)))}, lambda c: c["n"] == 4, budget="100 calls", **QUIET)
    assert result.best.values["n"] == 4
    assert result.stopped == "the best one passes"
    assert result.spent["calls"] < 30


def test_the_same_at_any_number_of_workers_and_after_an_outage(tmp_path: Path) -> None:
    calm = pg.optimize_anything(BOWL, bowl, budget="50 calls", **QUIET)
    wide = pg.optimize_anything(BOWL, bowl, budget="50 calls", workers=8, **QUIET)
    assert calm.sha256 == wide.sha256
    bench = Bench()
    for _ in range(3):
        bench.left = 20
        with contextlib.suppress(Outage):
            again = pg.optimize_anything(BOWL, bench, budget="50 calls", run="r", home=tmp_path, progress=False)
    assert again.sha256 == calm.sha256
    assert len(bench.seen) == len(set(bench.seen)) == 50, "what was evaluated is not evaluated again"


@pytest.mark.parametrize("initial", ["One. Two. Three.", pg.Parameter("One. Two. Three."), {"text": "One. Two. Three."}])
def test_forms_come_back_as_they_were_given(initial: Any) -> None:
    def short(candidate: Any) -> float:
        text = candidate["text"] if isinstance(candidate, dict) else candidate
        assert isinstance(text, str)
        return 1 / len(text)

    result = pg.optimize_anything(initial, short, budget="40 calls", **QUIET)
    assert next(iter(result.best.values.values())) == "One."
    if isinstance(initial, pg.Parameter):
        assert initial.value == "One."


def test_a_list_of_spaces_and_an_array() -> None:
    def match(candidate: list[Any]) -> float:
        return float(candidate[0] == "b") + float(candidate[1] == 7)

    result = pg.optimize_anything([pg.Choice(["a", "b", "c"]), pg.Number(low=0, high=9, integer=True)], match, budget="80 calls", **QUIET)
    assert result.score == 2.0
    array = pg.optimize_anything([0.0, 0.0], lambda v: -((v[0] - 1) ** 2) - (v[1] + 1) ** 2, budget="150 calls", **QUIET)
    assert array.score > -0.1


def test_rows_are_given_and_decide() -> None:
    rows = [{"x": i, "y": 2 * i + 1} for i in range(1, 13)]

    def fits(candidate: dict[str, float], row: pg.Row) -> float:
        off = abs(candidate["a"] * row.inputs["x"] + candidate["b"] - row.inputs["y"])
        return max(0.0, 1 - off / 10)

    start = {"a": pg.Number(low=-4, high=4, integer=True), "b": pg.Number(low=-4, high=4, integer=True)}
    result = pg.optimize_anything(start, fits, train=rows[:6], validate=rows[6:], budget="900 calls", algorithm="basic", **QUIET)
    assert result.score > result.baseline + 0.2
    assert result.spent["calls"] <= 900


def test_a_model_writes_from_what_the_function_says_and_from_the_prose() -> None:
    """Failures and words of the best candidate and the prose are in the prompt; every call is in the budget."""
    asked: list[str] = []

    def writer(prompt: str) -> str:
        asked.append(prompt)
        return json.dumps({"reasoning": "one more", "values": {"candidate": f"SELECT {len(asked) + 1}"}})

    def judge(query: str) -> tuple[float, str]:
        if query.endswith("2"):
            raise ValueError("two is not allowed")
        return (0.5, "right") if query.endswith("3") else (0.1, "three is wanted")

    result = pg.optimize_anything("SELECT 1", judge, objective="Return three, quickly.", optimizer_model=writer, budget="8 calls", **QUIET)
    assert result.best.values == {"candidate": "SELECT 3"}
    assert result.spent["calls"] <= 8
    assert result.spent["phases"]["optimizer"]["calls"] == len(asked)
    assert all(words in asked[0] for words in ("SELECT 1", "three is wanted", "Return three, quickly."))


def test_constraints() -> None:
    seen: list[Any] = []

    def judge(candidate: dict[str, Any]) -> float:
        seen.append(candidate)
        return float(candidate["a"] + candidate["b"])

    whole = pg.optimize_anything(
        {"a": pg.Choice([0, 1, 2]), "b": pg.Choice([0, 1, 2])},
        judge,
        constraint=lambda c: c["a"] + c["b"] <= 3 or "at most 3 together",
        budget="40 calls",
        **QUIET,
    )
    assert whole.score == 3.0
    assert all(one["a"] + one["b"] <= 3 for one in seen), "what a constraint refuses is never evaluated"
    each = pg.optimize_anything(
        {"a": pg.Choice([0, 1, 2]), "b": 0.5}, judge, constraint={"a": lambda a: a != 2}, budget="40 calls", **QUIET
    )
    assert each.best.values["a"] == 1


def test_an_objective_over_what_the_function_tells() -> None:
    result = pg.optimize_anything(
        {"size": pg.Choice([1, 2, 3, 4, 5])},
        lambda c: (c["size"], {"cost": c["size"] ** 2}),
        objective=pg.Objective("score", at_most={"cost": 10}),
        budget="20 calls",
        **QUIET,
    )
    assert result.best.values["size"] == 3
    assert result.measured["after"] == {"score": 3.0, "cost": 9.0}


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="no function"):
        pg.optimize_anything("x", 3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="takes a row, and there are none"):
        pg.optimize_anything("x", lambda candidate, row: 1.0)
    with pytest.raises(UsageError, match="code is not trained"):
        pg.optimize_anything(len, lambda candidate: 1.0)
    with pytest.raises(UsageError, match="cannot be used"):
        pg.optimize_anything({"forward": "x"}, lambda candidate: 1.0)
    with pytest.raises(UsageError, match="validate= without train="):
        pg.optimize_anything("x", lambda candidate: 1.0, validate=[{"x": 1}])
    with pytest.raises(MetricError, match="returned no score"):
        pg.optimize_anything("One. Two.", lambda candidate: None, budget="9 calls", **QUIET)
    with pytest.raises((UsageError, BudgetExceeded)):
        pg.optimize_anything("One. Two.", lambda candidate: 1.0, budget="1 calls", optimizer=EditSearch(), **QUIET)
