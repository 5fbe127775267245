"""What can be saved from a reply that was cut off: whole parts, and never a guess at the part that was cut."""

from __future__ import annotations

import json
from typing import Any

from paragrad.llm.parsing import ReplyError, extract_json

_BLANKS = " \t\r\n"


def whole_pairs(reply: str, name: str = "values") -> dict[str, Any]:
    """Pairs of the object called ``name`` in a reply that ends in the middle; the last, unfinished one is left out.

    Nothing of a reply that goes on after the object, or names a parameter twice: that is not cut off but ambiguous.
    """
    start = _opening(reply, name, "{")
    if start < 0:
        return {}
    pairs: dict[str, Any] = {}
    at = start + 1
    while True:
        try:
            key, at = _decoded(reply, _skip(reply, at, _BLANKS + ","))
            at = _skip(reply, at, _BLANKS)
            if not isinstance(key, str) or reply[at : at + 1] != ":":
                return pairs
            value, at = _decoded(reply, _skip(reply, at + 1, _BLANKS))
        except (ValueError, IndexError, RecursionError):
            return pairs
        at = _skip(reply, at, _BLANKS)
        if reply[at : at + 1] not in (",", "}"):
            return pairs
        if key in pairs:
            return {}
        pairs[key] = value
        if reply[at] == "}":
            return {} if reply[at + 1 :].strip() else pairs


def whole_elements(reply: str, name: str) -> list[Any]:
    """Elements of the array called ``name`` in a reply that ends in the middle; the last, unfinished one is left out."""
    start = _opening(reply, name, "[")
    if start < 0:
        return []
    elements: list[Any] = []
    at = start + 1
    while True:
        try:
            value, at = _decoded(reply, _skip(reply, at, _BLANKS + ","))
        except (ValueError, IndexError, RecursionError):
            return elements
        at = _skip(reply, at, _BLANKS)
        if reply[at : at + 1] not in (",", "]"):
            return elements
        elements.append(value)
        if reply[at] == "]":
            return [] if reply[at + 1 :].strip() else elements


def _opening(reply: str, name: str, bracket: str) -> int:
    """Where the named object or array of a cut reply opens; -1: the reply is whole, or has none, or has two."""
    marked = f'"{name}"'
    place = reply.find(marked)
    if place < 0 or reply.find(marked, place + 1) >= 0 or _is_whole(reply):
        return -1
    at = _skip(reply, place + len(marked), _BLANKS)
    if reply[at : at + 1] != ":":
        return -1
    at = _skip(reply, at + 1, _BLANKS)
    return at if reply[at : at + 1] == bracket else -1


def _is_whole(reply: str) -> bool:
    try:
        extract_json(reply, dict)
    except ReplyError:
        return False
    return True


def _decoded(text: str, at: int) -> tuple[Any, int]:
    return _DECODER.raw_decode(text, at)


def _skip(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
