"""Every store passes the kit, and the kit finds stores that break the law."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from paragrad import stores
from paragrad.stores.ids import parameter_key, version_key
from paragrad.stores.memory import MemoryStore
from paragrad.stores.sqlite import SQLiteStore
from paragrad.testing.store_kit import CHECKS
from paragrad.testing.stores import check_store


class DictStore(stores.KeyValueStore):
    """A plug-in as third parties write them: three primitives, no super().__init__()."""

    def __init__(self, url: str, place: dict[str, tuple[bytes, int]] | None = None) -> None:
        self.place = {} if place is None else place
        self.guard = threading.Lock()

    def read(self, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        return {key: self.place[key] for key in keys if key in self.place}

    def write(self, values: Mapping[str, bytes], expect: Mapping[str, int]) -> None:
        assert set(values) == set(expect)
        with self.guard:
            if any((self.place[key][1] if key in self.place else 0) != token for key, token in expect.items()):
                raise stores.Conflict(sorted(values))
            for key, value in values.items():
                self.place[key] = (value, expect[key] + 1)

    def keys(self, prefix: str) -> list[str]:
        return [key for key in list(self.place) if key.startswith(prefix)]


def flip(store: DictStore, id: str) -> None:
    """Flip one bit of the newest version."""
    newest = store._pointers([id])[id].count - 1
    value, token = store.place[version_key(id, newest)]
    store.place[version_key(id, newest)] = (value[:-3] + bytes([value[-3] ^ 4]) + value[-2:], token)


def flip_row(store: SQLiteStore, id: str) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE versions SET data = ? WHERE id = ?", (b"y" * 100, id))
    connection.close()


def test_kit_is_large_enough() -> None:
    assert len(CHECKS) >= 40


def test_memory() -> None:
    check_store(MemoryStore)


def test_memory_reproducible_and_striped() -> None:
    check_store(lambda: MemoryStore(reproducible=True, stripes=4))


def test_dict_with_three_primitives() -> None:
    place: dict[str, tuple[bytes, int]] = {}
    check_store(lambda: DictStore("dict://here", place), corrupt=flip)


def test_dict_reproducible() -> None:
    class Exact(DictStore):
        reproducible = True

    check_store(lambda: Exact("dict://here"))


def test_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    check_store(lambda: stores.open(url), corrupt=flip_row)


def test_sqlite_reproducible(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    check_store(lambda: stores.open(url, reproducible=True))


class LosesPushes(MemoryStore):
    def increment_gradient(self, id: Any, delta: Any, scale: float = 1.0, *, token: str | None = None) -> None:
        if scale == 1.0:
            super().increment_gradient(id, delta, scale, token=token)


class Overwrites(MemoryStore):
    def set_parameter_value(self, id: Any, value: Any, expect: int | None = None, *, note: str | None = None) -> int:
        return super().set_parameter_value(id, value)


@pytest.mark.parametrize(
    ("store", "law"),
    [(LosesPushes, "gradient_adds"), (Overwrites, "expect_lost")],
)
def test_kit_finds_broken_stores(store: type, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_store(store)


def test_pointer_to_missing_version_is_corrupted() -> None:
    store = DictStore("dict://here")
    store.init_parameter("a", "x")
    del store.place[version_key("a", 0)]
    with pytest.raises(stores.Corrupted, match="missing"):
        store.get_parameter_value("a")


def test_lost_parameter_is_corrupted() -> None:
    store = DictStore("dict://here")
    store.init_parameter("a", "x")
    del store.place[parameter_key("a")]
    with pytest.raises(stores.Corrupted, match="lost"):
        store.ids()
