"""SQLiteStore: addresses, errors, forks, group commit, other programs' files."""

from __future__ import annotations

import os
import pickle
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from paragrad import stores
from paragrad.errors import Corrupted, StoreError, UsageError
from paragrad.stores import sqlite_tables
from paragrad.stores.sqlite import SQLiteStore


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_relative_and_absolute_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with_relative = stores.open("sqlite:///x.db")
    with_relative.init_parameter("a", "x")
    assert (tmp_path / "x.db").exists()
    assert with_relative.key == "sqlite:///x.db"
    assert stores.open(url_of(tmp_path / "x.db")).get_parameter_value("a") == "x"
    assert url_of(tmp_path / "x.db").startswith("sqlite:////")


@pytest.mark.parametrize(
    "url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite:x.db", "sqlite://x.db", "sqlite:///x.db?mode=ro", "sqlite:///x.db#r"]
)
def test_wrong_urls(url: str) -> None:
    with pytest.raises(UsageError, match="sqlite:///file"):
        stores.open(url)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        stores.open(url_of(tmp_path / "no" / "x.db"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        stores.open(url_of(tmp_path))


def test_not_a_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("hello " * 1000)
    with pytest.raises(Corrupted, match="no database"):
        stores.open(url_of(path))
    assert path.read_text() == "hello " * 1000


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        stores.open(url_of(path))
    assert path.read_bytes() == before


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    stores.open(url_of(tmp_path / "x.db")).close()
    with sqlite3.connect(tmp_path / "x.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="upgrade"):
        stores.open(url_of(tmp_path / "x.db"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="may you write"):
        stores.open(url_of(tmp_path / "x.db"))


def test_read_only_file_system() -> None:
    with pytest.raises(StoreError, match=r"may you write|read-only"):
        stores.open("sqlite:////proc/x.db")


def test_full_disk_changes_nothing(tmp_path: Path) -> None:
    store = SQLiteStore(url_of(tmp_path / "x.db"))
    store.init_parameter("a", "x")
    store.init_parameter("b", "y")
    writer = store._pool._writer
    assert writer is not None
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="disk is full"):
        store.publish({"a": "z" * 100_000, "b": "z"})
    assert (store.get_parameter_value("a"), store.get_parameter_value("b"), store.commit()) == ("x", "y", 2)
    writer.execute("PRAGMA max_page_count = 1000000")
    assert store.publish({"a": "z" * 100_000, "b": "z"}) == 3


def test_locked_by_another_process_is_an_error_that_says_so(tmp_path: Path) -> None:
    store = SQLiteStore(url_of(tmp_path / "x.db"), wait=0.1)
    store.init_parameter("a", "x")
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.set_parameter_value("a", "y")
    assert store.get_parameter_value("a") == "x"
    other.execute("ROLLBACK")
    other.close()
    store.set_parameter_value("a", "y")


def test_closed(tmp_path: Path) -> None:
    store = stores.open(url_of(tmp_path / "x.db"))
    store.init_parameter("a", "x")
    store.close()
    store.close()
    for call in (lambda: store.get_parameter_value("a"), lambda: store.set_parameter_value("a", "y")):
        with pytest.raises(StoreError, match="closed"):
            call()


def test_dropped_stores_close_their_files(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        stores.open(url_of(tmp_path / "x.db")).commit()
    assert len(os.listdir("/proc/self/fd")) <= before + 4


def test_readers_of_many_threads_do_not_pile_up(tmp_path: Path) -> None:
    store = SQLiteStore(url_of(tmp_path / "x.db"))
    store.init_parameter("a", "x")
    for _ in range(40):
        thread = threading.Thread(target=store.get_parameter_value, args=("a",))
        thread.start()
        thread.join()
    assert len(store._pool._free) <= 2


def test_waiting_writers_share_a_commit(tmp_path: Path) -> None:
    store = SQLiteStore(url_of(tmp_path / "x.db"))
    for n in range(16):
        store.init_parameter(f"p{n}", 0.0)
    commits: list[str] = []
    writer = store._pool._writer
    assert writer is not None
    writer.set_trace_callback(lambda statement: commits.append(statement) if statement == "COMMIT" else None)
    store._turn.take()
    threads = [threading.Thread(target=store.set_parameter_value, args=(f"p{n}", 1.0)) for n in range(16)]
    for thread in threads:
        thread.start()
    while len(store._turn) < 16:
        threading.Event().wait(0.001)
    store._turn.leave()
    for thread in threads:
        thread.join()
    assert len(commits) == 1
    assert store.commit() == 32
    assert len({store.get_entry(f"p{n}").version for n in range(16)}) == 16


def test_one_refused_job_does_not_spoil_its_group(tmp_path: Path) -> None:
    store = SQLiteStore(url_of(tmp_path / "x.db"))
    for n in range(8):
        store.init_parameter(f"p{n}", 0.0)
    lost: list[int] = []

    def write(n: int) -> None:
        try:
            store.set_parameter_value(f"p{n}", 1.0, expect=n + 1 if n % 2 else 99)
        except stores.Conflict:
            lost.append(n)

    store._turn.take()
    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    while len(store._turn) < 8:
        threading.Event().wait(0.001)
    store._turn.leave()
    for thread in threads:
        thread.join()
    assert sorted(lost) == [0, 2, 4, 6]
    assert [store.get_parameter_value(f"p{n}") for n in range(8)] == [0.0, 1.0] * 4


def test_fork_uses_connections_of_its_own(tmp_path: Path) -> None:
    store = stores.open(url_of(tmp_path / "x.db"))
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
    store = stores.open(url_of(tmp_path / "x.db"))
    store.init_parameter("a", "x")
    assert pickle.loads(pickle.dumps(store)).get_parameter_value("a") == "x"


def test_cache_never_hides_another_writer(tmp_path: Path) -> None:
    one, two = stores.open(url_of(tmp_path / "x.db")), stores.open(url_of(tmp_path / "x.db"))
    one.init_parameter("a", "v0")
    for n in range(1, 5):
        assert two.get_parameter_value("a") == one.get_parameter_value("a") == f"v{n - 1}"
        (one, two)[n % 2].set_parameter_value("a", f"v{n}")


def test_a_put_reads_nothing_again_and_notices_other_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer remembers the head and the pointers until another connection writes or a commit fails."""
    store, other = stores.open(url_of(tmp_path / "x.db")), stores.open(url_of(tmp_path / "x.db"))
    store.init_parameter("a", "0")
    store.set_parameter_value("a", "1")
    read: list[str] = []
    documents, pointers = sqlite_tables.documents, sqlite_tables.pointers
    monkeypatch.setattr(sqlite_tables, "documents", lambda c, keys: (read.extend(keys), documents(c, keys))[1])
    monkeypatch.setattr(sqlite_tables, "pointers", lambda c, ids: (read.extend(ids), pointers(c, ids))[1])
    store.set_parameter_value("a", "2")
    assert read == []
    other.set_parameter_value("a", "3")
    read.clear()
    assert store.set_parameter_value("a", "4", expect=4) == 5
    assert sorted(read) == ["a", "head"]
    apply = sqlite_tables.apply

    def failing(*args: Any) -> None:
        apply(*args)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_tables, "apply", failing)
        with pytest.raises(StoreError):
            store.set_parameter_value("a", "lost")
    assert store.set_parameter_value("a", "5", expect=5) == 6
    assert [entry.value for entry in store.history("a")] == ["0", "1", "2", "3", "4", "5"]


def test_damaged_index_is_found(tmp_path: Path) -> None:
    store = stores.open(url_of(tmp_path / "x.db"))
    store.init_parameter("a", "v0")
    for n in range(1, 5):
        store.set_parameter_value("a", f"v{n}")
    with sqlite3.connect(tmp_path / "x.db") as direct:
        direct.execute("DELETE FROM versions WHERE version = 3")
    direct.close()
    for call in (lambda: store.get_entry("a", at=3), lambda: store.history("a")):
        with pytest.raises(Corrupted, match="damaged"):
            call()


def test_rolled_back_pointer_is_found(tmp_path: Path) -> None:
    store = stores.open(url_of(tmp_path / "x.db"))
    store.init_parameter("a", "old")
    store.set_parameter_value("a", "new")
    with sqlite3.connect(tmp_path / "x.db") as direct:
        direct.execute("UPDATE parameters SET row = 1")
    direct.close()
    with pytest.raises(Corrupted):
        stores.open(url_of(tmp_path / "x.db")).get_parameter_value("a")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_gone_acknowledges_nothing(tmp_path: Path, replaced: bool) -> None:
    path, backup = tmp_path / "x.db", tmp_path / "kept"
    store = stores.open(url_of(path))
    store.init_parameter("a", "x")
    path.rename(backup)
    if replaced:
        stores.open(url_of(tmp_path / "other.db")).close()
        (tmp_path / "other.db").rename(path)
    for write in (lambda: store.set_parameter_value("a", "y"), lambda: store.init_parameter("b", 1.0)):
        with pytest.raises(StoreError, match=rf"{path} was {'replaced' if replaced else 'deleted'}.*open the store again"):
            write()
    assert path.exists() == replaced  # nothing new was made in its place
    backup.replace(path)
    assert store.set_parameter_value("a", "z") == 2
    assert stores.open(url_of(path)).get_parameter_value("a") == "z"


def test_a_log_that_grows_ahead_holds_what_was_acknowledged_and_nothing_else(tmp_path: Path) -> None:
    path, killed = tmp_path / "x.db", tmp_path / "killed"
    store = stores.open(url_of(path))
    store.init_parameter("a", "x")
    for n in range(45):
        store.set_parameter_value("a", f"{n} " * 500)
    log = (tmp_path / "x.db-wal").read_bytes()
    assert log.endswith(bytes(1 << 19))
    killed.mkdir()
    (killed / "x.db").write_bytes(path.read_bytes())
    (killed / "x.db-wal").write_bytes(log)  # as a process that died leaves it
    found = stores.open(url_of(killed / "x.db"))
    assert (found.commit(), found.get_parameter_value("a")) == (46, "44 " * 500)
    assert found.history("a") == store.history("a")
