"""One works for all who wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from paragrad.errors import StoreError, UsageError
from paragrad.stores import turns
from paragrad.stores.forks import PerProcess
from paragrad.stores.turns import Turn, Waiter
from tests.faults.interrupts import interrupted_at


def started(count: int, run: Callable[[], Any]) -> list[threading.Thread]:
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def waiting(turn: Turn, count: int) -> None:
    while len(turn) < count:
        threading.Event().wait(0.001)


def test_all_who_wait_are_one_piece_of_work() -> None:
    turn, groups = Turn(), list[int]()
    turn.take()
    threads = started(16, lambda: turn.join(Waiter(), lambda group: groups.append(len(group))))
    waiting(turn, 16)
    turn.leave()
    for thread in threads:
        thread.join(10)
    assert groups == [16]
    assert not any(thread.is_alive() for thread in threads)


def test_many_threads_are_each_done_once() -> None:
    turn, done, waiters = Turn(), list[Waiter](), list[Waiter]()

    def several() -> None:
        for _ in range(300):
            waiter = Waiter()
            waiters.append(waiter)
            turn.join(waiter, done.extend)
            assert waiter.done

    threads = started(8, several)
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert len(done) == len(waiters) == 2400
    assert set(map(id, done)) == set(map(id, waiters))


def test_those_who_are_done_do_not_wait_for_the_next_work() -> None:
    turn, one, second, release = Turn(), threading.Event(), threading.Event(), threading.Event()
    turn.take()
    first = started(3, lambda: turn.join(Waiter(), lambda group: one.set()))
    waiting(turn, 3)
    turn.leave()
    assert one.wait(10)

    def slow(group: list[Any]) -> None:
        second.set()
        release.wait(10)

    late = started(1, lambda: turn.join(Waiter(), slow))
    assert second.wait(10)
    for thread in first:
        thread.join(10)
    assert not any(thread.is_alive() for thread in first)
    release.set()
    late[0].join(10)


def test_work_that_fails_fails_for_each_who_waited() -> None:
    turn, seen = Turn(), list[str]()

    def refuse(group: list[Any]) -> None:
        raise OSError("the disk is gone")

    def run() -> None:
        try:
            turn.join(Waiter(), refuse)
        except OSError as error:
            seen.append(str(error))

    turn.take()
    threads = started(4, run)
    waiting(turn, 4)
    turn.leave()
    for thread in threads:
        thread.join(10)
    assert seen == ["the disk is gone"] * 4


def test_an_interrupt_takes_neither_the_turn_nor_the_others_along() -> None:
    turn, seen = Turn(), list[BaseException]()

    def interrupted(group: list[Any]) -> None:
        raise KeyboardInterrupt

    def run() -> None:
        try:
            turn.join(Waiter(), interrupted)
        except BaseException as error:  # noqa: BLE001 - an interrupt is what this is about
            seen.append(error)

    turn.take()
    threads = started(3, run)
    waiting(turn, 3)
    turn.leave()
    for thread in threads:
        thread.join(10)
    assert sorted(type(error).__name__ for error in seen) == ["KeyboardInterrupt", "StoreError", "StoreError"]
    assert all("interrupted" in str(error) for error in seen if isinstance(error, StoreError))
    turn.join(Waiter(), lambda group: None)
    with pytest.raises(ValueError, match="x"):
        turn.join(Waiter(), lambda group: (_ for _ in ()).throw(ValueError("x")))


@pytest.mark.parametrize("leading", [True, False])
def test_an_interrupt_at_any_instruction_leaves_nobody_waiting(leading: bool) -> None:
    step, reached = 0, True
    while reached:
        step += 1
        turn, done = Turn(), list[Waiter]()
        turn._leader[""] = -1  # some thread has the turn
        others = started(2, lambda turn=turn, done=done: suppressed(turn, done.extend))
        waiting(turn, 2)
        late = threading.Timer(0.002, turn.leave)
        if leading:
            turn._leader.clear()  # they sleep: the next to come does all
        else:
            late.start()
        with interrupted_at(step, turns.__file__, anywhere=True) as seen, suppress(KeyboardInterrupt):
            turn.join(Waiter(), done.extend)
        reached = seen[0] >= step
        if not leading:
            late.join()
        if not done:  # interrupted before it had the turn
            turn._hand_over()
        for thread in others:
            thread.join(10)
        assert not any(thread.is_alive() for thread in others), step
        turn.join(Waiter(), done.extend)
        assert len(set(map(id, done))) == len(done), step
    assert step > 50


def suppressed(turn: Turn, work: Callable[[list[Any]], None]) -> None:
    with suppress(StoreError):  # that the commit was interrupted
        turn.join(Waiter(), work)


def test_a_write_in_the_middle_of_a_write_is_refused_and_does_not_wait_for_itself() -> None:
    turn, done = Turn(), list[Waiter]()

    def again(group: list[Any]) -> None:
        with pytest.raises(UsageError, match="in the middle of a write"):
            turn.join(Waiter(), done.extend)
        done.extend(group)

    turn.join(Waiter(), again)
    assert len(done) == 1
    turn.join(Waiter(), done.extend)


def test_threads_of_a_child_make_anew_what_is_the_parents_once() -> None:
    process, made = PerProcess(), list[str]()
    process.renew(lambda: made.append("in the same process"))
    assert made == []
    process._pid = -1  # as in a child

    def slowly() -> None:
        threading.Event().wait(0.01)
        made.append("x")

    seen: list[int] = []
    threads = started(8, lambda: (process.renew(slowly), seen.append(len(made))))
    for thread in threads:
        thread.join(10)
    assert (made, seen) == (["x"], [1] * 8)
