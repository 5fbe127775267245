"""Json: a JSON-like value of a given type or JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paragrad.spaces.base import Base, words_of
from paragrad.spaces.json_schema import check_schema, validate_checked
from paragrad.spaces.plain import dump, load, plain, pretty, same, short, unfence
from paragrad.spaces.wording import change, diff_lines, shorten

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

MAX_PROBLEMS = 5
"""Most problems one error names."""


class Json(Base[Any]):
    """A JSON-like value, kept as plain dicts, lists, texts and numbers whatever the schema is.

    A type is validated by pydantic (strictly: "3" is not an int), custom validators included. Its ``spec``
    is its JSON Schema, so a space rebuilt from it knows no custom validators, and equals this one.

    Args:
        schema: a pydantic model, dataclass or other type, a JSON Schema mapping (see ``json_schema``), or None for anything JSON-like.
    """

    kind = "json"
    plain = True
    schema: Any
    _adapter: TypeAdapter[Any] | None
    _checked: dict[str, Any] | None

    def __init__(self, schema: Any = None) -> None:
        adapter = None if schema is None or isinstance(schema, Mapping) else _adapter_of(schema)
        written = schema if adapter is None else adapter.json_schema()
        if written is not None:
            check_schema(written)
        self._fix(schema=schema if adapter is not None else None, _adapter=adapter, _checked=None if written is None else plain(written))

    def options(self) -> dict[str, Any]:
        """The JSON Schema, or None."""
        return {"schema": plain(self._checked)}

    def check(self, value: Any) -> Any:
        """A fresh plain copy. Pydantic models and dataclasses become dicts of their fields.

        Raises:
            TypeError: an element that is not JSON-like, named as ``data[1]['x']``.
            ValueError: it does not fit the schema; the first problems with their paths.
        """
        found = plain(value, models=True)
        problems = self._problems(found)
        if problems:
            more = f" (and {len(problems) - MAX_PROBLEMS} more)" if len(problems) > MAX_PROBLEMS else ""
            raise ValueError("; ".join(shorten(problem, 150) for problem in problems[:MAX_PROBLEMS]) + more)
        return found

    def typed(self, value: Any) -> Any:
        """The value as an instance of the type this space was made with; the value itself for a schema mapping."""
        return self.check(value) if self._adapter is None else self._adapter.validate_json(dump(self.check(value)))

    def show(self, value: Any, limit: int | None = None) -> str:
        """JSON, indented when long."""
        return shorten(pretty(value), limit)

    def parse(self, text: str) -> Any:
        """A JSON text, bare or in a json fence, nothing around it."""
        return self.check(load(unfence(words_of(self.kind, text), ("json",))))

    def encode(self, value: Any) -> bytes:
        """JSON; the order of keys is kept."""
        return dump(value).encode()

    def decode(self, data: bytes) -> Any:
        """The value a JSON text says."""
        return self.check(load(data))

    def diff(self, a: Any, b: Any) -> str:
        """``old → new``, or the changed lines of the indented JSON."""
        if same(a, b):
            return ""
        old, new = dump(a), dump(b)
        if len(old) + len(new) <= 100:
            return change(old, new)
        return diff_lines(dump(a, indent=2), dump(b, indent=2))

    def __repr__(self) -> str:
        if self._checked is None:
            return "Json()"
        title = self._checked.get("title")
        return f"Json({title if isinstance(title, str) else shorten(repr(self._checked), 200)})"[:300]

    def _problems(self, found: Any) -> list[str]:
        if self._adapter is not None:
            from pydantic import ValidationError

            try:
                self._adapter.validate_json(dump(found), strict=True)
            except ValidationError as error:
                return _pydantic_problems(error)
            return []
        return [] if self._checked is None else [str(problem) for problem in validate_checked(found, self._checked, "data")]


def schema_of(type_: Any) -> dict[str, Any]:
    """The JSON Schema of a pydantic model, dataclass or other type.

    Raises:
        TypeError: a type that has none.
    """
    return _adapter_of(type_).json_schema()


def _adapter_of(type_: Any) -> TypeAdapter[Any]:
    from pydantic import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    if isinstance(type_, str | bytes | list | tuple | set | int | float):
        raise TypeError(f"schema must be a type or a JSON Schema mapping, got {short(type_)}; for a few options write pg.Choice([...])")
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(type_)
        adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
        first = str(error).partition("\n")[0]
        raise TypeError(
            f"{short(type_)} has no JSON form: {shorten(first, 200)}; use a pydantic model, a dataclass or a JSON Schema"
        ) from None
    return adapter


def _pydantic_problems(error: ValidationError) -> list[str]:
    found = error.errors(include_url=False, include_context=False)
    return [f"data{''.join(f'[{step!r}]' for step in entry['loc'])}: {entry['msg']}, got {short(entry['input'])}" for entry in found]
