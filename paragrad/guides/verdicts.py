"""Verdicts: what a judge answered, as a score between 0 and 1, words, and further metrics.

The scale comes from the judge's own output type: a bool, a Literal, an Enum or a bounded number says by itself what
its best and worst values are.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_origin

from paragrad.errors import UsageError
from paragrad.guides.guide import as_feedback
from paragrad.protocols.gradient import Feedback

Scale = tuple[float, float]
Score = Callable[[Any], float]

SCORES = ("score", "rating", "grade", "verdict")
WORDS = ("reason", "reasoning", "explanation", "rationale", "feedback", "critique", "comment", "why")
YES, NO = frozenset({"yes", "true", "pass", "passed", "correct"}), frozenset({"no", "false", "fail", "failed", "incorrect"})
UNBOUNDED: Mapping[str, Scale] = {"number": (0.0, 1.0), "integer": (1.0, 5.0)}
FORMS = (
    "let it answer a bool, a number with bounds, a Literal, or a model with the fields score and reason; or say how it is read: read=..."
)


def reading_of(wanted: Any, scale: Scale | None = None) -> Callable[[Any], Feedback]:
    """How answers of a type are read.

    ============================================  =======================================================
    bool; yes/no, pass/fail as a Literal          1 or 0
    Literal or Enum of numbers, bounded numbers   from their lowest (0) to their highest (1)
    float without bounds                          must lie in [0, 1]
    int without bounds                            1 to 5
    (score, text), {metric: value}, Feedback      what they say
    pydantic model, dataclass                     its field score (rating, grade, verdict), else its only
                                                  number, else the mean of all with bounds; the words are its
                                                  reason; its other numbers are further metrics
    ============================================  =======================================================

    Args:
        wanted: the output type; None: it is not declared, and every answer is read by what it is.
        scale: lowest and highest value of numbers without bounds.

    Raises:
        UsageError: a type that says nothing about good and bad, such as free text.
    """
    if wanted is None or wanted is Any or (get_origin(wanted) or wanted) in (Feedback, Mapping, dict, tuple):
        return lambda value: _undeclared(value, scale)
    schema = _schema(wanted)
    definitions = schema.get("$defs", {})
    found = _resolved(schema, definitions)
    if found.get("type") == "object" and found.get("properties"):
        return _structure({name: _resolved(part, definitions) for name, part in found["properties"].items()}, scale, wanted)
    score = scoring(found, scale)
    if score is None:
        raise UsageError(f"a judge that answers {_name(wanted)} gives no score; {FORMS}")
    return lambda value: Feedback(score(value))


def scoring(schema: Mapping[str, Any], scale: Scale | None = None, *, bounded: bool = False) -> Score | None:
    """How values of a JSON schema become scores; None when they cannot. ``bounded``: only those that tell their own bounds."""
    kind, options = schema.get("type"), schema.get("enum")
    if kind == "boolean":
        return lambda value: float(bool(value))
    if options is not None and len(options) > 1:
        return _among(options)
    if not isinstance(kind, str) or kind not in UNBOUNDED:
        return None
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None and high is not None and low < high:
        return lambda value: scaled(value, (float(low), float(high)))
    return None if bounded else lambda value: scaled(value, scale or UNBOUNDED[kind])


def scaled(value: Any, scale: Scale) -> float:
    """A number on a scale as a score from 0 to 1.

    Raises:
        ValueError: no number, or one outside the scale.
    """
    low, high = scale
    value = value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"the verdict {value!r} is not between {low:g} and {high:g}")
    return (float(value) - low) / (high - low)


def _among(options: Sequence[Any]) -> Score | None:
    """The score of one option among others: numbers by their size, yes and no by their meaning."""
    if all(isinstance(option, (int, float)) and not isinstance(option, bool) for option in options):
        return lambda value: scaled(value, (float(min(options)), float(max(options))))
    texts = {str(option).casefold() for option in options}
    if texts <= YES | NO and texts & YES and texts & NO:
        return lambda value: float(str(value.value if isinstance(value, enum.Enum) else value).casefold() in YES)
    return None


def _structure(fields: Mapping[str, Mapping[str, Any]], scale: Scale | None, wanted: Any) -> Callable[[Any], Feedback]:
    known = {name: score for name, part in fields.items() if (score := scoring(part, bounded=True)) is not None}
    loose = {name: score for name, part in fields.items() if name not in known and (score := scoring(part, scale)) is not None}
    main = next((name for name in SCORES if name in known or name in loose), None)
    if main is None:
        numbers = known or loose
        if not numbers or (not known and len(loose) > 1):
            raise UsageError(f"a judge that answers {_name(wanted)} ({', '.join(fields)}) gives no score; {FORMS}")
        main = next(iter(numbers)) if len(numbers) == 1 else None
    texts = [name for name, part in fields.items() if part.get("type") == "string" and "enum" not in part]
    words = next((name for name in WORDS if name in texts), texts[0] if len(texts) == 1 else None)
    raw = [name for name in loose if name != main]

    def read(value: Any) -> Feedback:
        scores = {name: score(_field(value, name)) for name, score in {**known, **loose}.items() if name not in raw}
        further = {**scores, **{name: float(_field(value, name)) for name in raw if _field(value, name) is not None}}
        score = further.pop(main) if main is not None else sum(scores.values()) / len(scores)
        text = _field(value, words) if words is not None else None
        return Feedback(score, str(text) if text else None, **further)

    return read


def _undeclared(value: Any, scale: Scale | None) -> Feedback:
    """An answer of a program that does not say what it answers."""
    if dataclasses.is_dataclass(value) or hasattr(type(value), "model_fields"):
        if not isinstance(value, Feedback):
            return reading_of(type(value), scale)(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return Feedback(scaled(value, scale or UNBOUNDED["number"]))
    elif isinstance(value, str):
        raise ValueError(f"the judge answered the text {value[:80]!r}; {FORMS}")
    return as_feedback(value, "the judge")


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name)


def _schema(wanted: Any) -> Mapping[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

    try:
        found: Mapping[str, Any] = TypeAdapter(wanted).json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
        raise UsageError(f"a judge that answers {_name(wanted)} gives no score; {FORMS}") from error
    return found


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema behind its reference, or behind "or nothing"."""
    for _ in range(8):
        options = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
        if "$ref" in schema:
            schema = {**definitions.get(str(schema["$ref"]).rpartition("/")[2], {}), **{k: v for k, v in schema.items() if k != "$ref"}}
        elif len(options) == 1:
            schema = options[0]
        elif len(schema.get("allOf", ())) == 1:
            schema = schema["allOf"][0]
        else:
            break
    return schema


def _name(wanted: Any) -> str:
    return str(getattr(wanted, "__name__", wanted))
