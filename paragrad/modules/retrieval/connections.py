"""Connections: one per thread from a function, or a single one that threads take turns with."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paragrad.errors import DataError, Outage, UsageError

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_STEPS = 20_000  # virtual machine steps of SQLite between two looks at the clock
_DOWN = frozenset({"SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_LOCKED", "SQLITE_NOMEM", "SQLITE_PROTOCOL"})


class Connections:
    """Hands a connection to whoever searches.

    Args:
        connect: a path of a SQLite file, a function without arguments that connects, or a connection.
        read_only: SQLite connections refuse everything but reading; others are rolled back after each use.
        seconds: a SQLite query is cut off after so long.

    Raises:
        UsageError: it is none of these, or a SQLite connection that other threads may not use.
        DataError: there is no such file.
    """

    def __init__(self, connect: Any, *, read_only: bool, seconds: float) -> None:
        self.read_only = read_only
        self.seconds = seconds
        self._turn = threading.Lock()
        self._own = threading.local()
        self._held: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._generation = 0
        self._single: Any = None
        if isinstance(connect, (str, Path)):
            self._connect: Callable[[], Any] = _sqlite_file(Path(connect), read_only)
        elif hasattr(connect, "cursor"):
            _refuse_one_threaded(connect)
            self._single = connect
        elif callable(connect):
            self._connect = connect
        else:
            raise UsageError(f"{connect!r:.60} is no database; give a SQLite file's path, a function that connects, or a connection")

    @contextmanager
    def use(self) -> Iterator[Any]:
        """A connection for one query.

        Raises:
            Outage: the database cannot be reached.
        """
        if self._single is not None:
            with self._turn, self._guarded(self._single, give_back=True) as connection:
                yield connection
            return
        with self._guarded(self._mine(), give_back=False) as connection:
            yield connection

    def drop(self) -> None:
        """Forget this thread's connection: it is broken."""
        self._own.held = None

    def close(self) -> None:
        """Close what was opened here; the next query opens anew. A connection that was given stays open."""
        self._generation += 1
        for held in list(self._held):
            held.close()

    def _mine(self) -> Any:
        held: _Held | None = getattr(self._own, "held", None)
        if held is None or held.generation != self._generation:
            try:
                held = _Held(self._connect(), self._generation)
            except UsageError:
                raise
            except Exception as error:  # a driver's errors have no common base; whatever it is, there is no database
                raise Outage(f"the database cannot be reached: {type(error).__name__}: {error}") from error
            self._own.held = held
            self._held.add(held)
        return held.connection

    @contextmanager
    def _guarded(self, connection: Any, *, give_back: bool) -> Iterator[Any]:
        """SQLite's own guards around one query."""
        if not isinstance(connection, sqlite3.Connection):
            yield connection
            return
        end = time.monotonic() + self.seconds
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        if self.read_only:
            connection.set_authorizer(_authorized)
        try:
            yield connection
        finally:
            connection.set_progress_handler(None, 0)
            if self.read_only and give_back:
                connection.set_authorizer(None)


class _Held:
    """A connection that is closed with its thread."""

    def __init__(self, connection: Any, generation: int) -> None:
        self.connection = connection
        self.generation = generation

    def close(self) -> None:
        try:
            self.connection.close()
        except Exception:  # noqa: BLE001  a SQLite connection of another thread, or one that is broken: it goes with its object
            return

    def __del__(self) -> None:
        self.close()


def style_of(connection: Any) -> str:
    """The driver's ``paramstyle``."""
    packages = [base.__module__.partition(".")[0] for base in type(connection).__mro__]
    styles = [getattr(sys.modules.get(package), "paramstyle", None) for package in packages]
    return next((style for style in styles if isinstance(style, str)), "qmark")


def is_outage(error: Exception) -> bool:
    """Whether the database failed rather than the text: locked, gone, full."""
    if isinstance(error, sqlite3.Error):
        return str(getattr(error, "sqlite_errorname", "")).startswith(tuple(_DOWN))
    return type(error).__name__ in ("InterfaceError", "OperationalError", "InternalError") or isinstance(error, OSError)


def _authorized(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    """SQLite asks before it compiles anything.

    To open a full-text index it reads the version of the data, and compiles (never runs) an update of
    the schema table; a statement that updates that table is refused by SQLite itself.
    """
    harmless = action == sqlite3.SQLITE_FUNCTION and second != "load_extension"
    version = action == sqlite3.SQLITE_PRAGMA and first == "data_version"
    opens = action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
    return sqlite3.SQLITE_OK if action in _ALLOWED or harmless or version or opens else sqlite3.SQLITE_DENY


def _sqlite_file(path: Path, read_only: bool) -> Callable[[], sqlite3.Connection]:
    if not path.is_file():
        raise DataError(f"there is no SQLite file {path}; give the path of one, or a function that connects")
    address = path.absolute().as_uri() + ("?mode=ro" if read_only else "?mode=rw")
    return lambda: sqlite3.connect(address, uri=True, check_same_thread=False)


def _refuse_one_threaded(connection: Any) -> None:
    """Rows run in threads; a SQLite connection is for the thread that made it, unless it was told otherwise."""
    if not isinstance(connection, sqlite3.Connection):
        return
    found: list[sqlite3.ProgrammingError] = []

    def try_it() -> None:
        try:
            connection.cursor().close()
        except sqlite3.ProgrammingError as error:
            found.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    if found:
        raise UsageError(
            f"this SQLite connection cannot be used: {found[0]}; rows run in several threads: give a function that connects, "
            "lambda: sqlite3.connect('FILE'), or connect with check_same_thread=False"
        )
