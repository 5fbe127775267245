"""Outputs: what a model was asked for, as a type; told to the model, checked in its reply."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, get_args, get_origin

from paragrad.errors import UsageError


class Output:
    """One output type.

    Attributes:
        type: the Python type asked for.
        options: the allowed texts of a Literal or Enum, else None.
    """

    def __init__(self, wanted: Any) -> None:
        self.type = str if wanted in (None, Any) else wanted
        self.options = _options(self.type)

    def hint(self) -> str:
        """What to tell the model about the form of its answer; empty for free text."""
        if self.type is str:
            return ""
        if self.options is not None:
            return _wording("options").format(options=", ".join(str(o) for o in self.options))
        if self.type in (int, float):
            return _wording("number")
        if self.type is bool:
            return _wording("bool")
        return _wording("json") + "\n" + _json(self.schema() or {})

    def schema(self) -> Mapping[str, Any] | None:
        """JSON Schema of a structured type; None for texts, numbers and options."""
        if self.type in (str, int, float, bool) or self.options is not None:
            return None
        schema: Mapping[str, Any] = self._adapter().json_schema()
        return schema

    def parse(self, text: str) -> Any:
        """The value in a reply.

        Raises:
            ValueError: it is not of this type; the message is meant for the model.
        """
        if self.type is str:
            return text.strip()
        if self.options is not None:
            return _one_of(text, self.options)
        if self.type is bool:
            return _bool(text)
        if self.type in (int, float):
            return _number(text, self.type)
        from paragrad.llm.parsing import extract_json

        return self._adapter().validate_python(extract_json(text))

    def write(self, value: Any) -> str:
        """A value as a model should have written it, for demos."""
        if isinstance(value, enum.Enum):
            return str(value.value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, (str, int, float)):
            return str(value)
        return str(self._adapter().dump_json(value, round_trip=False).decode()) if not isinstance(value, (dict, list)) else _json(value)

    def _adapter(self) -> Any:
        return _adapter(self.type)


@lru_cache(maxsize=256)
def _adapter(wanted: Any) -> Any:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    try:
        return TypeAdapter(wanted)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise UsageError(
            f"output={wanted!r} is no type a model's reply can be checked against; use str, a Literal, a dataclass or a pydantic model"
        ) from error


def _options(wanted: Any) -> dict[str, Any] | None:
    """Shown text to value, for a Literal or an Enum."""
    if get_origin(wanted) is Literal:
        return {str(option): option for option in get_args(wanted)}
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return {str(member.value): member for member in wanted}
    return None


def _one_of(text: str, options: Mapping[str, Any]) -> Any:
    """The option a reply names: exactly, or as its only mentioned one in other case or with a full stop."""
    bare = text.strip().strip("\"'`*. \n").casefold()
    for shown, value in options.items():
        if bare == shown.casefold():
            return value
    raise ValueError(f"{text.strip()[:80]!r} is none of: {', '.join(options)}. Answer with exactly one of them and nothing else")


def _bool(text: str) -> bool:
    bare = text.strip().strip("\"'`*. \n").casefold()
    if bare in ("yes", "true"):
        return True
    if bare in ("no", "false"):
        return False
    raise ValueError(f"{text.strip()[:80]!r} is neither yes nor no. Answer with yes or no and nothing else")


def _number(text: str, kind: Any) -> Any:
    bare = text.strip().strip("*`. \n").replace(",", "")
    try:
        return kind(bare)
    except ValueError:
        raise ValueError(
            f"{text.strip()[:80]!r} is not {'a whole number' if kind is int else 'a number'}. Answer with the number and nothing else"
        ) from None


@lru_cache(maxsize=32)
def _wording(name: str) -> str:
    return (files("paragrad.modules") / "prompts" / f"{name}.txt").read_text("utf-8").rstrip("\n")


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def return_type(function: Any) -> Any:
    """The return annotation of a function, resolved; str when there is none."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise UsageError(f"the annotations of {function.__name__} cannot be resolved: {error}") from error
    found = hints.get("return", str)
    return str if found is types.NoneType else found
