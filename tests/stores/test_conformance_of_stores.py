"""Every store passes the kit, and the kit finds stores that break the law."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
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
    assert len(CHECKS) >= 75


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
    check_store(lambda: stores.open(url), corrupt=flip_row, url=url)


def test_sqlite_reproducible(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    check_store(lambda: stores.open(url, reproducible=True))


def flip_file(store: Any, id: str) -> None:
    """Flip one bit of the newest version, in its file."""
    ref = store._state.parameters[id].roots[0][1]
    path = store._files.root / ref.place
    content = bytearray(path.read_bytes())
    content[ref.offset + ref.size + 50] ^= 1
    path.write_bytes(content)


def test_file(tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'x'}"
    check_store(lambda: stores.open(url), corrupt=flip_file, url=url)


def test_file_reproducible(tmp_path: Path) -> None:
    check_store(lambda: stores.open(f"file://{tmp_path / 'x'}", reproducible=True))


def test_file_system_of_fsspec(tmp_path: Path) -> None:
    check_store(lambda: stores.open(f"fsspec+memory://{tmp_path.name}/x"))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("options", [{}, {"reproducible": True}, {"keep": 1}], ids=str)
def test_device(device: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    check_store(lambda: stores.open(f"device:{device}", **options))


class LosesPushes(MemoryStore):
    def increment_gradient(self, id: Any, delta: Any, scale: float = 1.0, *, token: str | None = None) -> None:
        if scale == 1.0:
            super().increment_gradient(id, delta, scale, token=token)


class Overwrites(MemoryStore):
    def set_parameter_value(self, id: Any, value: Any, expect: int | None = None, *, note: str | None = None) -> int:
        return super().set_parameter_value(id, value)


class Stretches(MemoryStore):
    """Adds whatever can be broadcast."""

    def increment_gradient(self, id: Any, delta: Any, scale: float = 1.0, *, token: str | None = None) -> None:
        value = self.get_parameter_value(id)
        if isinstance(value, numpy.ndarray) and numpy.ndim(delta) == 0 and not isinstance(delta, bool | str | complex | None):
            delta = numpy.broadcast_to(delta, value.shape)
        super().increment_gradient(id, delta, scale, token=token)


class ForgetsTokens(MemoryStore):
    def increment_gradient(self, id: Any, delta: Any, scale: float = 1.0, *, token: str | None = None) -> None:
        super().increment_gradient(id, delta, scale)


class TakesOneByOne(MemoryStore):
    """Has taken the first when it refuses the second."""

    def take_gradients(self, ids: Any) -> Any:
        for id in ids:
            lease = super().take_gradients([id])
        return lease if len(ids) == 1 else super().take_gradients(ids)


class KeepsNoReleases(MemoryStore):
    """A release moves with the values."""

    def resolve_release(self, release: str) -> Any:
        view = super().resolve_release(release)
        return replace(view, versions={id: self.version(id) for id in view.versions})


@pytest.mark.parametrize(
    ("store", "law"),
    [
        (LosesPushes, "gradient_adds"),
        (Overwrites, "expect_lost"),
        (Overwrites, "lost_answer_of_a_commit"),
        (Stretches, "no_broadcast"),
        (ForgetsTokens, "lost_answer_of_a_push"),
        (TakesOneByOne, "take_is_all_or_nothing"),
        (KeepsNoReleases, "releases_hold_what_they_had"),
    ],
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
