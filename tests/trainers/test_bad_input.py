"""Bad input and bad company: one clear error or a parked run that goes on later, and nothing paid for in vain. Models are simulated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

import paragrad as pg
from paragrad import registry
from paragrad.data import DataLoader
from paragrad.errors import MetricError, NotConnected, NothingToTrain, Outage, UnknownName, UsageError
from paragrad.journal import Runs
from paragrad.llm import stack
from paragrad.llm.fake import Fake
from paragrad.trace import Module
from paragrad.trainers.values import to_json
from tests.trainers.scripted import Mixed, metric, model, rows

EVERY = registry.algorithms.names()
BOTH = ["minibatch", "pareto"]


def training(algorithm: str, program: Any = None, **options: Any) -> tuple[Any, Fake]:
    """A trainer as users get it, and the backend it asks."""
    wire = Fake(options.pop("script", model))
    known = stack(wire, cache=False, retries=0)
    given = {"validate": rows("v", 12), "budget": "1000 calls", "journal": False, "model": known, "optimizer_model": known, **options}
    loader = DataLoader(given.pop("train", rows("x", 12)), 6)
    made = registry.algorithms.get(algorithm)(
        Mixed() if program is None else program, given.pop("optimizer", "reflect"), loader, given.pop("guide", metric), **given
    )
    return made, wire


def values(program: Module) -> Any:
    named = {p.id: p for p in program.parameters()}
    return to_json(named, {id: p.value for id, p in named.items()})


def writer(reply: Callable[[str], str]) -> Callable[[Any], str]:
    """The scripted model, with another writer of proposals."""

    def answered(request: Any) -> str:
        whole = "\n".join(str(message["content"]) for message in request.messages)
        return reply(whole) if "Reply with one JSON object" in whole and "# Wanted" not in whole else model(request)

    return answered


REFUSALS = {
    "no change": json.dumps({"reasoning": "all is well", "no_change": True}),
    "sorry": "I am sorry, but I cannot help with that.",
    "the same again": json.dumps({"values": {"answer.instruction": "Answer the question."}}),
    "empty": "",
}


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("algorithm", EVERY)
def test_a_writer_that_gives_nothing_is_given_up(algorithm: str, kind: str) -> None:
    program = Mixed()
    made, wire = training(algorithm, program, script=writer(lambda _: REFUSALS[kind]), parameters=["answer.instruction"])
    before = values(program)
    result = made.train()
    assert result.best.changed() == []
    assert result.score == result.baseline
    assert not result.significant
    assert values(program) == before
    assert wire.calls <= 320, "a third of the budget at most"
    assert "budget" not in result.stopped


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_model_that_goes_away_half_way_parks_the_run(tmp_path: Path, algorithm: str) -> None:
    """The writer alone is gone: an outage too, and the run goes on where it was."""
    left, lock = [2], Lock()

    def fading(prompt: str) -> str:
        with lock:
            left[0] -= 1
        if left[0] < 0:
            raise NotConnected("the writer is gone")
        return model_reply(prompt)

    options: dict[str, Any] = {"journal": True, "run": "r", "budget": "260 calls"}
    calm = training(algorithm, home=tmp_path / "calm", **options)[0].train()
    program = Mixed()
    before = values(program)
    made, wire = training(algorithm, program, script=writer(fading), home=tmp_path / "x", **options)
    with pytest.raises(Outage, match="the writer is gone"):
        made.train()
    assert values(program) == before
    assert Runs(tmp_path / "x").latest().status == "parked"
    failed = sum(call < 0 for call in range(left[0], 0))
    again, healthy = training(algorithm, home=tmp_path / "x", **options)
    result = again.train()
    assert result.sha256 == calm.sha256
    assert healthy.calls == calm.spent["calls"] - (wire.calls - failed)


def model_reply(prompt: str) -> str:
    """What the scripted writer says to a prompt."""
    from tests.trainers.scripted import proposal

    return proposal(prompt)


BROKEN_METRICS: dict[str, tuple[Callable[[int], Any], str]] = {
    "not a number": (lambda n: float("nan") if n > 20 else 0.0, "nan"),
    "infinite": (lambda n: float("inf") if n > 20 else 0.0, "inf"),
    "nothing": (lambda n: None if n > 20 else 0.0, "None"),
    "words alone": (lambda n: "good" if n > 20 else 0.0, "good"),
}


@pytest.mark.parametrize("kind", BROKEN_METRICS)
@pytest.mark.parametrize("algorithm", BOTH)
def test_a_metric_that_changes_its_mind_stops_the_run_and_names_the_row(algorithm: str, kind: str) -> None:
    broken, named = BROKEN_METRICS[kind]
    count, lock = [0], Lock()

    def guide(output: Any) -> Any:
        with lock:
            count[0] += 1
            return broken(count[0])

    program = Mixed()
    before = values(program)
    made, wire = training(algorithm, program, guide=guide)
    with pytest.raises(MetricError, match=rf"row .*{named}|{named}.*row"):
        made.train()
    assert wire.calls <= 12 + 6 * 6 + 10, "the baseline and the round it happened in"
    assert values(program) == before


@pytest.mark.parametrize("algorithm", BOTH)
def test_a_metric_that_names_other_parts_half_way_is_an_error_or_scored(algorithm: str) -> None:
    """Metrics by name need a main score; the names may differ by row."""
    made, _ = training(algorithm, guide=lambda output, target: {"score": float(output == target), f"part {len(str(output))}": 1.0})
    result = made.train()
    assert result.score >= result.baseline


@pytest.mark.parametrize("algorithm", EVERY)
def test_rows_that_are_in_two_splits_are_refused_before_anything_is_paid(algorithm: str) -> None:
    wire = Fake(model)
    with pytest.raises(UsageError, match=r"of validate has the same inputs as row .* of train"):
        pg.fit(
            Mixed(),
            rows("x", 12),
            rows("x", 4),
            metric=metric,
            algorithm=algorithm,
            optimizer="edit",
            model=stack(wire, cache=False),
            run=None,
        )
    assert wire.calls == 0


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_budget_below_one_round_costs_one_row(algorithm: str) -> None:
    made, wire = training(algorithm, budget="15 calls")
    with pytest.raises(UsageError, match=r"give at least \d+ calls"):
        made.train()
    assert wire.calls <= 1


@pytest.mark.parametrize("algorithm", BOTH)
def test_an_optimizer_without_a_model_is_told_so_before_much_is_paid(algorithm: str) -> None:
    made, wire = training(algorithm, optimizer_model=None)
    with pytest.raises(NotConnected, match="asks a model to write proposals; give optimizer_model="):
        made.train()
    assert wire.calls <= 12 + 2 * 6, "the baseline and the batches of the first rounds"


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match="that optimizer is 'reflect' here"):
        training("pareto", optimizer="gepa")
    with pytest.raises(UnknownName, match="that algorithm is 'pareto' here"):
        training("gepa")
    with pytest.raises(UnknownName, match="did you mean 'pareto'"):
        training("paretto")


class Deaf(Module):
    """Reads its Parameter and throws it away."""

    def __init__(self) -> None:
        self.inner = Mixed()

    def forward(self, question: Any) -> Any:
        self.inner(question)
        return "a constant"


@pytest.mark.parametrize("algorithm", BOTH)
def test_an_output_that_no_trained_parameter_reaches(algorithm: str) -> None:
    made, wire = training(algorithm, Deaf(), guide=lambda output, target: 0.5)
    with pytest.raises(NothingToTrain):
        made.train()
    assert wire.calls <= 4, "a few rows show it"
