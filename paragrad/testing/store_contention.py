"""Laws of stores: many writers at once, in threads and in processes, and answers that never arrive."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy

from paragrad.errors import Conflict
from paragrad.testing.store_kit import Kit, Unheard, law, refused, same, together

_WORKER = """
import sys
from paragrad import stores
store, number, values, pushes = stores.open(sys.argv[1]), *sys.argv[2:5]
for n in range(int(pushes)):
    store.increment_gradient(number, 1.0)
    store.increment_gradient(values, [1.0, 0.5], token=f"{sys.argv[5]} {n}")
    while True:
        entry = store.get_entry(number)
        try:
            store.set_parameter_value(number, entry.value + 1, expect=entry.version)
            break
        except stores.Conflict:
            pass
"""

_MORTAL = """
import os, sys
from paragrad import stores
store = stores.open(sys.argv[1])
lease = store.take_gradients([sys.argv[2]])
print(lease.gradients[sys.argv[2]], flush=True)
os._exit(1)
"""


@law
def steps_under_live_pushes(kit: Kit) -> None:
    """While threads push arrays and others apply or give back leases, applied + pending = pushed, and so are the counts."""
    w = kit.array()
    kit.store.set_parameter_value(w, [0.0, 0.0])
    applied = []

    def work(number: int) -> None:
        source = random.Random(number)
        for n in range(8):
            if number:
                kit.store.increment_gradient(w, [1.0, 2.0], 0.5, token=f"{number} {n}" if n % 2 else None)
                continue
            lease = kit.store.take_gradients([w])
            if source.random() < 0.3:
                lease.release()
                continue
            kit.store.publish({w: kit.store.get_parameter_value(w) + lease.gradients[w]}, consume=lease)
            applied.append(lease.counts[w])

    together(4, work)
    same(kit.store.get_parameter_value(w) + kit.store.get_gradient(w), [12.0, 24.0])
    same(sum(applied) + kit.store.get_gradient_count(w), 24)


@law
def two_optimizers_apply_once(kit: Kit) -> None:
    """Two that step at the same time share what was pushed; none of it is applied twice."""
    n = kit.number(value=0.0)
    for _ in range(6):
        kit.store.increment_gradient(n, 1.0)

    def step(_: int) -> None:
        while True:
            lease = kit.store.take_gradients([n])
            entry = kit.store.get_entry(n)
            try:
                kit.store.publish({n: entry.value + lease.gradients[n]}, expect={n: entry.version}, consume=lease)
            except Conflict:
                lease.release()
                continue
            return

    together(3, step)
    same((kit.store.get_parameter_value(n) + kit.store.get_gradient(n)), 6.0)


@law
def lost_race_of_many_ids(kit: Kit) -> None:
    """Threads that publish two ids with ``expect``: every version is one thread's, and the losers wrote nothing."""
    a, b = kit.number("a", 0.0), kit.number("b", 0.0)
    won: list[float] = []

    def race(number: int) -> None:
        for n in range(4):
            versions = {id: kit.store.get_entry(id).version for id in (a, b)}
            mine = float(10 * number + n)
            try:
                kit.store.publish({a: mine, b: -mine}, expect=versions)
            except Conflict:
                continue
            won.append(mine)

    together(4, race)
    same(sorted(entry.value for entry in kit.store.history(a)[1:]), sorted(won))
    same([entry.value for entry in kit.store.history(b)], [-entry.value for entry in kit.store.history(a)])


@law
def inits_race_with_pushes(kit: Kit) -> None:
    """A second init with another shape while pushes run: each push fits what is there, or is refused."""
    w = kit.array()

    def work(number: int) -> None:
        for n in range(6):
            if number == 0:
                kit.store.init_parameter(w, numpy.zeros(2 + n % 2))
                continue
            try:
                kit.store.increment_gradient(w, numpy.ones(2))
            except ValueError:
                continue

    together(3, work)
    same(kit.store.get_gradient(w).shape, kit.store.get_parameter_value(w).shape)


@law
def lost_answer_of_a_push(kit: Kit) -> None:
    """A push whose answer was lost is repeated with its token and counts once."""
    w = kit.array()
    with refused(ConnectionError):
        Unheard(kit.store).increment_gradient(w, [1.0, 2.0], token="push 1")
    kit.store.increment_gradient(w, [1.0, 2.0], token="push 1")
    same((kit.store.get_gradient(w).tolist(), kit.store.get_gradient_count(w)), ([1.0, 2.0], 1))


@law
def lost_answer_of_a_commit(kit: Kit) -> None:
    """A commit whose answer was lost is repeated with its ``expect`` or its lease: a Conflict, and it happened once."""
    n = kit.number(value=0.0)
    kit.store.increment_gradient(n, 2.0)
    lease, version = kit.store.take_gradients([n]), kit.store.get_entry(n).version
    with refused(ConnectionError):
        Unheard(kit.store).publish({n: 2.0}, expect={n: version}, consume=lease)
    with refused(Conflict):
        kit.store.publish({n: 2.0}, consume=lease)
    with refused(Conflict):
        kit.store.set_parameter_value(n, 2.0, expect=version)
    same((kit.store.get_parameter_value(n), kit.store.get_gradient(n), len(kit.store.history(n))), (2.0, 0.0, 2))


@law
def processes_lose_nothing(kit: Kit) -> None:
    """Two other processes push, count and compare-and-set beside this one."""
    if kit.url is None:
        return
    n, w = kit.number(value=0.0), kit.array()
    command = [sys.executable, "-c", _WORKER, kit.url, n, w, "8"]
    workers = [subprocess.Popen([*command, f"p{number}"]) for number in range(2)]
    for _ in range(8):
        kit.store.increment_gradient(n, 1.0)
    same([worker.wait(60) for worker in workers], [0, 0])
    same((kit.store.get_parameter_value(n), kit.store.get_gradient(n), kit.store.get_gradient_count(w)), (16.0, 24.0, 16))
    same(kit.store.get_gradient(w), [16.0, 8.0])


@law
def dead_process_returns_its_lease(kit: Kit) -> None:
    """A process that dies with a lease gives its gradients back; nobody else's token counts again."""
    if kit.url is None:
        return
    n = kit.number()
    kit.store.increment_gradient(n, 3.0, token="once")
    died = subprocess.run([sys.executable, "-c", _MORTAL, kit.url, n], capture_output=True, text=True, timeout=60, check=False)
    same((died.returncode, died.stdout.strip()), (1, "3.0"))
    kit.store.increment_gradient(n, 3.0, token="once")
    same(kit.store.get_gradient(n), 3.0)
