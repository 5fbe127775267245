"""Observations: what became of a candidate, as plain data, so that an optimizer can be told later and again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from paragrad.protocols.data import Episode, Step
from paragrad.protocols.evidence import Candidate, ItemEvidence
from paragrad.spaces.plain import plain
from paragrad.trainers.evaluation import Evaluation
from paragrad.trainers.values import Parameters, from_json, to_json


def observed(parameters: Parameters, candidate: Candidate, evaluation: Evaluation) -> dict[str, Any]:
    """A candidate and its evaluation, JSON-like. Of episodes, steps that no file can hold are left out."""
    return {
        "values": to_json(parameters, candidate.values),
        "before": to_json(parameters, candidate.before),
        "origin": candidate.origin,
        "delta": evaluation.delta,
        "accepted": evaluation.accepted,
        "items": [_item(item) for item in evaluation.items],
    }


def restored(parameters: Parameters, data: Mapping[str, Any]) -> tuple[Candidate, Evaluation]:
    """The inverse of :func:`observed`, as far as optimizers read it."""
    spaces = {id: parameter.space for id, parameter in parameters.items()}
    candidate = Candidate(
        from_json(parameters, data["values"]), origin=data["origin"], spaces=spaces, before=from_json(parameters, data["before"])
    )
    items = tuple(_restored(item) for item in data["items"])
    return candidate, Evaluation(items, delta=data["delta"], accepted=data["accepted"])


def _item(item: ItemEvidence) -> dict[str, Any]:
    return {
        "item": item.item,
        "inputs": {name: _held(value) for name, value in item.inputs.items()},
        "target": _held(item.target),
        "output": _held(item.output),
        "scores": dict(item.scores),
        "feedback": item.feedback,
        "status": item.status,
        "episodes": [_episode(episode) for episode in item.episodes],
    }


def _episode(episode: Episode) -> dict[str, Any]:
    steps = []
    for step in episode.steps:
        with suppress(TypeError, ValueError):
            found = plain({"inputs": dict(step.input_args), "output": step.output}, step.component, models=True)
            steps.append([step.component, found["inputs"], found["output"]])
    return {"steps": steps, "output": _held(episode.output), "score": episode.score, "item": episode.item}


def _held(value: Any) -> Any:
    """The value as plain data, else its text."""
    try:
        return plain(value, models=True)
    except (TypeError, ValueError):
        return str(value)


def _restored(data: Mapping[str, Any]) -> ItemEvidence:
    episodes = tuple(
        Episode(tuple(Step(*step) for step in episode["steps"]), episode["output"], episode["score"], episode["item"])
        for episode in data["episodes"]
    )
    kept = {name: data[name] for name in ("item", "inputs", "target", "output", "scores", "feedback", "status")}
    return ItemEvidence(**kept, episodes=episodes)
