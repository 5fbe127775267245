"""Traffic splitting: which of several releases answers for a key (a user, a session), always the same one for the same key."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from paragrad.errors import UsageError
from paragrad.stores.contexts import resolve_context
from paragrad.stores.opening import open as open_store
from paragrad.stores.urls import redacted

_TAG: ContextVar[str | None] = ContextVar("paragrad_traffic_tag", default=None)


@contextmanager
def split_traffic(shares: Mapping[str, float], *, key: str, release: str | tuple[Any, str] | None = None) -> Iterator[str]:
    """Choose a tag for ``key`` by a stable hash; the block gets the tag.

        with pg.split_traffic({"production": 0.95, "next": 0.05}, key=user, release="sqlite:///x.db#route") as tag:
            route(ticket)                       # with the values of route@production or of route@next

    The same key gets the same tag in every process. A share that grows takes keys from its neighbours in ``shares``
    and gives none away, so keep the order of the tags when the shares change.

    Args:
        shares: tag (or number) to its share; they sum to 1.
        key: whose request this is.
        release: store and name, as ``"URL#name"`` or, for a store that is open already, ``(store, "name")``: the block
            then reads ``name@tag``. None: only the choice is made.

    Raises:
        UsageError: shares that are none, or do not sum to 1, or a key that is no text.
        KeyError: a tag that the release does not have, whether it is the chosen one or not.
    """
    _check(shares)
    if not isinstance(key, str) or not key:
        raise UsageError(f"key= is a text that is not empty, such as a user's id, not {key!r:.60}")
    place, name = _released(release)
    tag = _chosen(shares, f"{name}\0{key}")
    with ExitStack() as stack:
        if place is not None:
            store = open_store(place) if isinstance(place, str) else place
            views = {each: store.resolve_release(f"{name}@{each}") for each in shares}
            stack.enter_context(resolve_context(views[tag]))
        token = _TAG.set(tag)
        stack.callback(_TAG.reset, token)
        yield tag


def current_tag() -> str | None:
    """The tag that the innermost ``split_traffic`` around this chose, for records; None outside any."""
    return _TAG.get()


def _check(shares: Mapping[str, float]) -> None:
    if not isinstance(shares, Mapping) or not shares:
        raise UsageError(f"shares are {{tag: share}}, such as {{'production': 0.95, 'next': 0.05}}, not {shares!r:.80}")
    for tag, share in shares.items():
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not isinstance(tag, str) or not tag or not number or not 0 <= share <= 1:
            raise UsageError(f"{tag!r:.60}: {share!r:.60} is no share; a tag is a text and a share a number from 0 to 1")
    total = math.fsum(shares.values())
    if abs(total - 1) > 1e-9:
        raise UsageError(f"the shares {dict(shares)!r:.120} sum to {total:g}, not to 1; add what is missing to one of them")


def _released(release: str | tuple[Any, str] | None) -> tuple[Any, str]:
    """Store and name."""
    if release is None:
        return None, ""
    place, name = (
        release if isinstance(release, tuple) and len(release) == 2 else str(release).rsplit("#", 1) if "#" in str(release) else ("", "")
    )
    if not place or not isinstance(name, str) or not name or "@" in name:
        raise UsageError(f"release= is 'URL#name' or (store, 'name') without a tag, not {redacted(str(release))!r:.80}; tags are in shares")
    return place, name


def _chosen(shares: Mapping[str, float], text: str) -> str:
    place = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:7], "big") / 2**56
    end = 0.0
    for tag, share in shares.items():
        end += share
        if place < end:
            return tag
    return next(tag for tag in reversed(list(shares)) if shares[tag] > 0)  # the last of the sum was rounded away
