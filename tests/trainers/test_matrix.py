"""Algorithms with combined optimizers, and the matrix' own laws against what breaks them. (T13 runs every registered pair.)"""

from __future__ import annotations

from typing import Any

import pytest

from paragrad import registry
from paragrad.optimizers import Transform
from tests.trainers import matrix
from tests.trainers.matrix import COMBINED, check_pair, gains


@pytest.mark.parametrize("optimizer", COMBINED)
@pytest.mark.parametrize("algorithm", registry.algorithms.names())
def test_combined_optimizers(algorithm: str, optimizer: str) -> None:
    result = check_pair(algorithm, optimizer)
    if gains(algorithm, optimizer):
        assert result.score > result.baseline


class Moody(Transform):
    """Proposes something else every time it is asked, whatever the seed."""

    kinds = frozenset({"text"})
    count = 0

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        Moody.count += 1
        id = next(id for id, p in evidence.parameters.items() if p.trainable)
        return [evidence.candidate({id: f"{'Think first.' * (Moody.count % 2)} Attempt {Moody.count}."})], state


class Idle(Transform):
    """Never proposes."""

    kinds = frozenset({"text"})

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        return [], state


@pytest.mark.parametrize("algorithm", ["minibatch", "pareto", "beam"])
def test_the_law_of_determinism_can_fail(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMBINED, "moody", Moody)
    with pytest.raises(AssertionError):
        check_pair(algorithm, "moody")


@pytest.mark.parametrize("algorithm", registry.algorithms.names())
def test_an_optimizer_without_ideas_ends_the_search_soon(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMBINED, "idle", Idle)
    result = check_pair(algorithm, "idle")
    assert result.score == result.baseline
    assert result.best.changed() == []
    assert result.spent["calls"] <= 60, "what has nothing to try is not tried for long"


def test_a_budget_that_is_passed_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "CALLS", 5)
    with pytest.raises(Exception, match="does not reach one round"):
        check_pair("pareto", "edit")
