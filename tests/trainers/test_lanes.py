"""Lanes and observations: what an optimizer is told of rounds beside its own, in which order, and what is kept of it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from paragrad.optimizers import Transform
from paragrad.protocols.data import Demo, Episode, Step
from paragrad.protocols.evidence import Candidate, ItemEvidence
from paragrad.spaces import Choice, Demos
from paragrad.trace import Parameter
from paragrad.trainers import lanes
from paragrad.trainers.evaluation import Evaluation
from paragrad.trainers.observations import observed, restored


class Ear(Transform):
    """Its state is what it was told, in order."""

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        return [*state, candidate.origin]


PARAMETERS = {"p": Parameter("start", name="p"), "d": Parameter((), space=Demos(4), name="d")}


def news(*origins: str) -> list[dict[str, Any]]:
    """Observations of candidates with these origins."""
    before = {id: parameter.value for id, parameter in PARAMETERS.items()}
    spaces = {id: parameter.space for id, parameter in PARAMETERS.items()}
    made = [Candidate({**before, "p": origin}, origin=origin, spaces=spaces, before=before) for origin in origins]
    return [observed(PARAMETERS, candidate, Evaluation(())) for candidate in made]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.lists(st.integers(0, 3), max_size=25))
def test_a_lane_hears_everything_once_in_the_order_of_decisions(count: int, order: list[int]) -> None:
    ear, found = Ear(), lanes.opened([], count)
    for number, index in enumerate(order):
        index %= count
        state, found = lanes.take(found, index, ear, PARAMETERS)
        assert state == [f"n{i}" for i in range(number)]
        found = json.loads(json.dumps(lanes.told(found, index, state, news(f"n{number}"))))
        behind = min(lane["told"] for lane in found["lanes"])
        assert found["from"] <= behind
        assert len(found["news"]) == number + 1 - found["from"]


def test_news_that_all_lanes_heard_are_dropped() -> None:
    ear, found = Ear(), lanes.opened([], 2)
    for number in range(50):
        state, found = lanes.take(found, number % 2, ear, PARAMETERS)
        found = lanes.told(found, number % 2, state, news(f"n{number}"))
        assert len(found["news"]) <= 3
    assert found["from"] >= 47


def test_taking_a_lane_changes_neither_the_lanes_nor_another_lanes_state() -> None:
    found = lanes.told(lanes.opened([], 2), 0, ["own"], news("a"))
    kept = json.dumps(found)
    state, after = lanes.take(found, 1, Ear(), PARAMETERS)
    assert json.dumps(found) == kept
    assert state == ["a"]
    assert after["lanes"][0] == found["lanes"][0]


class Label(BaseModel):
    """A typed output."""

    name: str
    sure: bool = True


class Odd:
    """Something no file can hold."""


def evaluated() -> tuple[Candidate, Evaluation]:
    """A candidate with demos, on rows with typed, failed and odd outputs."""
    demos = (Demo({"question": "q"}, {"name": "a", "sure": True}),)
    before = {"p": "start", "d": ()}
    candidate = Candidate({"p": "new", "d": demos}, origin="test", spaces={id: p.space for id, p in PARAMETERS.items()}, before=before)
    step = Step("answer", {"question": "q"}, Label(name="a"))
    lost = Step("look", {"thing": Odd()}, 1)
    episode = Episode((step, lost), Label(name="a"), 0.5, 3)
    scores = {"score": 0.5, "f1": 0.25}
    right = ItemEvidence(3, {"question": "q"}, Label(name="b"), Label(name="a"), scores, "close", episodes=(episode,))
    failed = ItemEvidence(4, {"question": Odd()}, None, "ValueError: no", {"score": 0.0}, "The program failed", status="error")
    items = (right, failed)
    return candidate, Evaluation(items, delta=0.25, accepted=True)


def test_an_observation_survives_a_file() -> None:
    first = observed(PARAMETERS, *evaluated())
    candidate, evaluation = restored(PARAMETERS, json.loads(json.dumps(first)))
    assert observed(PARAMETERS, candidate, evaluation) == first
    given_, known = evaluated()
    assert candidate.values == given_.values
    assert candidate.changed() == ["p", "d"]
    assert (evaluation.delta, evaluation.accepted, evaluation.scores) == (known.delta, known.accepted, known.scores)
    assert [item.status for item in evaluation.items] == ["ok", "error"]
    (episode,) = evaluation.items[0].episodes
    assert episode.output == {"name": "a", "sure": True}
    assert [step.component for step in episode.steps] == ["answer"], "a step that no file can hold is left out"
    assert "Odd" in evaluation.items[1].inputs["question"], "what cannot be held is its text, in its place"


@pytest.mark.parametrize("value", ["plain", "careful"])
def test_an_optimizer_learns_the_same_from_an_observation_as_from_the_evaluation(value: str) -> None:
    """The optimizers of this package, by their states."""
    from paragrad import registry
    from paragrad.optimizers.base import make

    parameters = {**PARAMETERS, "c": Parameter("plain", space=Choice(["plain", "careful"]), name="c")}
    before = {id: p.value for id, p in parameters.items()}
    spaces = {id: p.space for id, p in parameters.items()}
    demos = (Demo({"question": f"q{Random(value).random()}"}, "a"),)
    candidate = Candidate({"p": "new", "d": demos, "c": value}, origin="x", spaces=spaces, before=before)
    row = ItemEvidence(
        1, {"question": "q"}, "b", "a", {"score": 0.5}, "close", episodes=(Episode((Step("s", {"q": 1}, "a"),), "a", 0.5, 1),)
    )
    evaluation = Evaluation((row,), delta=0.5, accepted=True)
    for name in registry.optimizers.names():
        optimizer = make(name)
        state = optimizer.init(list(parameters.values()))
        told = optimizer.observe(state, candidate, evaluation)
        again = optimizer.observe(state, *restored(parameters, json.loads(json.dumps(observed(parameters, candidate, evaluation)))))
        assert json.dumps(told, default=vars) == json.dumps(again, default=vars), name
