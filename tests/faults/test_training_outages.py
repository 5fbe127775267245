"""R3: an outage is not a score, and stops before proposals; what was answered is not asked again."""

from __future__ import annotations

from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

import pytest

from paragrad.errors import MetricError, NotConnected, Outage, ServerFailed
from paragrad.journal import Runs
from paragrad.llm import stack
from paragrad.llm.layer import current_call
from paragrad.optimizers import Transform
from paragrad.trainers.values import to_json
from tests.faults.test_training_disturbed import values_of
from tests.faults.trainee import Answers, Logged, optimizer, percent, reply, trainer


class Flaky(Logged):
    """Fails in passing, by a hash of (coordinate, attempt)."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.tries: dict[str, int] = {}

    def complete(self, requests: list[Any], /) -> list[Any]:
        call = current_call()
        assert call is not None
        attempt = self.tries[str(call.at)] = self.tries.get(str(call.at), 0) + 1
        answers = super().complete(requests)
        return [ServerFailed("503", status=503)] if percent(f"{call.at}|{attempt}") < self.rate else answers


@pytest.mark.parametrize(("algorithm", "words"), [("minibatch", "edit"), ("pareto", "asking"), ("beam", "critic")])
def test_transient_errors_change_nothing_but_the_price(algorithm: str, words: str) -> None:
    def once(wire: Any, **options: Any) -> Any:
        known = stack(wire, cache=False, backoff=0.0005, retries=8)
        return trainer(known, None, algorithm, optimizer=optimizer(words), journal=False, **options).train()

    calm, wire = once(Logged(), budget="1000 calls"), Flaky(15)
    found = once(wire, budget="1000 calls")
    assert found.sha256 == calm.sha256
    assert found.history == calm.history
    ratio = wire.count / calm.spent["calls"]
    assert 1.05 < ratio <= 1.2
    assert found.spent["calls"] == wire.count
    print(f"R3 ({algorithm}): at 15 % transient errors the same result with {ratio:.3f} times the calls")


class Counted(Transform):
    """Counts proposals."""

    def __init__(self, inner: Transform) -> None:
        super().__init__()
        self.inner, self.needs, self.proposals, self.gone, self.late = inner, inner.needs, 0, lambda: False, 0

    def init(self, parameters: Any) -> Any:
        """As inside."""
        return self.inner.init(parameters)

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        """Count, then as inside."""
        self.proposals += 1
        self.late += self.gone()
        return self.inner.propose(evidence, state, n=n, ask=ask)

    def observe(self, state: Any, candidate: Any, evaluation: Any) -> Any:
        """As inside."""
        return self.inner.observe(state, candidate, evaluation)


@pytest.mark.parametrize("after", [0, 5, 20, 60, 100, 130])
def test_an_outage_parks_the_run_and_it_goes_on_later(tmp_path: Path, after: int) -> None:
    calm = trainer(stack(Logged(), cache=False), home=tmp_path / "calm", optimizer=Counted(optimizer())).train()
    program = Answers()
    before = values_of(program)
    left = [after]
    lock = Lock()

    def dying(request: Any) -> str:
        with lock:
            left[0] -= 1
            if left[0] < 0:
                raise ServerFailed("503", status=503)
        return reply(request)

    counted = Counted(optimizer())
    wire = Logged(script=dying)
    made = trainer(stack(wire, cache=False, retries=1, backoff=0.0), program, run="r", home=tmp_path / "x", optimizer=counted)
    with pytest.raises(Outage, match="rows got no answer, so nothing was decided"):
        made.train()
    assert values_of(program) == before
    assert counted.proposals == 0 or after >= 16
    assert Runs(tmp_path / "x").latest().status == "parked"

    healthy = Logged()
    program = Answers()
    result = trainer(stack(healthy, cache=False), program, run="r", home=tmp_path / "x", optimizer=Counted(optimizer())).train()
    assert result.sha256 == calm.sha256
    assert healthy.count == calm.spent["calls"] - after
    assert values_of(program) == to_json(result.parameters, result.best.values)
    assert len(Runs(tmp_path / "x").all()) == 1


@pytest.mark.parametrize(
    ("algorithm", "words", "after"),
    [("pareto", "asking", 3), ("pareto", "asking", 40), ("pareto", "critic", 110), ("beam", "critic", 60), ("ucb", "asking", 70), ("basic", "edit", 50)],
)  # fmt: skip
def test_an_outage_parks_a_search_and_it_goes_on_later(tmp_path: Path, algorithm: str, words: str, after: int) -> None:
    """Rounds that overlap: whichever is hit first, what was answered is not asked again."""

    def run(wire: Any, home: Path, counted: Counted, program: Any) -> Any:
        model = stack(wire, cache=False, retries=1, backoff=0.0)
        return trainer(
            model, program, algorithm, run="r", home=home, optimizer=counted, budget="500 calls" if words == "critic" else "300 calls"
        ).train()

    calm = run(Logged(), tmp_path / "calm", Counted(optimizer(words)), Answers())
    left, lock, program = [after], Lock(), Answers()
    before = values_of(program)

    def dying(request: Any) -> str:
        with lock:
            left[0] -= 1
        if left[0] < 0:
            raise ServerFailed("503", status=503)
        return reply(request)

    counted = Counted(optimizer(words))
    counted.gone = lambda: left[0] < 0
    with pytest.raises(Outage):
        run(Logged(script=dying), tmp_path / "x", counted, program)
    assert values_of(program) == before
    assert counted.late == 0 or after >= 16
    assert counted.late <= 6, "at most the rounds that had all their answers already"
    assert Runs(tmp_path / "x").latest().status == "parked"
    healthy, program = Logged(), Answers()
    result = run(healthy, tmp_path / "x", Counted(optimizer(words)), program)
    assert result.sha256 == calm.sha256
    assert result.history == calm.history
    assert healthy.count == calm.spent["calls"] - after
    assert result.spent["calls"] == calm.spent["calls"]
    assert values_of(program) == to_json(result.parameters, result.best.values)


def test_connection_errors_of_the_program_are_outages(tmp_path: Path) -> None:
    class Remote(Answers):
        """Reads something over the network."""

        def forward(self, question: Any) -> Any:
            if percent(str(question)) < 10:
                raise ConnectionResetError("by peer")
            return super().forward(question)

    with pytest.raises(Outage, match="ConnectionResetError"):
        trainer(stack(Logged(), cache=False), Remote(), journal=False).train()


def test_a_metric_that_fails_names_the_row() -> None:
    def judged(output: Any, target: Any) -> Any:
        return {"av3": float("nan")}.get(target, True)

    with pytest.raises(MetricError, match=r"metric judged on row '4' returned the score nan"):
        trainer(stack(Logged(), cache=False), journal=False, guide=judged).train()


@pytest.mark.parametrize(("algorithm", "words"), [("minibatch", "edit"), ("pareto", "critic"), ("ucb", "asking")])
def test_random_faults_with_many_workers(tmp_path: Path, algorithm: str, words: str) -> None:
    """Several kinds of trouble at once, resumed until it ends: the calm result."""
    options = {"algorithm": algorithm, "optimizer": optimizer(words), "budget": "250 calls"}
    calm = trainer(stack(Logged(), cache=False), home=tmp_path / "calm", **options).train()
    chance = Random(5)
    for attempt in range(40):
        lock = Lock()

        def moody(request: Any, lock: Lock = lock) -> str:
            with lock:
                dice = chance.random()
            if dice < 0.02:
                raise NotConnected("gone")
            return reply(request)

        model = stack(Logged(script=moody), cache=False, retries=0)
        made = trainer(model, run="r", home=tmp_path / "x", workers=1 + attempt % 32, **options)
        try:
            result = made.train()
        except Outage:
            continue
        assert result.sha256 == calm.sha256
        return
    raise AssertionError("never ended")
