"""Connections of a PostgresStore: a pool per process, patience with a server that restarts, errors in our words."""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from paragrad.errors import StoreError, UsageError, not_installed
from paragrad.stores import postgres_arrays
from paragrad.stores import postgres_tables as tables
from paragrad.stores.forks import PerProcess
from paragrad.stores.urls import redacted

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_FROZEN_MS = 60_000  # a client that stopped in the middle of a transaction does not hold up the others for ever
_PASSING = ("57P01", "57P02", "57P03", "53300", "40001", "40P01", "25P03")


class Address:
    """What a URL says: ``postgresql://user:password@host:port/database?schema=name``.

    Raises:
        UsageError: a schema that is no plain name.
    """

    def __init__(self, url: str) -> None:
        shown = redacted(url)
        try:
            parts = urlsplit(url)
            port = parts.port or 5432
        except ValueError:
            raise UsageError(f"{shown:.120}: the host or port cannot be read; write postgresql://user@host:5432/database") from None
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.schema = options.pop("schema", "paragrad")
        if not _SCHEMA.fullmatch(self.schema):
            raise UsageError(f"{shown:.120}: the schema {self.schema!r:.40} is no plain name; write ?schema=name in lower case")
        if not url.lower().startswith(("postgresql://", "postgres://")):
            raise UsageError(f"{shown:.120} is no PostgreSQL URL; write postgresql://user@host:5432/database")
        query = f"?{urlencode(options, quote_via=quote)}" if options else ""
        self.plain = f"postgresql://{parts.netloc}{parts.path}{query}"  # not urlunsplit: it drops the "//" of postgresql:///database
        self.shown = f"{parts.hostname or 'the local socket'}:{port}"
        self.secrets = [secret for secret in (parts.password, unquote(parts.password or ""), options.get("password")) if secret]


class Writer:
    """One of a client's hands: its changes are numbered, so the server knows which was the last."""

    __slots__ = ("id", "number")

    def __init__(self) -> None:
        self.id = os.urandom(12).hex()
        self.number = 0


class Link:
    """Connections to one schema of one database.

    Args:
        address: where it is.
        store: its repr, for messages; not the store itself, which must be free to go.
        wait: seconds to wait for a server that does not answer, and for locks.
    """

    def __init__(self, address: Address, store: str, wait: float) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise not_installed("a postgresql:// store", "psycopg", "postgres", StoreError) from error
        self.driver = psycopg
        self.address = address
        self.store = store
        self.wait = wait
        self.closed = False
        self._process = PerProcess()
        self._renew()
        self.call(self._prepare, patient=False)

    def _renew(self) -> None:
        self._free: deque[Any] = deque()
        self._writers: deque[Writer] = deque()

    def call(self, work: Callable[[Any], Any], *, patient: bool = True) -> Any:
        """``work(connection)``, again and again while the server cannot be reached; ``work`` may be repeated.

        Args:
            work: does its reads or its whole transaction.
            patient: whether to wait for a server that is away.

        Raises:
            StoreError: it stays away, or refuses.
        """
        deadline = time.monotonic() + (self.wait if patient else 0.0)
        pause = 0.005
        while True:
            try:
                with self._connection() as connection:
                    return work(connection)
            except self.driver.Error as error:
                if not self._passing(error) or time.monotonic() > deadline:
                    raise self._refused(error) from None  # the driver's own message may hold the password
            time.sleep(random.uniform(0, pause))
            pause = min(pause * 2, 0.2)

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """A writer with a new number that nobody else uses meanwhile."""
        self._check()
        try:
            found = self._writers.pop()
        except IndexError:
            found = Writer()
        found.number += 1
        yield found
        self._writers.append(found)  # not after an error: its last change may still arrive

    def close(self) -> None:
        """Close the connections that are not in use; the rest closes when it is given back."""
        if self._process.own():
            self.closed = True
            while self._free:
                self._free.pop().close()

    def _check(self) -> None:
        self._process.renew(self._after_fork)
        if self.closed:
            raise StoreError(f"{self.store} is closed; open it again")

    def _after_fork(self) -> None:
        """The parent's connections must neither be used nor closed."""
        self._inherited = self._free
        self._renew()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        self._check()
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._connected()
        try:
            yield connection
        except BaseException:
            connection.close()  # whatever it was doing is undone by the server
            raise
        if self.closed:
            connection.close()
        else:
            self._free.append(connection)

    def _connected(self) -> Any:
        limits = f"-c lock_timeout={int(self.wait * 1000)} -c idle_in_transaction_session_timeout={_FROZEN_MS}"
        options = f"-c search_path={self.address.schema} -c client_encoding=UTF8 {limits}"
        made = self.driver.connect(
            self.address.plain, autocommit=True, connect_timeout=5, options=options, application_name="paragrad", prepare_threshold=2
        )
        postgres_arrays.register(made)
        return made

    def _prepare(self, connection: Any) -> None:
        """Make the tables of a new schema; refuse one of another program."""
        with connection.transaction():
            connection.execute(tables.LOCK, (lock_number(self.address.schema),))
            found = {row[0] for row in connection.execute(tables.TABLES, (self.address.schema,))}
            if "paragrad_format" not in found:
                if found:
                    what = f"the schema {self.address.schema!r} belongs to another program"
                    raise StoreError(f"{self.store}: {what}; give another ?schema=, nothing was changed")
                connection.execute(tables.CREATE.format(schema=self.address.schema))
            version = connection.execute("SELECT version FROM paragrad_format").fetchone()[0]
            if version > tables.FORMAT:
                raise StoreError(f"{self.store} was written by a newer version of paragrad (format {version}); upgrade to open it")
            connection.execute(tables.FORGET)

    def _passing(self, error: Any) -> bool:
        """Whether this may be over soon: a server that restarts, a connection that broke, a deadlock."""
        if error.sqlstate in _PASSING:
            return True
        if not isinstance(error, self.driver.OperationalError) or error.sqlstate is not None:
            return False
        text = str(error)
        return not any(word in text for word in ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf"))

    def _refused(self, error: Any) -> StoreError:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        for secret in self.address.secrets:
            text = text.replace(secret, "***")
        return StoreError(f"{self.store}: PostgreSQL at {self.address.shown} {self._advice(error, text)}")

    def _advice(self, error: Any, text: str) -> str:
        """What an error means and what to do."""
        if "authentication failed" in text or "no password supplied" in text:
            return f"refuses the user or the password ({text}); correct the URL, PGPASSWORD or ~/.pgpass"
        if error.sqlstate is None and "does not exist" in text:
            return f"has no such database or user ({text}); make it (createdb, createuser), or correct the URL"
        if error.sqlstate == "42501":
            return f"forbids it ({text}); GRANT CREATE ON DATABASE, or give a ?schema= that the user may write to"
        if error.sqlstate in ("42P01", "3F000"):
            return f"has lost tables of this store ({text}); restore the database from a backup"
        if error.sqlstate == "55P03":
            return f"is kept locked by another client for {self.wait:.0f} s; stop it, or try again later"
        if self._passing(error):
            return f"cannot be reached ({text}); start it, or correct the URL"
        return f"refuses ({text}); nothing was changed"


def lock_number(schema: str) -> int:
    """The number of the lock that writers of a schema take."""
    return int.from_bytes(hashlib.sha256(f"paragrad {schema}".encode()).digest()[:8], "big", signed=True)
