"""Flow: a task begins when it can; numbers, not time, say what comes first."""

from __future__ import annotations

import threading
import time
from functools import partial
from random import Random

import pytest

from paragrad.context import Coordinate, Scope, current_scope, scope
from paragrad.errors import BudgetExceeded
from paragrad.executors import Threads
from paragrad.executors.flow import Flow
from paragrad.executors.shared import flow


def test_a_task_waits_for_nothing_but_what_makes_it_possible():
    """Two chains of two: the first of one ends only once the second of the other runs."""
    met = threading.Event()
    calls = {0: lambda: met.wait(20), 1: lambda: True, 10: lambda: True, 11: lambda: met.set() or True}
    done = []

    def follow(number, result):
        done.append((number, result))
        return [(number + 1, calls[number + 1], None)] if number in (0, 10) else []

    flow([(number, calls[number], None) for number in (0, 10)], follow)
    assert sorted(done) == [(0, True), (1, True), (10, True), (11, True)]
    assert done.index((11, True)) < done.index((1, True))


def test_what_becomes_possible_is_decided_in_the_callers_thread_and_runs_in_its_own_scope():
    here, found = threading.get_ident(), {}

    def call(number):
        time.sleep(Random(number).random() * 0.003)
        found[number] = str(current_scope().coordinate())
        return number

    def follow(number, result):
        assert threading.get_ident() == here
        assert result == number
        return [task(2 * number + 1)] if number < 20 else []

    def task(number):
        return number, partial(call, number), root.part(number)

    with scope(Scope(Coordinate(step=2))) as root:
        flow([task(number) for number in range(10)], follow)
    assert found == {number: f"2/0/0/0/task/{number}.0" for number in found}
    assert set(found) >= set(range(10)) | {11, 13, 15, 17, 19, 39}


def test_the_first_error_by_number_is_raised_after_all_that_could_run():
    done = []

    def call(number):
        time.sleep(0.001 * (10 - number))
        if number in (2, 5):
            raise ValueError(f"task {number}")
        done.append(number)

    with pytest.raises(ValueError, match="task 2"):
        flow([(number, lambda number=number: call(number), None) for number in range(6)], lambda number, _: [])
    assert sorted(done) == [0, 1, 3, 4]
    with pytest.raises(ValueError, match="task 5"):
        flow([(5, lambda: call(5), None)], lambda number, _: [])


def test_what_stops_a_run_stops_it_at_once_and_closes_the_rest():
    release, late = threading.Event(), []

    def waits():
        release.wait(20)
        late.append(current_scope().closed)

    def stops():
        raise BudgetExceeded("spent")

    with scope(Scope(Coordinate())) as root, pytest.raises(BudgetExceeded):
        flow([(0, waits, root.part(0)), (1, stops, root.part(1))], lambda number, _: [])
    release.set()
    end = time.monotonic() + 20
    while not late and time.monotonic() < end:
        time.sleep(0.002)
    assert late == [True]


@pytest.mark.parametrize("workers", [1, 4])
def test_inside_an_item_it_uses_no_slot_and_leaves_nothing(workers):
    def item(number):
        results = []
        Flow(lambda at, result: results.append(result) or [], 2).run([(k, lambda k=k: number * k, None) for k in range(4)])
        return sum(results)

    before = threading.active_count()
    with Threads(workers) as pool:
        assert [outcome.get() for _, outcome in pool.map(item, range(20))] == [6 * number for number in range(20)]
    end = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.002)
    assert threading.active_count() <= before
