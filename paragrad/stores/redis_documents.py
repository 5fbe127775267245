"""The documents of a RedisStore: read with their stamps, written by scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from paragrad.errors import StoreError
from paragrad.stores import redis_scripts as scripts
from paragrad.stores.appending import fit_key, folded, list_key
from paragrad.stores.ids import HEAD, parameter_key, segment
from paragrad.stores.redis_link import Link
from paragrad.stores.sealing import seal, unseal

_REMEMBERED = 3600


class Stored(NamedTuple):
    """A document as it was read.

    Attributes:
        payload: verified; of an accumulator with its list folded in.
        stamp: of the change that wrote it.
        entries: how many of its list are folded in.
    """

    payload: bytes
    stamp: bytes
    entries: int = 0


class Documents:
    """Reads and writes under one prefix.

    Args:
        link: to the server.
        exact: how gradients are summed.
    """

    def __init__(self, link: Link, exact: bool) -> None:
        self.link = link
        self.exact = exact
        self.prefix = link.address.prefix.encode()

    def name(self, key: str) -> bytes:
        """The key on the server."""
        return self.prefix + key.encode()

    def fetch(self, keys: Iterable[str]) -> dict[str, Stored]:
        """The documents that exist; accumulators and their lists are of one moment.

        Raises:
            Corrupted: one does not match its digest.
        """
        wanted = list(keys)
        lists = [key for key in wanted if key.startswith("g/")]
        if not wanted:
            return {}

        def work(client: Any) -> tuple[list[Any], list[Any]]:
            names = [self.name(key) for key in wanted]
            if not lists:
                return client.mget(names), []
            pipeline = client.pipeline(transaction=True)
            pipeline.mget(names)
            for key in lists:
                pipeline.lrange(self.name(f"q/{key[2:]}"), 0, -1)
            values, *entries = pipeline.execute()
            return values, entries

        values, entries = self.link.call(work)
        pushes = dict(zip(lists, entries, strict=True))
        return {key: self._opened(key, value, pushes.get(key, ())) for key, value in zip(wanted, values, strict=True) if value is not None}

    def _opened(self, key: str, value: bytes, entries: Sequence[bytes]) -> Stored:
        payload = unseal(key, value[scripts.STAMP :])
        if entries:
            payload = folded(f"q/{key[2:]}", payload, entries, self.exact)
        return Stored(payload, value[: scripts.STAMP], len(entries))

    def write(
        self,
        payloads: Mapping[str, bytes | None],
        known: Mapping[str, Stored],
        fits: Mapping[str, bytes] | None = None,
    ) -> bytes | None:
        """Write all of it if nothing in ``payloads`` changed since it was ``known``; its stamp, or None: something did.

        Args:
            payloads: key to new payload; None: delete.
            known: as they were read; a key that is missing must not exist.
            fits: ids started anew, to what pushes to them must have: their lists are emptied.
        """
        drops = {f"q/{key[2:]}": known[key].entries for key in payloads if key.startswith("g/") and key in known}
        drops |= {list_key(id): -1 for id in fits or ()}
        with self.link.writer() as writer:
            stamp = writer.next()
            pairs: list[bytes] = []
            for key, payload in payloads.items():
                pairs += [known[key].stamp if key in known else b"", stamp + seal(key, payload) if payload is not None else b""]
            fitted = {fit_key(id): stamp + fit for id, fit in (fits or {}).items()}
            keys = [f"w/{writer.id.hex()}", "ids", *payloads, *drops, *fitted]
            counts = [len(self.prefix), len(payloads), len(drops)]
            values = [writer.number, _REMEMBERED, *counts, *pairs, *drops.values(), *fitted.values()]
            return stamp if self.link.script(scripts.WRITE, [self.name(key) for key in keys], values) else None

    def append(self, id: str, fit: bytes, entry: bytes, mark: str | None) -> bool:
        """Append a push once; False: pushes must have another shape now."""
        with self.link.writer() as writer:
            stamp = writer.next()
            keys = [f"w/{writer.id.hex()}", fit_key(id), list_key(id), *([mark] if mark is not None else [])]
            values = [writer.number, _REMEMBERED, fit, entry, *([stamp + seal(mark, b"1")] if mark is not None else [])]
            return bool(self.link.script(scripts.APPEND, [self.name(key) for key in keys], values))

    def newest(self, id: str, stamp: bytes) -> Any:
        """0: no such id; 1: its pointer still has this stamp; else the stored pointer and its newest version."""
        return self.link.script(scripts.NEWEST, [self.name(parameter_key(id))], [stamp, self.name(f"v/{segment(id)}/")])

    def keys(self, prefix: str) -> list[str]:
        """Keys that start with ``prefix``; those of parameters come from an index."""
        if prefix.startswith("p/"):
            front = prefix.encode()
            found = self.link.call(lambda client: client.zrangebylex(self.name("ids"), b"[" + front, b"[" + front + b"\xff"))
            return [key.decode() for key in found]
        pattern = b"".join(b"\\" + bytes([c]) if c in b"*?[]^\\" else bytes([c]) for c in self.name(prefix)) + b"*"
        found = self.link.call(lambda client: list(client.scan_iter(pattern, count=1000)))
        return sorted({key[len(self.prefix) :].decode() for key in found})

    def refuse_foreign(self) -> None:
        """Refuse a prefix under which another program keeps its data.

        Raises:
            StoreError: it does.
        """
        kind, front = self.link.call(lambda client: (client.type(self.name(HEAD)), client.getrange(self.name(HEAD), 0, 0)))
        if kind not in (b"none", b"string") or (kind == b"string" and not front):
            shown = self.name(HEAD).decode()
            raise StoreError(
                f"{self.link.store}: the key {shown!r} holds data of another program; give another ?prefix=, nothing was changed"
            )

    def durability(self) -> str:
        """What the server says about its disk: "always", "everysec", "no", "none" (memory only), or "unknown"."""
        from redis.exceptions import ResponseError

        def work(client: Any) -> dict[str, str]:
            try:
                return {**client.config_get("appendonly"), **client.config_get("appendfsync")}
            except ResponseError:  # a server that others manage
                return {}

        found = {_text(name): _text(value) for name, value in self.link.call(work).items()}
        if not found:
            return "unknown"
        return found.get("appendfsync", "unknown") if found.get("appendonly") == "yes" else "none"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
