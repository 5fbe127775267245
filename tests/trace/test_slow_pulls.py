"""Slow pulls: each critic is asked as soon as its record's consumers have been pulled, and time decides nothing."""

from __future__ import annotations

import threading
import time
from random import Random

import pytest

from paragrad.context import Coordinate, Scope, current_scope, scope
from paragrad.propagators import Text
from paragrad.trace import Parameter, backward, bundle


@bundle(effects=())
def first(text: str) -> str:
    """An operation of the user's."""
    return text


@bundle(effects=())
def second(text: str, other: str) -> str:
    """One with two arguments."""
    return f"{text} {other}"


def chains(n: int) -> tuple[list[Parameter], list]:
    """Outputs of two operations each, over one shared and one own Parameter."""
    shared = Parameter("shared", name="shared")
    own = [Parameter(f"own {i}", name=f"own{i}") for i in range(n)]
    return [shared, *own], [second(first(p), shared) for p in own]


def test_no_chain_waits_for_another():
    """The outer operation of chain 0 is answered only after the inner one of chain 1 was asked."""
    parameters, outputs = chains(2)
    met = threading.Event()

    def critic(record, feedback):
        if record.op.name == "second" and "0" in feedback:
            assert met.wait(20)
        if record.op.name == "first" and "1" in feedback:
            met.set()
        return [feedback] * len(record.wanted)

    backward(outputs, ["wrong 0", "wrong 1"], propagators=[Text(critic)])
    assert [len(p.grad) for p in parameters] == [2, 1, 1]


def swept(seed: int) -> tuple[list, dict]:
    """What arrives, and where each critic call happened, with latencies of its own."""
    parameters, outputs = chains(12)
    random, where = Random(seed), {}
    waits = [random.random() * 0.004 for _ in range(24)]

    def critic(record, feedback):
        at = current_scope().coordinate()
        where[record.op.name, feedback] = str(at)
        time.sleep(waits[len(where) % 24])
        return [f"{record.op.name} {i}: {feedback}" for i in range(len(record.wanted))]

    with scope(Scope(Coordinate(step=1))):
        backward(outputs, [f"wrong {i}" for i in range(12)], propagators=[Text(critic)])
    return [[(c.item, c.value, c.operation, c.argument) for c in p._cell.acc.texts] for p in parameters], where


def test_contributions_and_coordinates_do_not_depend_on_time():
    arrived, where = swept(0)
    assert len(where) == 24 == len(set(where.values()))
    assert sorted(words for _, words, *_ in arrived[0]) == sorted(f"second 1: wrong {i}" for i in range(12))
    for seed in range(1, 5):
        assert swept(seed) == (arrived, where)


def test_a_failing_critic_delivers_nothing():
    parameters, outputs = chains(3)

    def critic(record, feedback):
        if record.op.name == "first" and "1" in feedback:
            raise ConnectionError("down")
        return [feedback] * len(record.wanted)

    with pytest.raises(ConnectionError, match="down"):
        backward(outputs, ["wrong 0", "wrong 1", "wrong 2"], propagators=[Text(critic)])
    assert [len(p.grad or []) for p in parameters] == [0, 0, 0, 0]
