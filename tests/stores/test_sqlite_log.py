"""SQLite's log: it grows ahead, other programs checkpoint it, it may be lost; forks."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from paragrad import stores
from paragrad.errors import StoreError
from paragrad.stores import sqlite_pool
from paragrad.stores.sqlite import SQLiteStore

CHECKPOINTER = """
import sqlite3, sys
other, done = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5), 0
print("ready", flush=True)
while done < 40:
    for kind in ("TRUNCATE", "RESTART", "FULL", "PASSIVE"):
        done += other.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()[0] == 0
print(other.execute("PRAGMA integrity_check").fetchone()[0])
"""

LIMITED = """
import resource, sys
from paragrad import stores
from paragrad.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
store, done = stores.open(sys.argv[1]), 0
store.init_parameter("a", "x")
try:
    while True:
        store.set_parameter_value("a", f"{done + 1} " * 5000)
        done += 1
except StoreError as error:
    assert "nothing was" in str(error) or "refuses" in str(error), error
assert store.get_parameter_value("a") == f"{done} " * 5000
print(done)
"""


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def checked(path: Path) -> str:
    with closing(sqlite3.connect(path)) as other:
        return str(other.execute("PRAGMA integrity_check").fetchone()[0])


def test_other_programs_may_checkpoint_while_the_log_grows_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_pool, "_STEP_COMMITS", 1)  # at every commit
    monkeypatch.setattr(sqlite_pool, "_FIRST_COMMITS", 0)
    monkeypatch.setattr(sqlite_pool, "_STEP_BYTES", 50_000)
    path = tmp_path / "x.db"
    store = stores.open(url_of(path))
    store.init_parameter("a", "x")
    other = subprocess.Popen([sys.executable, "-c", CHECKPOINTER, str(path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    done = 0
    while other.poll() is None:
        done += 1
        store.set_parameter_value("a", f"{done} " * 300)
    assert other.communicate()[0] == "ok\n"
    assert done > 0
    with closing(stores.open(url_of(path))) as again:
        assert (again.commit(), again.get_parameter_value("a"), len(again.history("a"))) == (done + 1, f"{done} " * 300, done + 1)
    assert checked(path) == "ok"


def test_a_disk_that_is_full_while_the_log_grows_ahead_loses_nothing(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", LIMITED, url_of(tmp_path / "x.db")], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    done = int(run.stdout)
    assert done > 8  # where it begins to grow ahead
    store = stores.open(url_of(tmp_path / "x.db"))
    assert store.get_parameter_value("a") == f"{done} " * 5000
    assert store.set_parameter_value("a", "y") == done + 2
    assert checked(tmp_path / "x.db") == "ok"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_log_that_is_gone_acknowledges_nothing(tmp_path: Path, replaced: bool) -> None:
    path, log, kept = tmp_path / "x.db", tmp_path / "x.db-wal", tmp_path / "kept"
    store = stores.open(url_of(path))
    store.init_parameter("a", "x")
    log.rename(kept)
    if replaced:
        log.write_bytes(kept.read_bytes())
    for write in (lambda: store.set_parameter_value("a", "y"), lambda: store.init_parameter("b", 1.0)):
        with pytest.raises(StoreError, match=rf"{log} was {'replaced' if replaced else 'deleted'}.*nothing was written"):
            write()
    kept.replace(log)
    assert store.set_parameter_value("a", "z") == 2
    assert stores.open(url_of(path)).get_parameter_value("a") == "z"


def test_another_journal_mode_is_refused_while_open_and_set_back_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = stores.open(url_of(path))
    store.init_parameter("a", "x")
    with closing(sqlite3.connect(path, timeout=0.0)) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("PRAGMA journal_mode = DELETE")
    store.close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete"
    again = stores.open(url_of(path))
    assert again.set_parameter_value("a", "y") == 2
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_link_to_the_file_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "x.db").symlink_to(tmp_path / "there" / "real.db")
    store = stores.open(url_of(tmp_path / "x.db"))
    store.init_parameter("a", "x")
    for n in range(20):
        store.set_parameter_value("a", str(n))
    assert (tmp_path / "there" / "real.db-wal").stat().st_size > sqlite_pool._STEP_BYTES
    assert not (tmp_path / "x.db-wal").exists()


def test_a_fork_in_the_middle_of_commits_locks_nobody_out(tmp_path: Path) -> None:
    store = SQLiteStore(url_of(tmp_path / "x.db"), wait=3.0)
    for id in ("child", "parent"):
        store.init_parameter(id, 0.0)
    stop, done = threading.Event(), [0, 0]

    def push(place: int) -> None:
        while not stop.is_set():
            store.increment_gradient("parent", 1.0)
            done[place] += 1

    threads = [threading.Thread(target=push, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        stop.wait(0.005)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.increment_gradient("child", 1.0)
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert (store.get_gradient("child"), store.get_gradient("parent")) == (12.0, sum(done))


def test_a_child_keeps_the_log_when_its_parent_closes(tmp_path: Path) -> None:
    store = stores.open(url_of(tmp_path / "x.db"))
    store.init_parameter("n", 0.0)
    (said, say), (heard, hear) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.increment_gradient("n", 1.0)
            os.write(say, b"x")
            os.read(heard, 1)
            for _ in range(4):
                store.increment_gradient("n", 1.0)
            code = 0
        finally:
            os._exit(code)
    os.read(said, 1)
    store.close()
    os.write(hear, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for end in (said, say, heard, hear):
        os.close(end)
    assert stores.open(url_of(tmp_path / "x.db")).get_gradient("n") == 5.0


def test_what_sqlite_refuses_of_one_is_no_error_of_the_others_of_its_group(tmp_path: Path) -> None:
    store = SQLiteStore(url_of(tmp_path / "x.db"))
    for n in range(6):
        store.init_parameter(f"p{n}", "x")
    assert store._pool._writer is not None
    store._pool._writer.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    refused: dict[int, str] = {}

    def write(n: int) -> None:
        try:
            store.set_parameter_value(f"p{n}", "y" * (200_000 if n == 2 else 10))
        except StoreError as error:
            refused[n] = str(error)

    store._turn.take()
    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    while len(store._turn) < 6:
        threading.Event().wait(0.001)
    store._turn.leave()
    for thread in threads:
        thread.join()
    assert list(refused) == [2]
    assert "larger than SQLite takes" in refused[2]
    assert [len(store.get_parameter_value(f"p{n}")) for n in range(6)] == [10, 10, 1, 10, 10, 10]
    assert store.commit() == 11
