"""Observations: what an agent sees of the world, as plain data and as words."""

from __future__ import annotations

import json
import re
from types import GeneratorType
from typing import Any

from paragrad.modules.media import Media
from paragrad.trace.failure import Failure
from paragrad.trace.values import ATOMS
from paragrad.trace.variable import Variable

NOTHING = "done"  # what a model reads where there is no value
EMPTY = "(empty)"  # and where there are no words: some servers refuse a message without any


def plain_data(value: Any) -> Any:
    """``value`` as JSON-like data of its own: dataclasses and models as dicts, arrays as lists, the rest by its text.

    A Variable is handed on, so that its history is kept; an image, sound or file is handed on as it is.
    """
    if (value.__class__ in ATOMS and not isinstance(value, (bytes, complex))) or isinstance(value, (Variable, Media)):
        return value
    from pydantic_core import to_jsonable_python

    if isinstance(value, GeneratorType):
        value = list(value)
    elif isinstance(value, (set, frozenset)):  # in an order that is the same in every process
        value = sorted(value, key=repr)
    return to_jsonable_python(value, fallback=_other, bytes_mode="base64", inf_nan_mode="constants")


def words_of(value: Any) -> str:
    """An observation as a model reads it."""
    if isinstance(value, str):
        return value or EMPTY
    if isinstance(value, Failure):
        return f"error: {value.message}" if value.type in OWN else f"error: {value.type}: {value.message}"
    return NOTHING if value is None else json.dumps(value, ensure_ascii=False, default=_other)


OWN = ("BadArguments", "UnknownTool")  # errors that are meant for the model


def _other(value: Any) -> Any:
    """What is no data: a Variable's value (the read is noted), arrays as lists, else its text without an address."""
    if isinstance(value, Variable):
        return plain_data(value.value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
