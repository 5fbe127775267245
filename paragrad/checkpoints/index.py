"""The index: what each value of a file belongs to, in columns, so that 10,000 small ones cost milliseconds.

Parameters of one description share a *row*: space, element type and shape, role, flags. The index
lists the rows, the keys, and the row of each key. Arrays that have no tensor of their own, and every
other value, stand one after another in one packed tensor, each at a multiple of eight bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paragrad.errors import UsageError

INDEX, PACKED = "__paragrad_index__", "__paragrad_packed__"
FLAGS = ("requires_grad", "layerwise_parallel", "sliced", "is_init")
ALIGNED = 8


@dataclass
class Index:
    """The columns.

    Attributes:
        rows: (space's spec or None, element type or None, shape, role or None, flags, whether it has a name), each once.
        keys: where each Parameter belongs.
        row_of: the row of each key.
        names: key to name, where it is another.
        own: keys whose arrays are tensors of the file under that name.
        sizes: key to bytes of values that are no arrays.
    """

    rows: list[Any] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    row_of: list[int] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    own: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Compact JSON.

        Raises:
            UsageError: a key that is no Unicode text.
        """
        text = json.dumps(vars(self), ensure_ascii=False, separators=(",", ":"))
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            wrong = text[max(0, error.start - 20) : error.end + 20]
            raise UsageError(f"a key or role holds {wrong!a}, half of a character, which no file can hold; give it another name") from None


def decoded(data: bytes) -> Index:
    """The index of those bytes.

    Raises:
        ValueError: they hold none.
    """
    try:
        found = json.loads(data)
        index = Index(**found)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("the index is not readable") from error
    wanted: Mapping[str, type] = {"rows": list, "keys": list, "row_of": list, "names": dict, "own": list, "sizes": dict}
    if not all(type(getattr(index, name)) is kind for name, kind in wanted.items()):
        raise ValueError("the index has columns of another kind")
    known = len(index.rows)
    if (
        len(index.keys) != len(index.row_of)
        or not _all(str, index.keys)
        or len(set(index.keys)) != len(index.keys)
        or not _all(int, index.row_of)
        or not all(0 <= row < known for row in set(index.row_of))
        or not _all(int, index.sizes.values())
        or not all(size >= 0 for size in index.sizes.values())
        or not _all(str, index.own)
        or not _all(str, index.names.values())
        or not {*index.names, *index.own, *index.sizes} <= set(index.keys)
    ):
        raise ValueError("the index has columns that do not fit each other")
    index.rows = [_row(row) for row in index.rows]
    return index


def _all(kind: type, parts: Iterable[Any]) -> bool:
    """Whether all are of exactly that type."""
    return set(map(type, parts)) <= {kind}


def _row(row: Any) -> tuple[Any, ...]:
    """A row, its parts checked by type."""
    if type(row) is not list or len(row) != 6:
        raise ValueError("the index has a row that is none")
    spec, dtype, shape, role, flags, called = row
    good = (
        (spec is None or isinstance(spec, Mapping))
        and (dtype is None or type(dtype) is str)
        and type(shape) is list
        and all(type(size) is int and size >= 0 for size in shape)
        and len(shape) <= 32
        and (role is None or type(role) is str)
        and type(flags) is list
        and len(flags) == len(FLAGS)
        and all(type(flag) is bool for flag in (*flags, called))
    )
    if not good:
        raise ValueError("the index has a row with parts of another kind")
    return spec, dtype, tuple(shape), role, tuple(flags), called


def aligned(parts: Sequence[Any], size: int) -> Sequence[Any]:
    """Values, each followed by what fills it up to an aligned place.

    Args:
        size: the bytes of each; -1: they are bytes of any length.
    """
    if size >= 0 and size % ALIGNED == 0:
        return parts
    return [piece for part in parts for piece in (part, b"\0" * (-(size if size >= 0 else len(part)) % ALIGNED))]


def joined(parts: Sequence[Any]) -> bytes:
    """Bytes and arrays one after another."""
    try:
        return b"".join(parts)
    except (BufferError, ValueError):  # an array whose elements are not in order
        return b"".join([part if isinstance(part, bytes) else part.tobytes() for part in parts])
