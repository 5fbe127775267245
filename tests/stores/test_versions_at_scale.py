"""Reading an old version costs O(log n) primitives in every store; they are counted, not timed."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.p14_versions import files, memory, sqlite
from paragrad import stores
from paragrad.stores.sqlite_pool import Pool

FEW, MANY = 100, 1600


@pytest.fixture
def without_synchronisation(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Pool.begin
    monkeypatch.setattr(Pool, "begin", lambda self, durable: begin(self, False))
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)


def worst(store: Any, counting: Any, count: int) -> int:
    """The most primitives that one read needs."""
    source, found = random.Random(0), []
    with counting(store) as counted:
        for _ in range(60):
            at, before = source.randrange(1, count + 1), counted()
            assert store.get_entry("p", at=at).value == float(at)
            found.append(counted() - before)
    return max(found)


@pytest.mark.usefixtures("without_synchronisation")
@pytest.mark.parametrize(("url", "counting", "more"), [("memory:", memory, 5), ("sqlite:///{}/x.db", sqlite, 4), ("file://{}/x", files, 8)])
def test_sixteen_times_the_versions_cost_a_few_primitives_more(tmp_path: Path, url: str, counting: Any, more: int) -> None:
    store = stores.open(url.format(tmp_path))
    store.init_parameter("p", 1.0)
    costs = {}
    for version in range(2, MANY + 1):
        store.set_parameter_value("p", float(version))
        if version in (FEW, MANY):
            costs[version] = worst(store, counting, version)
    assert 0 < costs[MANY] <= costs[FEW] + more
    assert costs[MANY] <= 24
