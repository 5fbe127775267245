"""The rule of every JSON Schema keyword, in one table: what is wrong with a value, or which parts to look at next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from paragrad.spaces.plain import dump, short

TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int, float),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


class Part(NamedTuple):
    """An element to validate against ``schema``, or, without one, a problem in words."""

    message: str = ""
    steps: tuple[str | int, ...] = ()
    schema: Any = None
    value: Any = None


Rule = Callable[[Any, Any, Mapping[str, Any]], Iterator[Part]]


def type_name(value: Any) -> str:
    """The JSON name of a plain value's type."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    names = {list: "array", dict: "object", str: "string", float: "number", type(None): "null"}
    return names[type(value)]


def is_type(value: Any, name: str) -> bool:
    """Whether a plain value is of a JSON type; 1.0 is an integer, True is no number."""
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def equal_key(value: Any) -> str:
    """A text that is the same for values JSON Schema calls equal: 1 and 1.0, but not True."""
    return dump(_whole(value), sort=True)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(part) for part in value]
    return {key: _whole(part) for key, part in value.items()} if isinstance(value, dict) else value


def _type(names: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    wanted = [names] if isinstance(names, str) else names
    if not any(is_type(value, name) for name in wanted):
        yield Part(f"{short(value)} is {type_name(value)}, wanted {' or '.join(wanted)}")


def _enum(options: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if equal_key(value) not in {equal_key(option) for option in options}:
        yield Part(f"{short(value)} is not one of {short(options)}")


def _const(wanted: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if equal_key(value) != equal_key(wanted):
        yield Part(f"{short(value)} must be {short(wanted)}")


def _properties(schemas: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if isinstance(value, dict):
        for name, inner in schemas.items():
            if name in value:
                yield Part("", (name,), inner, value[name])


def _required(names: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if isinstance(value, dict):
        for name in names:
            if name not in value:
                yield Part(f"{name!r} is missing")


def _additional(inner: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if not isinstance(value, dict):
        return
    known = schema.get("properties", {})
    for name, part in value.items():
        if name in known or any(re.search(pattern, name) for pattern in schema.get("patternProperties", {})):
            continue
        if inner is False:
            yield Part(f"{short(name)} is not a known name; known: {', '.join(known) or 'none'}"[:300])
        else:
            yield Part("", (name,), inner, part)


def _pattern_properties(schemas: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if isinstance(value, dict):
        for pattern, inner in schemas.items():
            for name, part in value.items():
                if re.search(pattern, name):
                    yield Part("", (name,), inner, part)


def _property_names(inner: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if isinstance(value, dict):
        for name in value:
            yield Part("", (name,), inner, name)


def _items(inner: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if isinstance(value, list):
        start = len(schema.get("prefixItems", ()))
        for index in range(start, len(value)):
            yield Part("", (index,), inner, value[index])


def _prefix_items(schemas: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if isinstance(value, list):
        for index, (inner, part) in enumerate(zip(schemas, value, strict=False)):
            yield Part("", (index,), inner, part)


def _unique(wanted: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if wanted and isinstance(value, list):
        seen: dict[str, int] = {}
        for index, part in enumerate(value):
            first = seen.setdefault(equal_key(part), index)
            if first != index:
                yield Part(f"elements {first} and {index} are equal: {short(part)}")


def _multiple(step: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if is_type(value, "number") and (Fraction(str(value)) / Fraction(str(step))).denominator != 1:  # exact: 0.3 is a multiple of 0.1
        yield Part(f"{short(value)} is not a multiple of {step}")


def _pattern(pattern: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
    if isinstance(value, str) and not re.search(pattern, value):
        yield Part(f"{short(value)} does not match {short(pattern)}")


def _bound(words: str, fits: Callable[[Any, Any], bool]) -> Rule:
    def rule(limit: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
        if is_type(value, "number") and not fits(value, limit):
            yield Part(f"{short(value)} {words} {limit}")

    return rule


def _size(kind: type, words: str, fits: Callable[[int, int], bool]) -> Rule:
    def rule(limit: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Part]:
        if isinstance(value, kind) and not fits(len(value), limit):  # type: ignore[arg-type]
            yield Part(f"has {len(value)} {words} {limit}")  # type: ignore[arg-type]

    return rule


RULES: Mapping[str, Rule] = {
    "additionalProperties": _additional,
    "const": _const,
    "enum": _enum,
    "exclusiveMaximum": _bound("must be below", lambda value, limit: bool(value < limit)),
    "exclusiveMinimum": _bound("must be above", lambda value, limit: bool(value > limit)),
    "items": _items,
    "maxItems": _size(list, "elements, at most", lambda size, limit: size <= limit),
    "maxLength": _size(str, "characters, at most", lambda size, limit: size <= limit),
    "maxProperties": _size(dict, "names, at most", lambda size, limit: size <= limit),
    "maximum": _bound("is above", lambda value, limit: bool(value <= limit)),
    "minItems": _size(list, "elements, at least", lambda size, limit: size >= limit),
    "minLength": _size(str, "characters, at least", lambda size, limit: size >= limit),
    "minProperties": _size(dict, "names, at least", lambda size, limit: size >= limit),
    "minimum": _bound("is below", lambda value, limit: bool(value >= limit)),
    "multipleOf": _multiple,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "prefixItems": _prefix_items,
    "properties": _properties,
    "propertyNames": _property_names,
    "required": _required,
    "type": _type,
    "uniqueItems": _unique,
}
