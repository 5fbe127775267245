"""Strict JSON out of a model's reply: fences and prose around it are forgiven, a guess is never made."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

LARGEST_REPLY = 4_000_000
DEEPEST = 100

_THOUGHT = re.compile(r"\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_UNFINISHED_THOUGHT = re.compile(r"\s*<think(?:ing)?>")
_FENCED = re.compile(r"\s*```[A-Za-z0-9_-]*[ \t]*\n(.*?)\n?[ \t]*```\s*", re.DOTALL)
_PROSE = re.compile(r"\{[\w .\-]{0,60}\}|\[[^\[\]{}\"':,\n]{0,120}\]")  # {placeholder}, [1], [see below], [x]
_KINDS: dict[type[Any], str] = {dict: "a JSON object", list: "a JSON array"}


class ReplyError(ValueError):
    """A reply that holds no unambiguous JSON; the message is meant for the model that wrote it."""


def extract_json(text: str, expect: type[dict[Any, Any]] | type[list[Any]] | None = None) -> Any:
    """The one JSON value in a reply.

    The whole reply (or all of its one code fence) may be any JSON value. Otherwise exactly one object
    or array must stand in it, whole. Two of them, a cut one, a key given twice, NaN, or quotes that
    are not JSON's are errors.

    Args:
        text: the reply.
        expect: ``dict`` or ``list``: only that counts; None: either.

    Raises:
        ReplyError: says what is wrong and where.
    """
    text = _answer_part(text)
    value = _whole(text)
    if value is _NOTHING:
        value = _only(text, _found(text), expect)
    if expect is not None and not isinstance(value, expect):
        raise ReplyError(f"the reply is {json.dumps(value)[:60]}, not {_KINDS[expect]}")
    return value


def _answer_part(text: str) -> str:
    """The reply without a finished leading thought and without invisible marks at its ends."""
    if len(text) > LARGEST_REPLY:
        raise ReplyError(f"the reply has {len(text)} characters; at most {LARGEST_REPLY} are read")
    text = text.strip("\ufeff\u200b \t\r\n")
    if _UNFINISHED_THOUGHT.match(text):
        rest = _THOUGHT.sub("", text, count=1)
        if rest == text:
            raise ReplyError("the reply ends inside its <think> part; answer after it")
        text = rest.strip()
    if not text:
        raise ReplyError("the reply is empty")
    fenced = _FENCED.fullmatch(text)
    return fenced[1].strip() if fenced and "```" not in fenced[1] else text


_NOTHING = object()


def _whole(text: str) -> Any:
    """The value if the text is JSON from end to end."""
    try:
        value, end = _decode(text, 0)
    except ReplyError:
        raise
    except ValueError:
        return _NOTHING
    return value if end == len(text) else _NOTHING


def _found(text: str) -> list[Any]:
    """Every outermost object or array in the text.

    Raises:
        ReplyError: something opens like JSON and is none.
    """
    values, position = [], 0
    while (match := _OPENER.search(text, position)) is not None:
        start = match.start()
        try:
            value, position = _decode(text, start)
        except ReplyError:
            raise
        except ValueError as error:
            prose = _PROSE.match(text, start)
            if prose is None:
                raise ReplyError(f"the JSON that begins at character {start} is broken or cut off: {error}") from None
            position = prose.end()
            continue
        values.append(value)
    return values


_OPENER = re.compile(r"[{\[]")


def _only(text: str, values: list[Any], expect: type[Any] | None) -> Any:
    """The one value that counts."""
    fitting = [value for value in values if expect is None or isinstance(value, expect)]
    wanted = _KINDS.get(expect, "JSON") if expect is not None else "JSON"
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise ReplyError(f"the reply holds no {wanted.removeprefix('a ')}: {text[:60]!r}; answer with {wanted} only")
    raise ReplyError(f"the reply holds {len(fitting)} JSON values where one is meant; answer with one only")


def _decode(text: str, start: int) -> tuple[Any, int]:
    """One JSON value and where it ends.

    Raises:
        ReplyError: it is JSON, but not one this library accepts.
        ValueError: it is no JSON.
    """
    if _too_deep(text, start):
        raise ReplyError(f"the JSON is nested deeper than {DEEPEST} levels")
    try:
        value, end = _DECODER.raw_decode(text, start)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ReplyError("the JSON holds half of a surrogate pair (\\ud800 to \\udfff), which is no character") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    return value, end


def _too_deep(text: str, start: int) -> bool:
    """Whether brackets open deeper than is read; counts them outside of strings, in one pass."""
    depth = 0
    for match in _BRACKETS.finditer(text, start):
        token = match[0]
        if token in "{[":
            depth += 1
            if depth > DEEPEST:
                return True
        elif token in "}]":
            depth -= 1
            if depth <= 0:
                return False
    return False


_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise ReplyError(f"the key {next(name for name in names if names.count(name) > 1)[:60]!r} is given twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ReplyError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ReplyError(f"the number {text[:30]} is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > 400:
        raise ReplyError(f"the number {text[:30]}… is too large")
    return int(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer)
