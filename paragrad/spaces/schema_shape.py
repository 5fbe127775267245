"""Whether a JSON Schema itself is right: known keywords, sensible arguments, references that lead somewhere."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from paragrad.spaces.json_rules import TYPES
from paragrad.spaces.plain import plain, short


def check_schema(schema: Any) -> None:
    """Refuse a schema that could not be validated as written.

    Raises:
        TypeError: not a mapping or bool, or not JSON-like inside.
        ValueError: an unknown keyword, a wrong argument, a reference that leads nowhere or only to itself.
    """
    if not isinstance(schema, Mapping | bool):
        raise TypeError(f"a schema is a mapping or a bool, got {short(schema)}")
    plain(schema, "schema")
    todo = [("schema", schema)]
    references: set[str] = set()
    while todo:
        path, part = todo.pop()
        if isinstance(part, bool):
            continue
        if not isinstance(part, Mapping):
            raise ValueError(f"{path}: {short(part)} is not a schema; write a mapping, or true for anything")
        for keyword, argument in part.items():
            _check_keyword(f"{path}.{keyword}", keyword, argument)
        pointer = part.get("$ref")
        if pointer is not None and pointer not in references:
            references.add(pointer)
            todo.append((pointer, resolve(schema, pointer)))
        todo.extend(_inner(path, part))
    _check_loops(schema, references)


def resolve(root: Any, pointer: str) -> Any:
    """The schema that ``#`` or ``#/a/b`` names.

    Raises:
        ValueError: it names none, or lies outside this schema.
    """
    if pointer != "#" and not pointer.startswith("#/"):
        raise ValueError(f"$ref {short(pointer)} leads outside the schema; only '#' and '#/...' are followed")
    found = root
    for step in pointer[2:].split("/") if pointer != "#" else ():
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, Mapping) and name in found:
            found = found[name]
        else:
            raise ValueError(f"$ref {short(pointer)} leads nowhere: there is no {short(name)}")
    return found


def _check_keyword(path: str, keyword: str, argument: Any) -> None:
    shape = _SHAPES.get(keyword)
    if shape is None:
        near = difflib.get_close_matches(keyword, _SHAPES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "it would be ignored; remove it, or check it in the metric"
        raise ValueError(f"{path}: the keyword {short(keyword)} is not known here; {hint}")
    wanted, fits = shape
    if not fits(argument):
        raise ValueError(f"{path}: wants {wanted}, got {short(argument)}")


def _inner(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every schema directly inside one."""
    for keyword in _ONE & schema.keys():
        yield f"{path}.{keyword}", schema[keyword]
    for keyword in _MANY & schema.keys():
        for index, part in enumerate(schema[keyword]):
            yield f"{path}.{keyword}[{index}]", part
    for keyword in _NAMED & schema.keys():
        for name, part in schema[keyword].items():
            yield f"{path}.{keyword}[{name!r}]", part


def _check_loops(root: Any, references: set[str]) -> None:
    """A reference must not come back to itself before an element of the value was entered."""
    direct = {pointer: _direct(resolve(root, pointer)) for pointer in references}
    for start in sorted(references):
        seen: set[str] = set()
        todo = list(direct[start])
        while todo:
            pointer = todo.pop()
            if pointer == start:
                raise ValueError(f"$ref {short(start)} leads back to itself without entering an element; it would never end")
            if pointer not in seen:
                seen.add(pointer)
                todo.extend(direct.get(pointer, ()))


def _direct(schema: Any) -> list[str]:
    """References that apply to the very value a schema is applied to."""
    found, todo = [], [schema]
    while todo:
        part = todo.pop()
        if not isinstance(part, Mapping):
            continue
        found.extend([part["$ref"]] if "$ref" in part else [])
        todo.extend([part["not"]] if "not" in part else [])
        for keyword in ("allOf", "anyOf", "oneOf"):
            todo.extend(part.get(keyword, ()))
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


def _is_types(value: Any) -> bool:
    names = [value] if isinstance(value, str) else value
    return _is_names(names) and bool(names) and all(name in TYPES for name in names)


def _is_schema(value: Any) -> bool:
    return isinstance(value, Mapping | bool)


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _is_schemas(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_schema, value))


def _is_named(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_schema, value.values()))


def _is_patterns(value: Any) -> bool:
    return _is_named(value) and all(map(_is_pattern, value))


_Shape = tuple[str, Callable[[Any], bool]]
_ONE = {"additionalProperties", "items", "not", "propertyNames"}
_MANY = {"allOf", "anyOf", "oneOf", "prefixItems"}
_NAMED = {"$defs", "definitions", "patternProperties", "properties"}
_NOTES = {"$comment", "$id", "$schema", "default", "deprecated", "description", "discriminator"}
_NOTES |= {"examples", "format", "readOnly", "title", "writeOnly"}
_NUMBER: _Shape = ("a finite number", _is_number)
_COUNT: _Shape = ("a count", _is_count)
_SHAPES: Mapping[str, _Shape] = {
    **dict.fromkeys(_ONE, ("a schema (a mapping or a bool); for a list by position write prefixItems", _is_schema)),
    **dict.fromkeys(_MANY, ("a list of schemas that is not empty", _is_schemas)),
    **dict.fromkeys(_NAMED, ("a mapping from names to schemas", _is_named)),
    **dict.fromkeys(("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"), _COUNT),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"), _NUMBER),
    **dict.fromkeys(_NOTES, ("anything", lambda value: True)),
    "$ref": ("a text such as '#/$defs/Item'", lambda value: isinstance(value, str)),
    "const": ("anything", lambda value: True),
    "enum": ("a list that is not empty", lambda value: isinstance(value, list | tuple) and bool(value)),
    "multipleOf": ("a number above 0", lambda value: _is_number(value) and value > 0),
    "pattern": ("a regular expression", _is_pattern),
    "patternProperties": ("a mapping from regular expressions to schemas", _is_patterns),
    "required": ("a list of names", _is_names),
    "type": (f"one or several of {', '.join(sorted(TYPES))}", _is_types),
    "uniqueItems": ("true or false", lambda value: isinstance(value, bool)),
}
