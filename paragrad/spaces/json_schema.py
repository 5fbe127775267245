"""JSON Schema: a subset, checked when it is given and validated locally.

Known keywords (of draft 2020-12; anything else is refused when a schema is given, so that nothing is silently ignored)::

    any value   type enum const anyOf oneOf allOf not $ref (to "#" or "#/...") $defs definitions
    objects     properties required additionalProperties patternProperties propertyNames minProperties maxProperties
    lists       items prefixItems minItems maxItems uniqueItems
    numbers     minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
    texts       minLength maxLength pattern (Python's regular expressions)
    notes only  title description default examples format deprecated readOnly writeOnly discriminator $schema $id $comment

A schema may also be True (anything) or False (nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from paragrad.spaces.json_rules import RULES, Part, type_name
from paragrad.spaces.plain import plain, short
from paragrad.spaces.schema_shape import check_schema, resolve

MAX_STEPS = 1_000_000
"""Most (schema, value) pairs visited in one validation; alternatives inside alternatives grow fast."""

__all__ = ["Problem", "check_schema", "type_name", "validate"]


class Problem(NamedTuple):
    """What is wrong with one element. ``str`` gives ``value['items'][0]: ...``."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def validate(value: Any, schema: Any, path: str = "value") -> list[Problem]:
    """Every problem of a JSON-like value under a schema; empty when it fits.

    Args:
        value: a JSON-like value, as ``json.loads`` gives it.
        schema: a JSON Schema mapping (or bool) of the known keywords.
        path: how the value is called in the problems.

    Raises:
        ValueError: the schema is wrong or uses unknown keywords, or validation would take too long.
        TypeError: the value is not JSON-like.
    """
    check_schema(schema)
    return validate_checked(plain(value, path), schema, path)


def validate_checked(value: Any, schema: Any, path: str = "value") -> list[Problem]:
    """``validate`` for a plain value and a schema that ``check_schema`` has accepted."""
    try:
        return _Walk(schema).problems(schema, value, path)
    except RecursionError:
        raise ValueError(f"{path}: value and schema together are nested too deeply; make the schema flatter") from None


class _Walk:
    """One validation: the root for references, and the work done so far."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.steps = 0

    def problems(self, schema: Any, value: Any, path: str) -> list[Problem]:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ValueError(f"{path}: validation takes more than {MAX_STEPS} steps; use fewer alternatives inside alternatives")
        if isinstance(schema, bool):
            return [] if schema else [Problem(path, "nothing is allowed here; remove it")]
        found = []
        for keyword, argument in schema.items():
            special = _SPECIAL.get(keyword)
            if special is not None:
                found += special(self, argument, value, path)
                continue
            rule = RULES.get(keyword)
            for part in rule(argument, value, schema) if rule else ():
                found += self.part(part, path)
        return found

    def part(self, part: Part, path: str) -> list[Problem]:
        """The problems of one element, or the one a rule named."""
        where = path + "".join(f"[{step!r}]" for step in part.steps)
        return [Problem(where, part.message)] if part.schema is None else self.problems(part.schema, part.value, where)

    def reference(self, pointer: str, value: Any, path: str) -> list[Problem]:
        return self.problems(resolve(self.root, pointer), value, path)

    def all_of(self, schemas: list[Any], value: Any, path: str) -> list[Problem]:
        return [problem for schema in schemas for problem in self.problems(schema, value, path)]

    def any_of(self, schemas: list[Any], value: Any, path: str) -> list[Problem]:
        tries = []
        for schema in schemas:
            tries.append(self.problems(schema, value, path))
            if not tries[-1]:
                return []
        return [_nearest(tries, value, path)]

    def one_of(self, schemas: list[Any], value: Any, path: str) -> list[Problem]:
        tries = [self.problems(schema, value, path) for schema in schemas]
        fits = sum(not problems for problems in tries)
        if fits == 1:
            return []
        return [Problem(path, f"fits {fits} alternatives, exactly one is wanted")] if fits else [_nearest(tries, value, path)]

    def not_(self, schema: Any, value: Any, path: str) -> list[Problem]:
        return [] if self.problems(schema, value, path) else [Problem(path, f"{short(value)} is excluded")]


_SPECIAL: Mapping[str, Callable[[_Walk, Any, Any, str], list[Problem]]] = {
    "$ref": _Walk.reference,
    "allOf": _Walk.all_of,
    "anyOf": _Walk.any_of,
    "not": _Walk.not_,
    "oneOf": _Walk.one_of,
}


def _nearest(tries: list[list[Problem]], value: Any, path: str) -> Problem:
    """One problem for all alternatives: that of the one which got deepest with the fewest problems."""
    best = max(tries, key=lambda problems: (max(len(problem.path) for problem in problems), -len(problems)))
    return Problem(path, f"{short(value)} fits none of {len(tries)} alternatives; the nearest says: {best[0]}")
