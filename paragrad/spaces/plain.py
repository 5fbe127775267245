"""JSON-like values: fresh copies, canonical text, and errors that name the element.

A JSON-like value is None, a bool, a finite number, a text, or a list, tuple or string-keyed mapping of such values.
"""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

MAX_DEPTH = 64
"""Deepest nesting of a value; more is refused, so nothing here can exhaust the stack."""

MAX_BITS = 4096
"""Longest integer; Python itself refuses to write much longer ones."""

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 60


def short(value: Any) -> str:
    """The value in at most some 200 characters, for messages. Costs nothing on huge values and never fails."""
    try:
        text = _REPR.repr(value)
    except ValueError:  # an integer too long for Python to write
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 200 else text[:120] + "…" + text[-79:]


def plain(value: Any, path: str = "data", *, models: bool = False, depth: int = 0) -> Any:
    """A fresh copy made of dicts, lists, texts, numbers, bools and None only.

    Args:
        value: anything JSON-like; subclasses and numpy scalars become the plain type.
        path: how the value is called in messages.
        models: whether pydantic models and dataclasses count as mappings.
        depth: nesting so far.

    Raises:
        TypeError: an element of another type, named as in ``data[1]['x']: bytes``.
        ValueError: nan, infinity, a lone surrogate, a huge integer, or nesting beyond ``MAX_DEPTH``.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return whole_text(value, path)
    if isinstance(value, numbers.Real):
        return plain_number(value, path)
    if depth >= MAX_DEPTH:
        raise ValueError(f"{path[:60]}…: nested deeper than {MAX_DEPTH} levels, or contains itself; flatten it")
    if isinstance(value, Mapping):
        return {
            _key(key, path): part if _is_plain(part) else plain(part, f"{path}[{key!r}]", models=models, depth=depth + 1)
            for key, part in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [
            part if _is_plain(part) else plain(part, f"{path}[{index}]", models=models, depth=depth + 1) for index, part in enumerate(value)
        ]
    fields = _fields(value) if models else None
    if fields is not None:
        return plain(fields, path, models=models, depth=depth + 1)
    raise TypeError(f"{path}: {type(value).__name__} is not JSON-like ({_advice(value)})")


def plain_number(value: Any, path: str = "data") -> int | float:
    """The number as a Python int or float.

    Raises:
        ValueError: nan, infinity, or an integer of more than ``MAX_BITS`` bits.
    """
    if isinstance(value, numbers.Integral):
        whole = int(value)
        if whole.bit_length() > MAX_BITS:
            raise ValueError(f"{path}: an integer of {whole.bit_length()} bits is too long; at most {MAX_BITS}")
        return whole
    try:
        real = float(value)
    except OverflowError:
        real = math.inf
    if not math.isfinite(real):
        raise ValueError(f"{path}: {real} is not a finite number")
    return real


def whole_text(value: str, path: str = "data") -> str:
    """The text as an exact ``str`` that has bytes in UTF-8.

    Raises:
        ValueError: it holds half of a surrogate pair.
    """
    text = str.__str__(value) if type(value) is not str else value
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{path}: character {error.start} is half of a surrogate pair and has no bytes; remove it") from None
    return text


def dump(value: Any, *, sort: bool = False, indent: int | None = None) -> str:
    """JSON text of a plain value. The order of keys is kept, so what is read back shows the same words to a model."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=sort, indent=indent, separators=separators)


def pretty(value: Any) -> str:
    """JSON text for reading: on one line when short, else indented."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return line if len(line) <= 100 else dump(value, indent=2)


def same(a: Any, b: Any) -> bool:
    """Equality that also holds types apart: True is not 1, 1 is not 1.0; the order of keys does not matter."""
    return dump(a, sort=True) == dump(b, sort=True)


def load(text: str | bytes, *, what: str = "JSON") -> Any:
    """The plain value a JSON text says.

    Raises:
        ValueError: not JSON, a name twice in one object, nan or infinity, or nested too deeply.
    """
    try:
        source = text.decode() if isinstance(text, bytes) else text
        value = json.loads(source, object_pairs_hook=_object, parse_constant=_no_constant)
        return plain(value, "value")
    except RecursionError:
        raise ValueError(f"this is not {what}: nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"this is not {what}: byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not {what}: {error.msg} at line {error.lineno}, column {error.colno}; got {short(text)}") from None


def unfence(text: str, languages: Sequence[str]) -> str:
    """The inside of a reply that is one fenced block as a whole, else the reply."""
    body = text.strip()
    head, newline, rest = body.partition("\n")
    if newline and body.endswith("```") and head.startswith("```") and head[3:].strip().lower() in ("", *languages):
        inside = rest[: -len("```")]
        return inside.removesuffix("\n")
    return text


def _is_plain(value: Any) -> bool:
    """The common elements, told without writing their path."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is int:
        return bool(value.bit_length() <= MAX_BITS)
    return value.isascii() if kind is str else kind is bool


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{path}: the key {short(key)} is {type(key).__name__}, and JSON-like mappings have texts as keys; use str(key)")
    return whole_text(key, f"a key of {path}")


def _fields(value: Any) -> Mapping[str, Any] | None:
    """The fields of a pydantic model (its JSON form) or of a dataclass; None for other objects."""
    dump_model: Callable[..., Any] | None = getattr(type(value), "model_dump", None)
    if dump_model is not None:
        fields: Mapping[str, Any] = dump_model(value, mode="json", by_alias=True)
        return fields
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _advice(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return "decode it to a text"
    if hasattr(value, "tolist"):
        return "write value.tolist()"
    if isinstance(value, set | frozenset):
        return "write sorted(value)"
    return "convert it, or keep the whole value by reference with space=pg.Opaque()"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {short(twice)} is written twice in one object; write it once")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value; write a finite number")
