"""RayStore: a Ray actor as parameter server, in front of a store that stays.

The actor has a name and belongs to no driver: every driver and task of the cluster that opens the same
URL meets the same one. It answers once the store behind has what it was told; when it dies, the next
call makes it anew from that store.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from paragrad.errors import Conflict, StoreError, UsageError, not_installed
from paragrad.stores.backend import Change, Decide, Pointer, Row
from paragrad.stores.native import Native
from paragrad.stores.ray_keeper import Keeper
from paragrad.stores.urls import redacted

_NAMESPACE = "paragrad"
_THREADS = 16


class RayStore(Native):
    """Versions, gradients, releases and states behind a Ray actor, which also applies update rules.

    Args:
        url: ``"ray://?behind=sqlite:////abs/file.db"`` in the cluster this process belongs to (RAY_ADDRESS, or a new one
            on this machine), or ``"ray://host:10001?behind=..."`` to reach one from outside. What follows ``behind=`` is the
            URL of any store that stays.
        reproducible: gradient sums that do not depend on the order of the pushes; the first to open it decides.
        lease_seconds: after this time gradients that were taken and not consumed return.
        wait: seconds to wait for an actor that is made anew.

    Raises:
        UsageError: no store behind.
        StoreError: the package ray is missing, the cluster cannot be reached, or the store behind refuses.
    """

    def __init__(self, url: str, *, reproducible: bool = False, lease_seconds: float = 600.0, wait: float = 30.0) -> None:
        self._cluster, self._behind = _parted(url)
        self.key = f"ray://{self._cluster}?behind={redacted(self._behind)}"
        self.reproducible = reproducible
        self.lease_seconds = lease_seconds
        self.wait = wait
        self._ray = _connected(self._cluster, repr(self))
        self._actor: Any = None
        self._guard = threading.Lock()
        self._clients: deque[tuple[str, int]] = deque()
        self._pid = os.getpid()
        self.durable = self._call("durable")

    def __reduce__(self) -> tuple[Any, ...]:
        return RayStore, (f"ray://{self._cluster}?behind={self._behind}",)

    def apply_rule(self, conf: Any, ids: Sequence[str], state_name: str) -> Any:
        """Let the actor apply an update rule; pushes that arrive meanwhile are kept for the next step."""
        self._call("apply", conf, list(ids))

    def keys(self, prefix: str) -> list[str]:
        """Keys of documents."""
        return list(self._call("keys", prefix))

    # The methods of Backend.

    def _change(self, keys: Sequence[str], ids: Sequence[str], decide: Decide, durable: bool = True) -> Any:
        deadline = time.monotonic() + self.retry_seconds
        while True:
            documents, pointers = self._call("both", list(keys), list(ids))
            change = decide(documents, pointers)
            if not change.documents and not change.rows:
                return change.result
            seen = {key: documents.get(key) for key in keys if key in change.documents}
            written = Change(dict(change.documents), list(change.rows))
            if self._numbered("change", seen, {id: pointers.get(id) for id in ids}, written):
                return change.result
            if time.monotonic() > deadline:
                raise Conflict(f"{self!r} is written by others all the time; nothing was changed in {self.retry_seconds:.0f} s; try again")

    def _push(self, name: str, delta: Any, scale: float, token: str | None) -> None:
        self._numbered("push", name, delta, scale, token)

    def _documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = self._call("documents", list(keys))
        return found

    def _pointers(self, ids: Sequence[str]) -> dict[str, Pointer]:
        found: dict[str, Pointer] = self._call("pointers", list(ids))
        return found

    def _row(self, id: str, at: int | None = None) -> Row | None:
        found: Row | None = self._call("row", id, at)
        return found

    def _rows(self, id: str) -> list[Row]:
        return list(self._call("rows", id))

    def _ids(self, prefix: str) -> list[str]:
        return list(self._call("ids", prefix))

    # The actor.

    def _numbered(self, method: str, *given: Any) -> Any:
        """A call that changes something: it has a number, so a repetition is known as one."""
        if self._pid != os.getpid():
            raise StoreError(f"{self!r}: Ray does not survive a fork; open the store in the new process")
        try:
            client, number = self._clients.pop()
        except IndexError:
            client, number = uuid4().hex, 0
        answer = self._call(method, client, number + 1, *given)
        self._clients.append((client, number + 1))
        return answer

    def _call(self, method: str, *given: Any) -> Any:
        """Ask the actor, and its successor if it dies."""
        errors = self._ray.exceptions
        deadline = time.monotonic() + self.wait
        while True:
            try:
                return self._ray.get(getattr(self._found(), method).remote(*given), timeout=self.wait)
            except errors.RayTaskError as error:
                cause = getattr(error, "cause", None)
                raise (cause if isinstance(cause, Exception) else StoreError(f"{self!r}: {error}")) from None
            except (errors.RayActorError, errors.GetTimeoutError) as error:
                self._actor = None
                reason = str(error)
                if time.monotonic() > deadline or "error in its constructor" in reason or "creation task" in reason:
                    why = next((line for line in reversed(reason.splitlines()) if line.strip()), type(error).__name__)
                    raise StoreError(f"{self!r}: the actor cannot be made, or does not answer: {redacted(why.strip())[:300]}") from None
            time.sleep(0.05)

    def _found(self) -> Any:
        """The actor of this name, made when there is none."""
        with self._guard:
            if self._actor is None:
                name = f"paragrad-{hashlib.sha256(self._behind.encode()).hexdigest()[:16]}"
                options = {"name": name, "namespace": _NAMESPACE, "lifetime": "detached", "get_if_exists": True}
                made = self._ray.remote(Keeper).options(**options, max_restarts=-1, max_concurrency=_THREADS, num_cpus=0)
                self._actor = made.remote(self._behind, self.reproducible, self.lease_seconds)
            return self._actor


def _parted(url: str) -> tuple[str, str]:
    """Address of the cluster ("": this one) and URL of the store behind."""
    rest = url.partition("://")[2]
    cluster, question, options = rest.partition("?")
    name, _, behind = options.partition("=")
    if not question or name != "behind" or not behind or behind.startswith("ray:"):
        raise UsageError(f"{redacted(url):.120} names no store behind the actor; write 'ray://?behind=sqlite:////abs/file.db'")
    return cluster.strip("/"), unquote(behind) if "%3A" in behind.upper() else behind


def _connected(cluster: str, shown: str) -> Any:
    """The module ray, connected."""
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise not_installed("a ray:// store", "ray", "ray", StoreError) from error
    if not ray.is_initialized():
        quiet: dict[str, Any] = (
            {"log_to_driver": False, "include_dashboard": False} if not cluster and "RAY_ADDRESS" not in os.environ else {}
        )
        try:
            ray.init(f"ray://{cluster}" if cluster else None, namespace=_NAMESPACE, configure_logging=False, **quiet)
        except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
            raise StoreError(
                f"{shown}: the Ray cluster cannot be reached ({error}); start it (ray start --head), or correct the URL"
            ) from error
    return ray
