"""One pair of the matrix algorithm x optimizer: a tiny training, run twice, and the laws it has to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paragrad import registry
from paragrad.data import DataLoader
from paragrad.llm import stack
from paragrad.llm.fake import Fake
from paragrad.optimizers import Alternate, BootstrapFewShot, EditSearch, chain, freeze, partition, worst
from paragrad.optimizers.base import make
from paragrad.trace import Module
from paragrad.trainers.values import to_json
from tests.trainers.scripted import BANK, Mixed, Weighed, closeness, metric, model, rows, weights

CALLS = 200
SMALL: dict[str, dict[str, Any]] = {
    "basic": {"proposals": 3, "patience": 2},
    "beam": {"proposals": 2, "sample": 8, "patience": 3, "depth": 2, "beam": 2},
    "minibatch": {"candidates": 4, "steps": 3, "alpha": 0.4},
    "pareto": {"proposals": 2, "climbs": 1, "first": 4, "merge_every": 2, "patience": 4},
    "ucb": {"sample": 5, "patience": 4, "depth": 2},
}
"""Sizes with which a run takes a hundred calls; an algorithm that is not listed runs as it is."""

NUMERIC = frozenset({"adam", "sgd"})
"""Optimizers of numbers by their slope."""

COMBINED: dict[str, Callable[[], Any]] = {
    "alternate": lambda: Alternate(EditSearch(bank=BANK), "reflect"),
    "chain": lambda: chain(worst(3), freeze("cut"), "reflect"),
    "partition": lambda: partition(
        {"text": "reflect", "choice": EditSearch(), "number": "tpe", "demos": BootstrapFewShot()},
    ),
    "partition of critics": lambda: partition({"text": "textgrad", "choice": "optoprime", "number": "thresholds", "demos": "bootstrap"}),
}


def optimizer_of(name: str) -> Any:
    """A registered optimizer, or a combination of some."""
    if name in COMBINED:
        return COMBINED[name]()
    if name in NUMERIC:
        return registry.optimizers.get(name)(lr=0.2)
    return EditSearch(bank=BANK) if name == "edit" else make(name)


def program_for(optimizer: str) -> Module:
    """What an optimizer is tried on: one that follows slopes needs a program that has some."""
    return Weighed() if optimizer in NUMERIC else Mixed()


def trained(algorithm: str, optimizer: str, workers: int) -> tuple[Any, int]:
    """A result, and the calls that reached the model."""
    base = registry.algorithms.get(algorithm)
    small = type(base.__name__, (base,), SMALL.get(algorithm, {}))
    program, wire, proposing = program_for(optimizer), Fake(model), optimizer_of(optimizer)
    known = stack(wire, cache=False)
    found, judged = (weights, closeness) if optimizer in NUMERIC else (rows, metric)
    made = small(
        program, proposing, DataLoader(found("x", 12), 6, shuffle=True), judged, validate=found("v", 12), budget=f"{CALLS} calls",
        parameters=[p for p in program.parameters() if proposing.serves(p)],
        model=known, optimizer_model=known, workers=workers, journal=False, apply=False,
    )  # fmt: skip
    return made.train(), wire.calls


def check_pair(algorithm: str, optimizer: str) -> Any:
    """It ends inside its budget, its score is that of the values it returns, and one worker and eight come to the same bytes."""
    result, calls = trained(algorithm, optimizer, 8)
    assert result.spent["calls"] == calls <= CALLS
    assert result.history or calls < CALLS
    assert result.score == pytest.approx(score_of(result.best.values, optimizer))
    assert set(result.best.changed()) <= {id for id, p in result.parameters.items() if optimizer_of(optimizer).serves(p)}
    again, calls_again = trained(algorithm, optimizer, 1)
    assert again.sha256 == result.sha256
    assert again.history == result.history
    assert calls_again == calls
    assert to_json(again.parameters, again.best.values) == to_json(result.parameters, result.best.values)
    return result


def score_of(values: Any, optimizer: str) -> float:
    """What the program scores on the validation rows with these values, by itself."""
    program = program_for(optimizer)
    named = {p.id: p for p in program.parameters()}
    for id, value in values.items():
        named[id].data = value
    bound = program.bind(model=stack(Fake(model), cache=False))
    if optimizer in NUMERIC:
        return sum(closeness(bound.predict(**row.inputs), row.target) for row in weights("v", 12)) / 12
    return sum(bound.predict(question=f"qv{i}") == f"av{i}" for i in range(12)) / 12


def gains(algorithm: str, optimizer: str) -> bool:
    """Whether the pair has to find something better on this problem within its few calls."""
    return algorithm == "beam" or optimizer == "reflect" or optimizer in NUMERIC
