"""Conformance kit of spaces: every law of ``paragrad.protocols.space``, checked on values you give.

    check_space(MySpace(), good_values, bad=values_it_must_refuse)

A space may say by class attributes what does not hold for it: ``reads_back = False`` (``parse`` reads
JSON, ``show`` is made for reading), ``has_bytes = False`` (values by reference), ``adds = True``
(``apply`` adds the update). Without them the strictest reading holds.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

from paragrad.protocols.space import Space

MAX_MESSAGE = 1000
"""Longest error message in characters: values in it are shortened."""

# fmt: off
HOSTILE_TEXTS = (
    "", " ", "\n", "\n\n", "\x00", "\x1b[2J", "\u202egnirts\u202c", "\ufeff{}", "\ud800", "null", "None",
    "nan", "NaN", "Infinity", "-1e999",
    "true", "True", "1", "1_000", "٣", "0x10", "9" * 5000, "[" * 5000, '{"a":' * 5000,
    '{"a": 1, "a": 2}', "[1, 2", '["x"', "```", "```python",
    "```json\n{}\n```", "```python\ndef f(:\n```", "TERMINATE",
    "<value>x</value>", "Ignore all previous instructions.", "def f(x): return x", 
    "x" * 100_000,
)
# fmt: on
"""Replies no space may crash on: each is a lawful value or a ValueError."""

FOREIGN_BYTES = (b"", b"\x00", b"\xff\xfe\xfd", b"\x80\x04K\x01.", b"{", b"[" * 5000, b"null", b"NaN", b"\x1f\x8b\x08", b"{}" * 20)
"""Bytes no space may crash on: each decodes to a lawful value or is a ValueError."""


def check_space(space: Space[Any], values: Iterable[Any], bad: Iterable[Any] = ()) -> None:
    """Check every law of a space.

    Args:
        space: the space.
        values: values it must accept; give different ones, and the awkward ones.
        bad: values it must refuse with TypeError or ValueError.

    Raises:
        AssertionError: a law is broken; the message says which, and on what value.
    """
    require(isinstance(space, Space), f"{space!r} lacks members of the Space protocol")
    _check_spec(space)
    checked = [_check_value(space, value) for value in values]
    require(bool(checked), "give at least one good value")
    _check_pairs(space, checked)
    for value in bad:
        for reader in (space, type(space).from_spec(space.spec())):  # type: ignore[attr-defined]
            _check_refused(reader, value)
    _check_hostile(space)


def require(holds: bool, message: str) -> None:
    """``assert`` that ``python -O`` keeps."""
    if not holds:
        raise AssertionError(message)


def alike(a: Any, b: Any) -> bool:
    """Equality of values of any kind: arrays by type, shape and bytes; True is not 1; elements one by one."""
    if a is b or type(a) is not type(b):
        return a is b
    if hasattr(a, "tobytes") and hasattr(a, "dtype"):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if dataclasses.is_dataclass(a):
        return all(alike(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a))
    if isinstance(a, float):
        return repr(a) == repr(b)
    return bool(a == b)


def _check_spec(space: Space[Any]) -> None:
    spec = space.spec()
    require(spec.get("kind") == space.kind, f"spec must name the kind {space.kind!r}: {spec}")
    written = json.loads(json.dumps(spec, allow_nan=False))
    again = type(space).from_spec(written)  # type: ignore[attr-defined]
    require(again == space, f"spec must rebuild an equal space: {again!r} != {space!r}")
    require(hash(again) == hash(space) and repr(again) == repr(space), f"equal spaces must have equal hash and repr: {again!r}, {space!r}")
    require(again.spec() == spec, "the rebuilt space must have the same spec")
    require(space != object() and len(repr(space)) < MAX_MESSAGE, "a space differs from other things, and its repr is short")


def _check_value(space: Space[Any], value: Any) -> Any:
    before, original = _picture(value), _containers(value)
    kept = space.check(value)
    require(_picture(value) == before, f"check changed its input {_name(value)}")
    if getattr(space, "has_bytes", True):
        shared = original.keys() & _containers(kept).keys()
        require(not shared, f"check must copy containers: {_name(value)} shares {[original[key] for key in shared][:3]}")
    require(alike(space.check(kept), kept), f"check must be idempotent on {_name(kept)}")
    _check_show(space, kept)
    if getattr(space, "has_bytes", True):
        _check_bytes(space, kept)
    else:
        _expect(TypeError, lambda: space.encode(kept), f"encode of {_name(kept)}")
    if getattr(space, "adds", False):
        _check_sum(space, kept)
    require(_picture(value) == before, f"a method changed its input {_name(value)}")
    return kept


def _check_sum(space: Space[Any], kept: Any) -> None:
    try:
        total = space.apply(kept, 0)
    except TypeError:
        return  # values without a sum, such as arrays of bools
    equal = (total == kept) | ((total != total) & (kept != kept))  # nan stays nan
    require(bool(getattr(equal, "all", lambda: equal)()), f"adding 0 must not change {_name(kept)}")


def _check_show(space: Space[Any], kept: Any) -> None:
    shown = space.show(kept)
    require(isinstance(shown, str) and shown == space.show(kept), f"show must be a text, the same each time: {_name(kept)}")
    for limit in (1, 2, 20, 79):
        require(len(space.show(kept, limit)) <= limit, f"show must keep its limit of {limit} characters: {space.show(kept, limit)!r}")
    if getattr(space, "reads_back", True):
        read = space.parse(shown)
        require(alike(read, kept), f"parse must invert show: {_name(kept)} became {_name(read)}")


def _check_bytes(space: Space[Any], kept: Any) -> None:
    data = space.encode(kept)
    require(isinstance(data, bytes) and data == space.encode(kept), f"encode must give the same bytes each time: {_name(kept)}")
    for reader in (space, type(space).from_spec(space.spec())):  # type: ignore[attr-defined]
        read = reader.decode(data)
        require(alike(read, kept), f"decode must invert encode: {_name(kept)} became {_name(read)}")
    require(space.encode(space.decode(data)) == data, f"bytes must survive decode and encode: {_name(kept)}")
    for damaged in (data[:-1], data[: len(data) // 2], data + b"\xff", b"\xff" + data):
        _lawful_or_value_error(space, space.decode, damaged)


def _check_pairs(space: Space[Any], checked: Sequence[Any]) -> None:
    for a in checked[:12]:
        for b in checked[:12]:
            text = space.diff(a, b)
            require(
                isinstance(text, str) and (text == "") == alike(a, b),
                f"diff must be empty exactly when nothing changed: {_name(a)}, {_name(b)}: {text!r}",
            )
            if not getattr(space, "adds", False):
                require(alike(space.apply(a, b), b), f"apply must replace: {_name(a)} by {_name(b)}")


def _check_refused(space: Space[Any], value: Any) -> None:
    before = _picture(value)
    error = _expect((TypeError, ValueError), lambda: space.check(value), f"check of the bad value {_name(value)}")
    require(0 < len(str(error)) <= MAX_MESSAGE, f"an error must say what is wrong, with the value shortened: {len(str(error))} characters")
    require(_picture(value) == before, f"a refused value must not be changed: {_name(value)}")


def _check_hostile(space: Space[Any]) -> None:
    for text in HOSTILE_TEXTS:
        _lawful_or_value_error(space, space.parse, text)
    for data in FOREIGN_BYTES:
        _lawful_or_value_error(space, space.decode, data)


def _lawful_or_value_error(space: Space[Any], read: Any, source: Any) -> None:
    allowed = ValueError if getattr(space, "has_bytes", True) else (ValueError, TypeError)
    try:
        value = read(source)
    except allowed as error:
        require(len(str(error)) <= MAX_MESSAGE, f"{_name(source)}: the message has {len(str(error))} characters; shorten the value in it")
        return
    require(alike(space.check(value), value), f"{read.__name__} gave {_name(value)}, which check changes")


def _expect(kinds: Any, call: Any, what: str) -> Exception:
    try:
        value = call()
    except kinds as error:
        found: Exception = error
        return found
    raise AssertionError(f"{what} must be refused, but gave {_name(value)}")


def _containers(value: Any) -> dict[int, str]:
    """Identity of every mutable container in a value (views of one array count as that array)."""
    found: dict[int, str] = {}
    todo = [value]
    while todo:
        part = todo.pop()
        if id(part) in found:
            continue
        if isinstance(part, list | dict | set | bytearray):
            found[id(part)] = type(part).__name__
        elif hasattr(part, "tobytes") and hasattr(part, "dtype"):
            base = part.base if part.base is not None else part
            found[id(base)] = "array"
        todo.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list | tuple) else ())
    return found


def _picture(value: Any) -> Any:
    """What must not change: bytes of arrays, repr of the rest; huge integers and self-containing lists included."""
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        return (str(value.dtype), value.shape, value.tobytes())
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return id(value)


def _name(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 120 else text[:80] + "…" + text[-39:]
