"""Every trainer against the kit; and the kit against broken trainers."""

from __future__ import annotations

from typing import Any

import pytest

from paragrad import registry
from paragrad.testing import check_trainer
from paragrad.trainers import MinibatchAlgorithm


@pytest.mark.parametrize("name", registry.algorithms.names())
def test_conformance(name: str) -> None:
    check_trainer(registry.algorithms.get(name))


class Meddling(MinibatchAlgorithm):
    def step(self, session: Any, state: Any) -> Any:
        from contextvars import Context

        Context().run(self.program.style.write, "short")
        return super().step(session, state)


class Boasting(MinibatchAlgorithm):
    def train(self) -> Any:
        result = super().train()
        result.score += 0.1
        return result


class Clocked(MinibatchAlgorithm):
    def step(self, session: Any, state: Any) -> Any:
        after = super().step(session, state)
        after.history = [*after.history, {"workers": self.workers, "origin": "", "decision": ""}]
        return after


@pytest.mark.parametrize(
    ("broken", "law"),
    [(Meddling, "not changed before the end"), (Boasting, "reported score"), (Clocked, "one worker and four")],
)
def test_the_kit_finds_what_is_wrong(broken: Any, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_trainer(broken, optimizers=[])
