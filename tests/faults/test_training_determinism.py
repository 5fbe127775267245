"""R5: the same seed and backend give the same bytes at any number of workers; R11: a long run leaves nothing behind."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from paragrad.llm import stack
from paragrad.llm.layer import current_call
from paragrad.trace.nodes import Node
from tests.faults.trainee import Logged, optimizer, reply, short, trainer

SEARCHES = [("pareto", "asking"), ("beam", "critic"), ("ucb", "asking"), ("basic", "edit")]


class Asked(Logged):
    """Keeps what was asked at every coordinate."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.prompts: dict[str, Any] = {}

    def complete(self, requests: list[Any], /) -> list[Any]:
        call = current_call()
        assert call is not None
        self.prompts[str(call.at)] = [dict(message) for message in requests[0].messages]
        return super().complete(requests)


def outcome(workers: int, seed: int, algorithm: str = "minibatch", words: str = "edit", budget: str = "400 calls") -> tuple[str, Any, Any]:
    """Digest, decisions and prompts of one run with random latencies."""
    wire = Asked(seconds=0.004, seed=seed)
    made = trainer(
        stack(wire, cache=False), None, algorithm, optimizer=optimizer(words), workers=workers, journal=False, seed=3, budget=budget
    )
    result = made.train()
    return result.sha256, (result.history, dict(result.best.values), result.spent["calls"]), wire.prompts


@pytest.mark.parametrize("runs", [2, pytest.param(7, marks=pytest.mark.faults)])
def test_one_outcome_at_any_number_of_workers(runs: int) -> None:
    found = [outcome(workers, seed) for workers in (1, 4, 32) for seed in range(runs if workers > 1 else max(1, runs // 3))]
    assert all(one == found[0] for one in found)
    assert found[0][1][0], "something was decided"
    print(f"R5: distinct outcomes 1 of {len(found)} runs (sha256, decisions, values, every prompt by coordinate)")


@pytest.mark.parametrize("runs", [1, pytest.param(7, marks=pytest.mark.faults)])
@pytest.mark.parametrize(("algorithm", "words"), SEARCHES)
def test_rounds_that_overlap_come_to_one_outcome(algorithm: str, words: str, runs: int) -> None:
    workers = (1, 64) if runs == 1 else (1, 4, 64)
    found = [
        outcome(n, seed, algorithm, words, "450 calls" if words == "critic" else "220 calls")
        for n in workers
        for seed in range(runs if n > 1 else 1)
    ]
    assert all(one == found[0] for one in found)
    assert found[0][1][0], "something was decided"
    print(f"R5 ({algorithm}, {words}): distinct outcomes 1 of {len(found)} runs (sha256, decisions, values, every prompt by coordinate)")


@pytest.mark.parametrize("algorithm", ["minibatch", "pareto"])
def test_seeds_give_different_searches(algorithm: str) -> None:
    results = [
        trainer(stack(Logged(), cache=False), None, algorithm, journal=False, seed=seed, budget="250 calls").train() for seed in (1, 2)
    ]
    assert results[0].history != results[1].history


@pytest.mark.parametrize("algorithm", ["minibatch", "pareto"])
def test_a_warm_cache_changes_nothing_but_the_price(tmp_path: Path, algorithm: str) -> None:
    def once(cache: Any, workers: int = 8) -> tuple[Any, int]:
        wire = Logged()
        return trainer(stack(wire, cache=cache), None, algorithm, journal=False, workers=workers, budget="250 calls").train(), wire.count

    results, asked = zip(*(once(tmp_path / "c.sqlite", workers) for workers in (8, 2)), strict=True)
    assert results[0].sha256 == results[1].sha256
    assert results[0].history == results[1].history
    assert asked[0] > 0
    assert asked[1] == 0
    assert results[1].spent["calls"] == 0
    assert once(False)[0].sha256 == results[0].sha256


@pytest.mark.parametrize("algorithm", ["minibatch", "pareto"])
def test_a_journal_changes_nothing(tmp_path: Path, algorithm: str) -> None:
    results = [
        trainer(stack(Logged(), cache=False), None, algorithm, journal=on, home=tmp_path, budget="250 calls").train()
        for on in (False, True)
    ]
    assert results[0].to_json() == results[1].to_json()


def footprint() -> tuple[int, int, int]:
    """Live nodes, threads, open handles."""
    for _ in range(50):
        gc.collect()
        if not any(t.name.startswith(("paragrad-worker", "round-")) for t in threading.enumerate()):
            break
        time.sleep(0.02)
    nodes = sum(issubclass(type(x), Node) for x in gc.get_objects())
    return nodes, threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("algorithm", "words", "runs"),
    [
        ("minibatch", "edit", 8),
        ("pareto", "asking", 3),
        pytest.param("minibatch", "edit", 70, marks=pytest.mark.faults),
        pytest.param("pareto", "critic", 35, marks=pytest.mark.faults),
    ],
)
def test_a_long_run_leaves_nothing_behind(tmp_path: Path, algorithm: str, words: str, runs: int) -> None:
    def once() -> int:
        result = trainer(stack(Logged(script=reply), cache=False), None, algorithm, optimizer=optimizer(words), home=tmp_path).train()
        return int(result.spent["calls"])

    once()
    before = footprint()
    done = sum(once() for _ in range(runs))
    assert footprint() == before
    print(f"R11 ({algorithm}): {done} evaluations, nodes, threads and handles before and after {before}")


@pytest.mark.parametrize("calls", [450, pytest.param(12_000, marks=pytest.mark.faults)])
def test_a_search_holds_nothing_of_the_rounds_it_decided(calls: int) -> None:
    """Live nodes after each of many rounds, one round at a time: no more at the end than at the start."""
    seen: list[int] = []
    base = short("pareto")

    class Patient(base):  # type: ignore[misc, valid-type]
        depth, patience, rounds = 1, 10_000, 10_000

        def decide(self, *round_: Any) -> Any:
            state = super().decide(*round_)
            gc.collect()
            seen.append(sum(issubclass(type(x), Node) for x in gc.get_objects()))
            return state

        def finished(self, session: Any, state: Any) -> str:
            return ""

    made = trainer(stack(Logged(), cache=False), None, Patient, optimizer=optimizer("asking"), journal=False, budget=f"{calls} calls")
    result = made.train()
    assert len(seen) >= calls // 50
    assert max(seen[len(seen) // 2 :]) <= max(seen[: len(seen) // 2]) + 40, "a round has more than that"
    print(f"R11 (pareto): {result.spent['calls']} calls in {len(seen)} rounds, live nodes at most {max(seen)}, at the end {seen[-1]}")
