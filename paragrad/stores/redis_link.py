"""The connection of a RedisStore: its URL, patience with a server that restarts, and errors in our words."""

from __future__ import annotations

import os
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from paragrad.errors import StoreError, UsageError, not_installed
from paragrad.stores.urls import redacted

_PREFIX = re.compile(r"[\w.:-]{1,100}", re.ASCII)
_FIRST_WAIT = 3.0


class Address:
    """What a URL says: ``redis://user:password@host:port/database?prefix=name``; no password: that of REDIS_PASSWORD.

    Raises:
        UsageError: it names no host, or an option that there is not.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        self.prefix = options.pop("prefix", "paragrad") + ":"
        shown = redacted(url)
        if not _PREFIX.fullmatch(self.prefix):
            raise UsageError(f"{shown:.120}: the prefix is letters, digits and _ . : - ; write ?prefix=name")
        unknown = [name for name in options if not name.startswith("ssl_")]
        if (
            parts.scheme not in ("redis", "rediss")
            or not parts.hostname
            or unknown
            or (parts.path.strip("/") and not parts.path[1:].isdigit())
        ):
            why = f"there is no option {unknown[0]!r}" if unknown else "it names no server or database"
            raise UsageError(f"{shown:.120}: {why}; write redis://host:6379/0?prefix=name")
        self.password = os.environ.get("REDIS_PASSWORD") if parts.password is None else None
        self.plain = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(options), ""))
        self.shown = f"{parts.hostname}:{_port(parts, shown)}"


class Writer:
    """One of a client's hands: its changes are numbered, so the server knows which was the last."""

    __slots__ = ("id", "number")

    def __init__(self) -> None:
        self.id = os.urandom(8)
        self.number = 0

    def next(self) -> bytes:
        """The stamp of a new change."""
        self.number += 1
        return self.id + self.number.to_bytes(8, "big")


class Link:
    """Calls to one server, repeated while it restarts; safe in any thread and across a fork.

    Args:
        address: where it is.
        store: its repr, for messages; not the store itself, which must be free to go.
        wait: seconds to wait for a server that does not answer.
    """

    def __init__(self, address: Address, store: str, wait: float) -> None:
        self.address = address
        self.store = store
        self.wait = wait
        self._writers: deque[Writer] = deque()
        self._pid = os.getpid()
        self._hashes: dict[str, str] = {}
        self.client = self._connected()
        self.call(lambda client: client.ping(), min(wait, _FIRST_WAIT))

    def call(self, work: Callable[[Any], Any], wait: float | None = None) -> Any:
        """``work(client)``, again and again while the server cannot be reached; ``work`` may be repeated.

        Raises:
            StoreError: it stays away, or refuses.
        """
        import redis.exceptions as errors

        deadline = time.monotonic() + (self.wait if wait is None else wait)
        pause = 0.005
        while True:
            try:
                return work(self.client)
            except (errors.AuthenticationError, errors.AuthorizationError) as error:
                raise self._refused(
                    f"refuses the user or the password ({error}); put them into the URL: redis://user:password@host"
                ) from error
            except (errors.BusyLoadingError, errors.ConnectionError, errors.TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise self._refused(f"cannot be reached ({_line(error)}); start it (redis-server), or correct the URL") from error
            except errors.RedisError as error:
                raise self._refused(_advice(str(error))) from error
            time.sleep(random.uniform(0, pause))
            pause = min(pause * 2, 0.2)

    def script(self, text: str, keys: Sequence[bytes], values: Sequence[Any]) -> Any:
        """Run a script; its text is sent once."""
        from redis.exceptions import NoScriptError

        def work(client: Any) -> Any:
            if text not in self._hashes:
                self._hashes[text] = client.script_load(text)
            try:
                return client.evalsha(self._hashes[text], len(keys), *keys, *values)
            except NoScriptError:  # the server was restarted
                self._hashes[text] = client.script_load(text)
                return client.evalsha(self._hashes[text], len(keys), *keys, *values)

        return self.call(work)

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """A writer nobody else uses meanwhile."""
        if self._pid != os.getpid():
            self._writers, self._pid = deque(), os.getpid()
        try:
            found = self._writers.pop()
        except IndexError:
            found = Writer()
        yield found
        self._writers.append(found)  # not after an error: its last change may still arrive

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self.client.connection_pool.disconnect()

    def _connected(self) -> Any:
        try:
            import redis
        except ImportError as error:
            raise not_installed("a redis:// store", "redis", "redis", StoreError) from error
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options: dict[str, Any] = {
            "socket_connect_timeout": 5.0,
            "socket_timeout": 30.0,
            "retry": Retry(NoBackoff(), 0),
            "max_connections": 1000,
        }
        if self.address.password:
            options["password"] = self.address.password
        try:
            return redis.Redis.from_url(self.address.plain, **options)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self.store}: {error}; write redis://host:6379/0?prefix=name") from None

    def _refused(self, what: str) -> StoreError:
        return StoreError(f"{self.store}: Redis at {self.address.shown} {what}")


def _port(parts: Any, shown: str) -> int:
    try:
        return parts.port or 6379
    except ValueError:
        raise UsageError(f"{shown:.120}: the port is no number from 1 to 65535; write redis://host:6379/0") from None


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


def _advice(text: str) -> str:
    """What a refusal means and what to do."""
    if text.startswith("WRONGTYPE"):
        return "holds data of another program under this prefix; nothing was changed: give another ?prefix="
    if text.startswith("OOM"):
        return f"has no memory left ({text}); raise maxmemory, nothing was changed"
    if text.startswith(("NOAUTH", "WRONGPASS")):
        return f"refuses the user or the password ({text}); put them into the URL: redis://user:password@host"
    return f"refuses ({text[:300]}); nothing was changed"
