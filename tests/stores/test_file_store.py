"""FileStore: addresses, foreign and damaged directories, forks, what a commit writes, file systems of fsspec."""

from __future__ import annotations

import builtins
import errno
import json
import os
import pickle
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
import pytest

from paragrad import stores
from paragrad.errors import Corrupted, StoreError, UsageError
from paragrad.registry import spaces
from paragrad.stores.files import FileStore, manifest, records, rows, versions
from paragrad.stores.files.remote import RemoteFiles
from paragrad.stores.files.versions import Ref


def opened(folder: Path, **options: Any) -> Any:
    return stores.open(f"file://{folder}", **options)


def files_of(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


# Addresses.


def test_absolute_and_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stores.open("file:x").init_parameter("a", "one")
    for url in (f"file://{tmp_path}/x", f"file:///{tmp_path}/x", f"file:{tmp_path}/x", "file:./x"):
        assert stores.open(url).get_parameter_value("a") == "one"
    stores.open(f"file://{tmp_path}/with%20blank").init_parameter("a", "x")
    assert (tmp_path / "with blank" / "paragrad.json").exists()


@pytest.mark.parametrize("url", ["file:", "file://", "file:///", "file://host/x", "file:///x?y=1", "file:///x#r"])
def test_wrong_urls(url: str) -> None:
    with pytest.raises(UsageError, match="file:///abs/dir"):
        stores.open(url)


def test_options_are_for_remote_places(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="endpoint"):
        opened(tmp_path / "x", endpoint="y")


def test_missing_parent(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="must exist"):
        opened(tmp_path / "no" / "x")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(StoreError, match="a file stands"):
        opened(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"


# Directories of others, damage.


def test_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="holds other files"):
        opened(tmp_path)
    assert files_of(tmp_path) == {"mine.txt": 4}


def test_other_formats(tmp_path: Path) -> None:
    opened(tmp_path / "x").close()
    mark = tmp_path / "x" / "paragrad.json"
    for content, error, words in (
        ({"format": "paragrad files", "version": 99}, StoreError, "upgrade"),
        ({"format": "theirs", "version": 1}, StoreError, "another program"),
        ([], Corrupted, "should hold"),
    ):
        mark.write_text(json.dumps(content))
        with pytest.raises(error, match=words):
            opened(tmp_path / "x")


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A closed store with small and large values; ``w`` is 80 kB, so no record has a copy."""
    store = opened(tmp_path / "x")
    store.init_parameter("a", "one")
    store.init_parameter("w", numpy.arange(10_000.0))
    store.set_parameter_value("w", numpy.arange(10_000.0) + 1)
    store.increment_gradient("w", numpy.ones(10_000))
    store.close()
    return tmp_path / "x"


def damaged(path: Path, how: str, place: int) -> None:
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[place] ^= 1
    elif how == "cut":
        del content[place:]
    path.write_bytes(content)
    if how == "lost":
        path.unlink()


@pytest.mark.parametrize("how", ["flip", "cut", "lost"])
@pytest.mark.parametrize("name", ["data/1", "large/*"])
def test_damage_names_the_file_and_the_fix(history: Path, name: str, how: str) -> None:
    path = next(history.glob(name))
    damaged(path, how, path.stat().st_size - 2000)
    store = opened(history)
    with pytest.raises(Corrupted, match=rf"{path.name}.*restore"):
        store.get_parameter_value("w") if name == "data/1" else store.get_gradient("w")
    assert store.get_parameter_value("a") == "one"


def test_damaged_manifest(history: Path) -> None:
    path = history / "manifest" / "1"
    damaged(path, "flip", 100)
    with pytest.raises(Corrupted, match=r"manifest/1 is damaged at byte 0.*restore"):
        opened(history)
    path.unlink()
    with pytest.raises(Corrupted, match="manifest was lost"):
        opened(history)


def test_a_record_that_is_missing_in_the_middle_is_found(history: Path) -> None:
    path = history / "manifest" / "1"
    found, _ = records.scan(path.read_bytes(), "x")
    path.write_bytes(b"".join(records.frame(payload) for place, (payload, _) in enumerate(found) if place != 2))
    with pytest.raises(Corrupted, match="does not follow"):
        opened(history)


def test_a_manifest_cut_between_two_records_is_no_older_store(history: Path) -> None:
    path = history / "manifest" / "1"
    whole = path.read_bytes()
    found, _ = records.scan(whole, "x")
    assert len(found) > 4
    ends = [len(b"".join(records.frame(payload) for payload, _ in found[:count])) for count in range(1, len(found))]
    for end in [*ends, ends[-1] + 20]:
        path.write_bytes(whole[:end])
        with pytest.raises(
            Corrupted, match=rf"manifest/1 was cut: it ends at record \d+, and there were {len(found) - 1}.*delete .*reached"
        ):
            opened(history)
    path.write_bytes(whole[: ends[-1]])  # what was acknowledged last is a push, which does not survive a power cut: nor does its mark
    lines = (history / "reached").read_bytes()
    (history / "reached").write_bytes(lines[:67])
    assert opened(history).get_gradient_count("w") == 0
    path.write_bytes(whole[: ends[0]])
    (history / "reached").unlink()
    assert opened(history).ids() == []


def test_a_damaged_mark_of_the_last_record_refuses_nothing(history: Path) -> None:
    content = bytearray((history / "reached").read_bytes())
    for place in range(0, len(content), 7):
        content[place] ^= 1
        (history / "reached").write_bytes(content)
        opened(history).close()


def test_a_copy_made_while_the_store_is_written_is_an_earlier_store_or_says_so(tmp_path: Path) -> None:
    store, stop, written = opened(tmp_path / "x"), threading.Event(), [0]
    store.init_parameter("a", 0.0)

    def write() -> None:
        while not stop.is_set():
            written[0] += 1
            store.set_parameter_value("a", float(written[0]))

    thread = threading.Thread(target=write)
    thread.start()
    for number in range(12):
        copy, before = tmp_path / f"copy{number}", written[0]
        shutil.copytree(tmp_path / "x", copy)
        try:
            found = opened(copy)
        except Corrupted:  # the mark was copied after the manifest
            (copy / "reached").unlink()
            found = opened(copy)
        assert max(before - 1, 0) <= found.commit() - 1 <= written[0]
        with suppress(Corrupted):  # the data was copied before the manifest
            assert found.get_parameter_value("a") == found.commit() - 1
        found.close()
    stop.set()
    thread.join()


def test_a_store_of_the_version_before_has_no_mark_and_one_restored_whole_goes_on(history: Path, tmp_path: Path) -> None:
    (history / "reached").unlink()
    store = opened(history)
    store.set_parameter_value("a", "two")
    store.close()
    shutil.copytree(history, tmp_path / "backup")
    store = opened(history)
    store.set_parameter_value("a", "three")
    store.close()
    newer = (history / "reached").read_bytes()
    shutil.rmtree(history)
    shutil.copytree(tmp_path / "backup", history)
    assert opened(history).get_parameter_value("a") == "two"
    (history / "reached").write_bytes(newer)  # restored without its mark
    with pytest.raises(Corrupted, match=r"delete .*reached to go on without"):
        opened(history)
    (history / "reached").unlink()
    store = opened(history)
    assert store.set_parameter_value("a", "four") == 5
    store.close()
    assert opened(history).get_parameter_value("a") == "four"


def test_cut_under_an_open_store(history: Path) -> None:
    store = opened(history)
    os.truncate(history / "manifest" / "1", 300)
    for call in (lambda: store.get_parameter_value("a"), lambda: store.set_parameter_value("a", "two")):
        with pytest.raises(Corrupted, match="was cut"):
            call()


def test_a_torn_record_never_happened(history: Path) -> None:
    path = history / "manifest" / "1"
    with path.open("ab") as file:
        file.write(records.frame(b"x" * 500)[:200])
    store = opened(history)
    assert store.get_parameter_value("a") == "one"
    store.set_parameter_value("a", "two")
    assert opened(history).get_parameter_value("a") == "two"


def test_pages_that_a_power_cut_took_come_back_from_the_record(tmp_path: Path) -> None:
    store = opened(tmp_path / "x")
    for n in range(5):
        store.init_parameter(f"p{n}", str(n) * 3000)
    store.close()
    pack = tmp_path / "x" / "data" / "1"
    content = pack.read_bytes()
    pack.write_bytes(content[:4096] + bytes(4096))
    again = opened(tmp_path / "x")
    assert [again.get_parameter_value(f"p{n}") for n in range(5)] == [str(n) * 3000 for n in range(5)]
    assert pack.read_bytes() == content


def test_what_dead_writers_left_is_swept(history: Path) -> None:
    before = files_of(history)
    for name in ("x.tmp", "manifest/2.77.tmp", "large/deadbeef", "data/9"):
        (history / name).write_bytes(b"left")
    with (history / "data" / "1").open("ab") as pack:
        pack.write(b"half a value")
    store = opened(history)
    store.set_parameter_value("a", "two")
    after = files_of(history)
    assert set(after) == set(before)
    assert store.history("w")[1].value[0] == 1.0


# What is written.


def test_a_write_touches_only_what_changed(tmp_path: Path) -> None:
    store = opened(tmp_path / "x")
    for n in range(32):
        store.init_parameter(f"w{n}", numpy.full(20_000, float(n)))
    before = files_of(tmp_path / "x")
    store.set_parameter_value("w3", numpy.zeros(20_000))
    after = files_of(tmp_path / "x")
    grown = {name: size - before.get(name, 0) for name, size in after.items() if size != before.get(name, 0)}
    assert grown["data/1"] < 161_000
    assert sum(grown.values()) < 163_000


def test_superseded_gradients_leave_no_files(tmp_path: Path) -> None:
    store = opened(tmp_path / "x")
    store.init_parameter("w", numpy.zeros(20_000))
    for _ in range(20):
        store.increment_gradient("w", numpy.ones(20_000))
    assert len(list((tmp_path / "x" / "large").iterdir())) <= 10  # a few wait for the next synchronisation
    store.publish({"w": numpy.ones(20_000)}, consume=store.take_gradients(["w"]))
    assert not list((tmp_path / "x" / "large").iterdir())


def test_the_manifest_is_written_anew_and_readers_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_GROWTH", 2000)
    one, two = opened(tmp_path / "x"), opened(tmp_path / "x")
    one.init_parameter("a", "v0")
    for n in range(1, 60):
        (one, two)[n % 2].set_parameter_value("a", f"v{n}")
        assert (one, two)[(n + 1) % 2].get_parameter_value("a") == f"v{n}"
    numbers = [int(path.name) for path in (tmp_path / "x" / "manifest").iterdir()]
    assert len(numbers) == 1
    assert numbers[0] > 3
    assert [entry.value for entry in opened(tmp_path / "x").history("a")] == [f"v{n}" for n in range(60)]


def test_arrays_are_read_without_a_copy_and_aligned(tmp_path: Path) -> None:
    store = opened(tmp_path / "x")
    for kind in ("float32", "float64", "int8"):
        store.init_parameter(kind, numpy.arange(5000).astype(kind))
        found = store.get_parameter_value(kind)
        assert (found.flags.owndata, found.flags.aligned, found.flags.writeable) == (False, True, False)


def test_bounds_and_types_come_back(tmp_path: Path) -> None:
    opened(tmp_path / "x").init_parameter("w", [0.5], spaces.get("tensor")(shape=(1,), low=0, high=1))
    again = opened(tmp_path / "x")
    with pytest.raises(ValueError, match="above the bound"):
        again.set_parameter_value("w", [2.0])
    assert again.get_parameter_value("w").tolist() == [0.5]


def test_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path / "x")
    store.init_parameter("a", "one")
    real = os.pwrite
    for fails_at in (1, 2):
        count = 0

        def full(fd: int, data: Any, offset: int, fails_at: int = fails_at) -> int:
            nonlocal count
            count += 1
            if count == fails_at:
                real(fd, bytes(data)[:10], offset)
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(fd, data, offset)

        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(StoreError, match="disk is full"):
            store.set_parameter_value("a", "two")
        monkeypatch.setattr(os, "pwrite", real)
        assert (store.get_parameter_value("a"), store.commit()) == ("one", 1)
    assert store.set_parameter_value("a", "three") == 2
    assert [entry.value for entry in opened(tmp_path / "x").history("a")] == ["one", "three"]


# Handles, processes.


def test_closed(tmp_path: Path) -> None:
    store = opened(tmp_path / "x")
    store.init_parameter("a", "x")
    store.close()
    store.close()
    for call in (lambda: store.get_parameter_value("a"), lambda: store.set_parameter_value("a", "y")):
        with pytest.raises(StoreError, match="closed"):
            call()


def test_dropped_stores_close_their_files(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for n in range(20):
        opened(tmp_path / "x").init_parameter("a", str(n))
    assert len(os.listdir("/proc/self/fd")) <= before + 8


def test_a_store_that_cannot_be_opened_leaves_no_file_open(history: Path) -> None:
    damaged(history / "manifest" / "1", "flip", 100)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(Corrupted):
            opened(history)
    assert len(os.listdir("/proc/self/fd")) == before


def test_waiting_threads_share_a_synchronisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path / "x")
    for n in range(16):
        store.init_parameter(f"p{n}", 0.0)
    count, real = 0, os.fdatasync

    def counted(fd: int) -> None:
        nonlocal count
        count += 1
        real(fd)

    monkeypatch.setattr(os, "fdatasync", counted)
    store._turn.take()
    threads = [threading.Thread(target=store.set_parameter_value, args=(f"p{n}", 1.0)) for n in range(16)]
    for thread in threads:
        thread.start()
    while len(store._turn) < 16:
        threading.Event().wait(0.001)
    store._turn.leave()
    for thread in threads:
        thread.join()
    assert (count, store.commit()) == (1, 32)
    assert len({store.get_entry(f"p{n}").version for n in range(16)}) == 16


def test_locked_by_another_process_is_an_error_that_says_so(tmp_path: Path) -> None:
    import fcntl

    store = opened(tmp_path / "x", wait=0.05)
    store.init_parameter("a", "x")
    with (tmp_path / "x" / "lock").open("rb+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match=r"lock locked for"):
            store.set_parameter_value("a", "y")
        assert store.get_parameter_value("a") == "x"
    store.set_parameter_value("a", "y")


def test_fork_uses_files_of_its_own(tmp_path: Path) -> None:
    store = opened(tmp_path / "x")
    store.init_parameter("n", 0.0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.increment_gradient("n", 1.0)
            code = 0 if store.get_gradient("n") >= 1.0 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.increment_gradient("n", 1.0)
    assert store.get_gradient("n") == 2.0


def test_pickle_is_the_address_only(tmp_path: Path) -> None:
    store = opened(tmp_path / "x")
    store.init_parameter("a", "x")
    assert pickle.loads(pickle.dumps(store)).get_parameter_value("a") == "x"


# Versions as a list.


def test_versions_are_found_in_log_n_reads() -> None:
    below: dict[int, tuple[Ref, ...]] = {}
    roots: versions.Roots = ()
    count = 3000
    for n in range(count):
        ref = Ref("", n, 0, "", 2 * n + 1)
        below[n] = versions.below(roots)
        roots = versions.grown(roots, ref)
    reads = 0

    def read(ref: Ref) -> tuple[int, tuple[Ref, ...]]:
        nonlocal reads
        reads += 1
        return ref.offset, below[ref.offset]

    assert list(versions.walk(roots, read)) == list(range(count))[::-1]
    worst = 0
    for at in range(0, 2 * count + 2):
        reads = 0
        found = versions.find(roots, at, read)
        assert (None if found is None else found.offset) == (None if at < 1 else min((at - 1) // 2, count - 1))
        worst = max(worst, reads)
    assert worst <= 24
    assert len(roots) <= 12


def test_reading_an_old_version_reads_no_other_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path / "x")
    for n in range(40):
        (store.set_parameter_value if n else store.init_parameter)("w", numpy.full(20_000, float(n)))
    checked: list[int] = []
    real = rows.with_value
    monkeypatch.setattr(rows, "with_value", lambda header, *rest: checked.append(header.row.version) or real(header, *rest))
    assert store.get_entry("w", at=7).value[0] == 6.0
    assert checked == [7]


# File systems of fsspec.


def remote(name: str) -> str:
    return f"fsspec+memory://{name}"


def test_remote_reopens(tmp_path: Path) -> None:
    store = stores.open(remote(tmp_path.name))
    store.init_parameter("w", numpy.arange(10_000.0))
    store.init_parameter("n", 0.0)
    for n in range(20):
        store.increment_gradient("w", numpy.ones(10_000), token=str(n % 10))
    for n in range(300):  # beyond a snapshot
        store.set_parameter_value("n", 1.0 * n)
    again = stores.open(remote(tmp_path.name))
    assert (again.get_gradient("w")[0], again.get_gradient_count("w"), again.get_parameter_value("n")) == (10.0, 10, 299.0)
    assert again.get_entry("n", at=102).value == 99.0
    assert len(again._files._list("manifest")) == 2
    assert len(again._files._list("large")) == 1


@pytest.mark.parametrize("place", ["_all_opened", "_add_rows", "_placed"])
def test_what_another_machine_wrote_between_reading_and_writing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    one, two = stores.open(remote(tmp_path.name)), stores.open(remote(tmp_path.name))
    one.init_parameter("n", 0.0)
    real = getattr(FileStore, place)
    overtaken = []

    def late(self: FileStore, *args: Any) -> Any:
        found = real(self, *args)
        if self is one and not overtaken:
            overtaken.append(1)
            two.increment_gradient("n", 1.0)
            assert self.get_gradient("n") == 1.0  # another thread reads
        return found

    monkeypatch.setattr(FileStore, place, late)
    one.increment_gradient("n", 2.0)
    assert overtaken
    assert one.get_gradient("n") == stores.open(remote(tmp_path.name)).get_gradient("n") == 3.0


def test_remote_writers_race_by_creating_the_next_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = stores.open(remote(tmp_path.name)), stores.open(remote(tmp_path.name))
    one.init_parameter("n", 0.0)
    real = RemoteFiles.append
    overtaken = []

    def slow(self: RemoteFiles, payload: bytes) -> Any:
        if self is one._files and not overtaken:
            overtaken.append(1)
            two.set_parameter_value("n", 5.0)
        return real(self, payload)

    monkeypatch.setattr(RemoteFiles, "append", slow)
    version = one.get_entry("n").version
    with pytest.raises(stores.Conflict):
        one.set_parameter_value("n", 7.0, expect=version)
    overtaken.clear()
    assert one.set_parameter_value("n", 9.0) == 4
    assert [entry.value for entry in two.history("n")] == [0.0, 5.0, 5.0, 9.0]
    assert len(two._files._list("data")) == 4


def test_remote_threads_lose_nothing(tmp_path: Path) -> None:
    handles = [stores.open(remote(tmp_path.name)) for _ in range(4)]
    handles[0].init_parameter("n", 0.0)
    threads = [threading.Thread(target=lambda store=store: [store.increment_gradient("n", 1.0) for _ in range(25)]) for store in handles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handles[0].get_gradient("n") == 100.0


def test_remote_damage(tmp_path: Path) -> None:
    import fsspec

    stores.open(remote(tmp_path.name)).init_parameter("a", "x" * 100)
    disk = fsspec.filesystem("memory")
    (data,) = disk.ls(f"/{tmp_path.name}/data", detail=False)
    disk.pipe_file(data, disk.cat_file(data)[:-20])
    with pytest.raises(Corrupted, match=r"data/.*restore"):
        stores.open(remote(tmp_path.name)).get_parameter_value("a")
    disk.rm_file(data)
    with pytest.raises(Corrupted, match="is missing"):
        stores.open(remote(tmp_path.name)).get_parameter_value("a")
    disk.pipe_file(f"/{tmp_path.name}/paragrad.json", b"{}")
    with pytest.raises(StoreError, match="another program"):
        stores.open(remote(tmp_path.name))


def test_remote_foreign_prefix(tmp_path: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file(f"/{tmp_path.name}/mine.txt", b"mine")
    with pytest.raises(StoreError, match="holds other files"):
        stores.open(remote(tmp_path.name))


def test_remote_on_a_local_disk(tmp_path: Path) -> None:
    url = f"fsspec+local://{tmp_path}/x"
    stores.open(url).init_parameter("a", "one")
    assert stores.open(url).get_parameter_value("a") == "one"
    shutil.rmtree(tmp_path / "x")


@pytest.mark.parametrize("url", ["fsspec+memory://", "fsspec+nosuch://x/y", "fsspec:x"])
def test_remote_wrong_urls(url: str) -> None:
    with pytest.raises((UsageError, StoreError)):
        stores.open(url)


def test_missing_fsspec_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.startswith("fsspec"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match=r"paragrad\[files\]"):
        stores.open("s3://bucket/dir")
    assert isinstance(opened(tmp_path / "x"), FileStore)  # a directory needs no fsspec
