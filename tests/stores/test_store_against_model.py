"""Random sequences of calls: every store behaves like a list of (commit, values) snapshots."""

from __future__ import annotations

import shutil
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from paragrad import stores
from paragrad.stores.memory import MemoryStore

IDS = st.sampled_from(["a", "b", "c/d"])
NUMBERS = st.floats(-1e6, 1e6).map(lambda x: x + 0.0)


class AgainstModel(RuleBasedStateMachine):
    """The model: per id its versions, a pending gradient, and releases as plain dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.store = self.make()
        self.tokens = count()
        self.versions: dict[str, list[tuple[int, float]]] = {}
        self.pending: dict[str, list[float]] = {}
        self.releases: list[dict[str, int]] = []
        self.tag: int | None = None
        self.lease: tuple[Any, dict[str, list[float]]] | None = None

    def make(self) -> Any:
        return MemoryStore(reproducible=True)

    @rule(id=IDS, value=NUMBERS)
    def init(self, id: str, value: float) -> None:
        version = self.store.init_parameter(id, value)
        self.versions.setdefault(id, []).append((version, value))
        self.pending[id] = []

    @rule(id=IDS, value=NUMBERS, stale=st.booleans())
    def set(self, id: str, value: float, stale: bool) -> None:
        if id not in self.versions:
            with pytest.raises(KeyError):
                self.store.set_parameter_value(id, value)
            return
        newest = self.versions[id][-1][0]
        if stale:
            with pytest.raises(stores.Conflict):
                self.store.set_parameter_value(id, value, expect=newest - 1)
            return
        self.versions[id].append((self.store.set_parameter_value(id, value, expect=newest), value))

    @rule(values=st.dictionaries(IDS, NUMBERS, min_size=1))
    def publish(self, values: dict[str, float]) -> None:
        if not values.keys() <= self.versions.keys():
            with pytest.raises(KeyError):
                self.store.publish(values)
            return
        commit = self.store.publish(values)
        for id, value in values.items():
            self.versions[id].append((commit, value))

    @rule(id=IDS, back=st.integers(0, 3))
    def rollback(self, id: str, back: int) -> None:
        if id in self.versions:
            version, value = self.versions[id][max(-1 - back, -len(self.versions[id]))]
            self.versions[id].append((self.store.rollback(id, version), value))

    @rule(id=IDS, delta=NUMBERS, token=st.none() | st.just("once"))
    def push(self, id: str, delta: float, token: str | None) -> None:
        if id in self.versions:
            name = None if token is None else f"{token} {next(self.tokens)}"
            self.store.increment_gradient(id, delta, token=name)
            if name is not None:
                self.store.increment_gradient(id, delta, token=name)
            self.pending[id].append(delta)

    @rule()
    def take(self) -> None:
        if self.lease is None:
            lease = self.store.take_gradients(list(self.versions))
            self.lease = lease, {id: self.pending[id] for id in self.versions}
            self.pending = {id: [] for id in self.versions}

    @rule(consume=st.booleans())
    def end_lease(self, consume: bool) -> None:
        if self.lease is None:
            return
        lease, taken = self.lease
        self.lease = None
        for id, deltas in taken.items():
            assert lease.counts[id] == len(deltas)
        if consume:
            self.store.publish({}, consume=lease)
            return
        lease.release()
        for id, deltas in taken.items():
            self.pending[id] = deltas + self.pending[id]

    @rule()
    def release(self) -> None:
        if self.versions:
            number = len(self.releases) + 1
            assert self.store.release("all") == f"all@{number}"
            self.releases.append({id: versions[-1][0] for id, versions in self.versions.items()})

    @rule()
    def move_tag(self) -> None:
        if self.releases:
            self.store.tag("all", "live", expect=f"all@{self.tag}" if self.tag else "")
            self.tag = len(self.releases)

    @invariant()
    def same_values(self) -> None:
        assert list(self.store.ids()) == sorted(self.versions)
        for id, versions in self.versions.items():
            assert [(entry.version, entry.value) for entry in self.store.history(id)] == versions
            for version, value in versions:
                assert self.store.get_entry(id, at=version).value == value
            assert self.store.get_parameter_value(id) == versions[-1][1]

    @invariant()
    def same_gradients(self) -> None:
        for id, deltas in self.pending.items():
            assert abs(self.store.get_gradient(id) - sum(deltas)) <= 1e-6
            assert self.store.get_gradient_count(id) == len(deltas)

    @invariant()
    def same_releases(self) -> None:
        assert [dict(release.versions) for release in self.store.releases("all")] == self.releases
        if self.tag:
            assert self.store.resolve_release("all@live").number == self.tag


class SQLiteAgainstModel(AgainstModel):
    """The same on a file, through two handles in turn."""

    scheme = "sqlite:///{}/x.db"

    def make(self) -> Any:
        self.folder = Path(tempfile.mkdtemp())
        return stores.open(self.scheme.format(self.folder), reproducible=True)

    @rule()
    def reopen(self) -> None:
        if self.lease is None:
            self.store.close()
            self.store = stores.open(self.scheme.format(self.folder), reproducible=True)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


class FileAgainstModel(SQLiteAgainstModel):
    """The same in a directory."""

    scheme = "file://{}/x"


TestMemoryAgainstModel = AgainstModel.TestCase
TestMemoryAgainstModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSQLiteAgainstModel = SQLiteAgainstModel.TestCase
TestSQLiteAgainstModel.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestFileAgainstModel = FileAgainstModel.TestCase
TestFileAgainstModel.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
