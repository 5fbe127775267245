"""Content digests: equal values have equal digests in every process; and values shortened for messages."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, time
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from paragrad.errors import DataError


def digest(value: Any) -> str:
    """sha256 of a value's content.

    Raises:
        DataError: an object whose content cannot be read (no fields, no bytes, no JSON form).
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """One JSON text per content. Tuples count as lists; arrays by dtype, shape and bytes; what has a ``content_key()`` by that."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{short(value)} has no content digest: {error}; use JSON-like values, arrays, dataclasses or models") from error


def _plain(value: Any) -> Any:
    """JSON for what JSON does not know, tagged with its type."""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    own = getattr(type(value), "content_key", None)
    if own is not None:
        return [name, own(value)]
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return [name, sorted(map(canonical, value))]
    if isinstance(value, bytes | bytearray | memoryview):
        return [name, hashlib.sha256(value).hexdigest()]
    if isinstance(value, date | time | Decimal | Fraction | PurePath | UUID | complex):
        return [name, str(value)]
    if isinstance(value, Enum):
        return [name, value.name]
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):  # numpy arrays and scalars
        return [name, str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
    if hasattr(value, "model_dump"):  # pydantic models
        return [name, value.model_dump()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [name, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}]
    if isinstance(value, Sequence):
        return [name, list(value)]
    if hasattr(value, "__dict__") and not callable(value):
        return [name, vars(value)]
    raise TypeError(f"a value of type {name}")


def short(value: Any, limit: int = 80) -> str:
    """``repr`` of a value, at most ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def near(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'x'?" or the list of known names, for messages."""
    known = list(known)
    lowered = {other.lower(): other for other in reversed(known)}
    found = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(map(repr, found))}? " if found else ""
    return f"{hint}columns: {', '.join(known[:30])}{', …' if len(known) > 30 else ''}"
