"""Values as a critic or an optimizer reads them: the same in every run, and never longer than there is room for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.modules.wording import text_of
from paragrad.spaces.wording import shorten
from paragrad.trace.failure import Failure
from paragrad.trace.values import brief, is_array

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def readable(value: Any) -> str:
    """A value as text: texts as they are, structures as JSON, arrays by their shape; no object addresses."""
    if isinstance(value, str):
        return value
    if isinstance(value, Failure):
        return str(value)
    if is_array(value):
        return brief(value)
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return _json(value)
    return _ADDRESS.sub("", text_of(value))


def excerpts(texts: Sequence[str], budget: int) -> list[str]:
    """Texts that have ``budget`` characters together: short ones stay whole, all long ones are cut to one length."""
    cap = longest(list(map(len, texts)), budget)
    return [shorten(text, cap) for text in texts]


def longest(lengths: Sequence[int], budget: int) -> int:
    """The greatest length to which all can be cut so that together they do not pass ``budget``."""
    left = budget
    ranked = sorted(lengths)
    for place, length in enumerate(ranked):
        share = left // (len(ranked) - place)
        if length > share:
            return max(share, 0)
        left -= length
    return max(ranked, default=0)


def _json(value: Any) -> str:
    try:
        return json.dumps(_ordered(value), ensure_ascii=False, default=_other)
    except (TypeError, ValueError):
        return _ADDRESS.sub("", repr(value))


def _ordered(value: Any) -> Any:
    """Sets as sorted lists at any depth, so that a text does not depend on the process."""
    if isinstance(value, (set, frozenset)):
        return sorted((_ordered(x) for x in value), key=repr)
    if isinstance(value, Mapping):
        return {key: _ordered(x) for key, x in value.items()}
    return [_ordered(x) for x in value] if isinstance(value, (list, tuple)) else value


def _other(value: Any) -> Any:
    """What JSON does not know, inside of what it knows."""
    return brief(value) if is_array(value) else _ADDRESS.sub("", text_of(value))
