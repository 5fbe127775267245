"""Fingerprints: what tells values apart, also arrays and other values that do not compare as one; and values as text."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from paragrad.protocols.evidence import Candidate


def marks(values: Mapping[str, Any], spaces: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of every value, by id; of a value that has none, what is shown of it."""
    return {id: _mark(value, spaces.get(id)) for id, value in values.items()}


def fingerprint(candidate: Candidate, ids: Iterable[str] | None = None) -> str:
    """Sixteen digits that two candidates share when their values (under ``ids``, or all) are the same."""
    chosen = candidate.values if ids is None else {id: candidate.values[id] for id in ids if id in candidate.values}
    digest = sha256()
    for id, mark in sorted(marks(chosen, candidate.spaces).items()):
        for part in (id.encode(), mark):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def fresh(candidates: Iterable[Candidate], known: Iterable[str] = ()) -> list[Candidate]:
    """Candidates that change something, each once, without those whose fingerprint is known."""
    seen, found = set(known), []
    for candidate in candidates:
        mark = fingerprint(candidate)
        if candidate.changed() and mark not in seen:
            seen.add(mark)
            found.append(candidate)
    return found


def written(space: Any, value: Any) -> str:
    """A value as a text for an optimizer's state: its bytes where they are one, else base64 behind a mark."""
    data = space.encode(value)
    try:
        text: str = data.decode()
    except UnicodeDecodeError:
        return "\0" + base64.b64encode(data).decode()
    return text


def read(space: Any, text: str) -> Any:
    """The inverse of :func:`written`."""
    return space.decode(base64.b64decode(text[1:]) if text.startswith("\0") else text.encode())


def _mark(value: Any, space: Any) -> bytes:
    if space is None:
        return repr(value).encode("utf-8", "backslashreplace")
    written = space.encode(value) if getattr(space, "has_bytes", True) else space.show(value).encode("utf-8", "backslashreplace")
    return bytes(written)
