"""Section T: trainers as meta-algorithms (T12, T13). Models are simulated."""

from __future__ import annotations

import pytest

import paragrad as pg
from paragrad import registry
from paragrad.trainers import AlgorithmBase
from tests.trainers.matrix import CALLS, SMALL, check_pair, gains, trained


@pytest.mark.parametrize("name", ["MinibatchAlgorithm", "BasicSearch", "BeamSearch", "UCBSearch", "ParetoSearch"])
def test_T12_the_algorithms_of_the_documents_are_there(name: str) -> None:
    made = getattr(pg.trainers, name)
    assert issubclass(made, AlgorithmBase)
    name = next(known for known in registry.algorithms.names() if registry.algorithms.get(known) is made)
    result, calls = trained(name, "edit", 4)
    assert calls <= CALLS
    assert result.history


@pytest.mark.parametrize("optimizer", registry.optimizers.names())
@pytest.mark.parametrize("algorithm", registry.algorithms.names())
def test_T13_every_algorithm_works_with_every_optimizer(algorithm: str, optimizer: str) -> None:
    result = check_pair(algorithm, optimizer)
    if gains(algorithm, optimizer):
        assert result.score > result.baseline


def test_T13_the_matrix_is_full() -> None:
    assert set(SMALL) <= set(registry.algorithms.names())
    assert {"basic", "beam", "minibatch", "pareto", "ucb"} <= set(registry.algorithms.names())
    known = {"adam", "bootstrap", "edit", "evolution", "opro", "optoprime", "playbook", "reflect", "sgd", "textgrad", "thresholds", "tpe"}
    assert known <= set(registry.optimizers.names())
