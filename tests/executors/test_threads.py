"""Laws of executors: order, contexts, coordinates, deadlines, stopping, and nothing left behind."""

import gc
import os
import threading
import time
import warnings
from contextvars import ContextVar
from random import Random

import pytest

from paragrad.context import Coordinate, Scope, current_scope, scope
from paragrad.errors import BudgetExceeded, Diverged, LostContext, UsageError
from paragrad.executors import Executor, Outcome, Threads

MARK: ContextVar[str] = ContextVar("mark", default="none")


@pytest.fixture
def pool():
    with Threads(8) as threads:
        yield threads


def settle(condition):
    """Wait (up to ten seconds) for threads that are on their way out."""
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    assert condition()


def test_it_is_an_executor(pool):
    assert isinstance(pool, Executor)
    with pytest.raises(UsageError, match="workers=0"):
        Threads(0)
    with pytest.raises(UsageError, match="lookahead=0"):
        pool.map(str, [], lookahead=0)


@pytest.mark.parametrize("workers", [1, 4, 64])
def test_outcomes_come_in_item_order(workers):
    random = Random(0)
    waits = [random.random() * 0.01 for _ in range(60)]
    with Threads(workers) as pool:
        found = list(pool.map(lambda i: time.sleep(waits[i]) or i * i, range(60)))
    assert [index for index, _ in found] == list(range(60))
    assert [outcome.get() for _, outcome in found] == [i * i for i in range(60)]


def test_at_most_so_many_run_at_once():
    running, most, lock = 0, 0, threading.Lock()

    def work(item):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1

    with Threads(5) as pool:
        list(pool.map(work, range(100)))
        assert most == 5
        assert pool.threads <= 5


def test_an_error_is_an_outcome_and_stops_no_other(pool):
    def work(item):
        if item % 3 == 0:
            raise ValueError(f"item {item}")
        return item

    found = [outcome for _, outcome in pool.map(work, range(30))]
    assert [outcome.ok for outcome in found] == [item % 3 != 0 for item in range(30)]
    assert str(found[3].error) == "item 3"
    with pytest.raises(ValueError, match="item 3"):
        found[3].get()


def test_every_item_has_its_own_context(pool):
    def work(item):
        before = MARK.get()
        MARK.set(f"item {item}")
        return before

    token = MARK.set("caller")
    found = pool.map(work, range(50))
    MARK.set("changed while it runs")
    assert {outcome.get() for _, outcome in found} == {"caller"}
    MARK.reset(token)


def coordinates(pool, lookahead):
    found = []

    def work(item):
        return str(current_scope().coordinate()), str(current_scope().coordinate())

    with scope(Scope(Coordinate(step=3))) as here:
        for _, outcome in pool.map(work, range(20), lookahead=lookahead):
            found.append((*outcome.get(), str(here.coordinate())))
    return found


def test_coordinates_do_not_depend_on_workers_or_lookahead():
    with Threads(1) as one, Threads(16) as many:
        expected = coordinates(one, 1)
        assert expected[2] == ("3/0/0/0/task/0.2.0", "3/0/0/0/task/0.2.1", "3/0/0/0/task/3")
        assert coordinates(many, 1) == coordinates(many, 30) == coordinates(one, 7) == expected


def test_given_scopes_are_entered(pool):
    scopes = [Scope(Coordinate(item=i)) for i in range(10)]
    found = pool.map(lambda _: current_scope(), "abcdefghij", scopes=lambda index, item: scopes[index])
    assert [outcome.get() for _, outcome in found] == scopes


def test_lookahead_is_bounded(pool):
    taken = []
    found = pool.map(lambda item: item, (taken.append(i) or i for i in range(100)), lookahead=6)
    for index, _ in found:
        assert len(taken) <= index + 7
        time.sleep(0.0005)
    assert len(taken) == 100


def test_an_item_past_its_deadline_is_abandoned():
    release, late = threading.Event(), []

    def work(item):
        if item == 2:
            release.wait(20)
            try:
                current_scope().coordinate()
            except LostContext as error:
                late.append(error)
        return item

    with Threads(2) as pool:
        found = dict(pool.map(work, range(8), deadline=0.1, scopes=lambda i, _: Scope(Coordinate(item=i))))
        assert [index for index, outcome in found.items() if outcome.ok] == [0, 1, 3, 4, 5, 6, 7]
        assert found[2].abandoned
        assert isinstance(found[2].error, TimeoutError)
        assert "item 2 took longer" in str(found[2].error)
        assert pool.abandoned == 1
        assert [outcome.get() for _, outcome in pool.map(work, [5, 6])] == [5, 6], "its slot is free"
        release.set()
        settle(lambda: pool.abandoned == 0)
        assert len(late) == 1, "its late effects are refused"


def test_children_of_an_abandoned_item_are_closed():
    release, late = threading.Event(), []

    def inner():
        release.wait(20)
        try:
            current_scope().coordinate()
        except LostContext as error:
            late.append(error)

    with Threads(4) as pool:
        ((_, outcome),) = pool.map(lambda _: pool.gather([inner, inner]), [0], deadline=0.1, scopes=lambda i, _: Scope(Coordinate()))
        assert outcome.abandoned
        release.set()
        settle(lambda: len(late) == 2)


@pytest.mark.parametrize("error", [BudgetExceeded("no money left"), Diverged("another"), KeyboardInterrupt()])
def test_what_stops_the_run_stops_at_once(error):
    started, release = [], threading.Event()

    def work(item):
        started.append(item)
        if item == 1:
            raise error
        release.wait(20)

    with Threads(2) as pool:
        with pytest.raises(type(error)):
            list(pool.map(work, range(100)))
        assert sorted(started) == [0, 1] or sorted(started) == [0, 1, 2]
        assert pool.gather([lambda: "free again"]) == ["free again"]
        release.set()
        settle(lambda: pool.abandoned == 0)


def test_leaving_a_loop_cancels_the_rest(pool):
    started, release = [], threading.Event()
    found = pool.map(lambda item: started.append(item) or (item and release.wait(20)), range(100))
    next(found)
    found.close()
    assert len(started) <= 9
    release.set()
    settle(lambda: pool.abandoned == 0)


def test_gather_keeps_order_and_raises_the_first_error(pool):
    assert pool.gather([lambda i=i: time.sleep(0.01 * (5 - i)) or i for i in range(5)]) == list(range(5))
    assert pool.gather([]) == []
    done = []

    def fails(number, wait):
        time.sleep(wait)
        raise ValueError(f"call {number}")

    with pytest.raises(ValueError, match="call 1"):
        pool.gather([lambda: done.append(0), lambda: fails(1, 0.03), lambda: fails(2, 0), lambda: done.append(3)])
    assert sorted(done) == [0, 3]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_nested_use_never_locks_up(workers):
    running, most, lock = 0, 0, threading.Lock()

    def leaf(x):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.0005)
        with lock:
            running -= 1
        return x

    with Threads(workers) as pool:

        def middle(x):
            return sum(pool.gather([lambda k=k: leaf(k * x) for k in range(3)]))

        def top(x):
            return sum(pool.gather([lambda k=k: middle(k + x) for k in range(3)]))

        assert [outcome.get() for _, outcome in pool.map(top, range(10))] == [9 * x + 9 for x in range(10)]
    assert most <= workers


def handles():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_nothing_leaks_over_ten_thousand_items():
    before = threading.active_count(), handles()
    with Threads(16) as pool:
        for _ in range(3):
            list(pool.map(lambda i: i, range(100)))
        gc.collect()
        objects = len(gc.get_objects())
        for _ in range(10):
            assert sum(outcome.value for _, outcome in pool.map(lambda i: 1 if i % 7 else int("x"), range(1000)) if outcome.ok) == 857
        gc.collect()
        assert len(gc.get_objects()) - objects < 200
        assert pool.threads <= 16
    settle(lambda: threading.active_count() <= before[0] and handles() <= before[1])


def test_idle_threads_end_by_themselves(monkeypatch):
    monkeypatch.setattr("paragrad.executors.slots.IDLE_SECONDS", 0.02)
    pool = Threads(4)
    for _ in range(30):
        assert pool.gather([lambda i=i: i for i in range(6)]) == list(range(6))
        time.sleep(0.01)
    settle(lambda: pool.threads == 0)
    assert pool.gather([lambda: 1]) == [1]


def test_closing_leaves_no_thread():
    pools = [Threads(8) for _ in range(50)]
    for pool in pools:
        pool.gather([lambda: time.sleep(0.001)] * 8)
        pool.close()
    settle(lambda: not any(pool.threads for pool in pools))


def test_an_outcome_holds_no_frame_of_the_executor(pool):
    ((_, outcome),) = pool.map(int, ["x"])
    assert isinstance(outcome, Outcome)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = []
        trace = outcome.error.__traceback__
        while trace is not None:
            frames.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
    assert "run" not in frames
