"""The JSON Schema subset: keyword by keyword, the schema's own faults, hostile schemas and values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from paragrad.spaces import Json
from paragrad.spaces.json_rules import RULES
from paragrad.spaces.json_schema import validate
from paragrad.spaces.schema_shape import check_schema

# schema, values that fit, values that do not
TABLE: list[tuple[Any, list[Any], list[Any]]] = [
    (True, [1, None], []),
    (False, [], [1, None]),
    ({}, [1, None, {}], []),
    ({"type": "integer"}, [1, 1.0], [True, 1.5, "1", None]),
    ({"type": "number"}, [1, 1.5], [True, "1"]),
    ({"type": ["string", "null"]}, ["", None], [1, []]),
    ({"type": "boolean"}, [True], [1, 0]),
    ({"enum": ["a", 1, [1]]}, ["a", 1, 1.0, [1.0]], [True, "b"]),
    ({"const": {"a": 1}}, [{"a": 1.0}], [{"a": True}, {}]),
    ({"properties": {"a": {"type": "string"}}}, [{"a": ""}, {}, 3], [{"a": 1}]),
    ({"required": ["a"]}, [{"a": None}, []], [{}]),
    ({"properties": {"a": True}, "additionalProperties": False}, [{"a": 1}, {}], [{"b": 1}]),
    ({"additionalProperties": {"type": "integer"}}, [{"x": 1}], [{"x": "1"}]),
    ({"patternProperties": {"^n": {"type": "integer"}}, "additionalProperties": False}, [{"n1": 1}], [{"n1": ""}, {"x": 1}]),
    ({"propertyNames": {"maxLength": 2}}, [{"ab": 1}], [{"abc": 1}]),
    ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 1}]),
    ({"items": {"type": "integer"}}, [[], [1]], [[1, "a"]]),
    ({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, [[1, "a"], []], [["a"], [1, 1]]),
    ({"minItems": 1, "maxItems": 2}, [[1], "x"], [[], [1, 2, 3]]),
    ({"uniqueItems": True}, [[1, True, "1"]], [[1, 1.0], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]]),
    ({"minimum": 0, "maximum": 1}, [0, 1, "x", True], [-0.1, 2]),
    ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, [0.5], [0, 1]),
    ({"multipleOf": 0.1}, [0.3, 1, "x"], [0.35]),
    ({"multipleOf": 3}, [9, 10**30 * 3], [10]),
    ({"minLength": 1, "maxLength": 2}, ["é", "ab", 3], ["", "abc"]),
    ({"pattern": "^a+$"}, ["aa", 3], ["b"]),
    ({"anyOf": [{"type": "integer"}, {"minLength": 2}]}, [1, "ab", None], ["a"]),
    ({"oneOf": [{"minimum": 0}, {"maximum": 5}]}, [-1, 6], [3]),
    ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, [1, "a"], [None]),
    ({"allOf": [{"minimum": 0}, {"maximum": 5}]}, [3], [-1, 6]),
    ({"not": {"type": "null"}}, [1], [None]),
    ({"$defs": {"n/a": {"type": "integer"}}, "$ref": "#/$defs/n~1a"}, [1], ["a"]),
    ({"properties": {"next": {"$ref": "#"}, "v": {"type": "integer"}}}, [{"next": {"next": {"v": 1}}}], [{"next": {"next": {"v": "1"}}}]),
    ({"title": "T", "description": "d", "default": 1, "examples": [1], "format": "date", "deprecated": True}, [1, "x"], []),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row[0])[:70])
def test_a_keyword_means_what_the_standard_says(row: tuple[Any, list[Any], list[Any]]) -> None:
    schema, good, bad = row
    assert [(value, validate(value, schema)) for value in good if validate(value, schema)] == []
    assert [value for value in bad if not validate(value, schema)] == []


def test_the_table_covers_every_rule() -> None:
    assert {keyword for schema, _, _ in TABLE if isinstance(schema, dict) for keyword in schema} >= set(RULES)


def test_problems_name_their_place() -> None:
    schema = {"properties": {"items": {"items": {"properties": {"name": {"type": "string"}}, "required": ["id"]}}}}
    found = validate({"items": [{"id": 1}, {"name": 3}]}, schema)
    assert [str(problem) for problem in found] == [
        "value['items'][1]['name']: 3 is integer, wanted string",
        "value['items'][1]: 'id' is missing",
    ]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"typ": "object"}, "did you mean 'type'"),
        ({"properties": {"a": {"unevaluatedItems": False}}}, r"schema.properties\['a'\].unevaluatedItems"),
        ({"type": "float"}, "wants one or several of array"),
        ({"type": []}, "wants"),
        ({"items": [{}]}, "prefixItems"),
        ({"anyOf": []}, "not empty"),
        ({"anyOf": [3]}, "list of schemas"),
        ({"pattern": "("}, "regular expression"),
        ({"patternProperties": {"(": {}}}, "regular expressions"),
        ({"multipleOf": 0}, "above 0"),
        ({"exclusiveMinimum": True}, "finite number"),
        ({"minLength": -1}, "count"),
        ({"required": "a"}, "list of names"),
        ({"enum": []}, "not empty"),
        ({"$ref": "http://example.org/s.json"}, "outside"),
        ({"$ref": "#/$defs/a"}, "leads nowhere"),
        ({"$ref": 3}, "text"),
        ({"$ref": "#"}, "never end"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}, "never end"),
        ({"$defs": {"a": 3}}, "mapping from names to schemas"),
    ],
)
def test_a_wrong_schema_is_refused_when_given(schema: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Json(schema)


def test_explosive_alternatives_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paragrad.spaces.json_schema.MAX_STEPS", 20_000)
    schema = {"anyOf": [{"items": {"$ref": "#"}, "type": "array", "minItems": 1}] * 4, "$comment": "4 to the depth"}
    value: Any = 3
    for _ in range(40):
        value = [value]
    with pytest.raises(ValueError, match="more than 20000 steps"):
        validate(value, schema)


KEYWORDS = st.sampled_from([*RULES, "anyOf", "oneOf", "allOf", "not", "$ref", "$defs", "title", "typ"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "#", "#/$defs/a", "string", "integer", "(", "^a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYWORDS, inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYWORDS, JUNK, max_size=4), JUNK)
def test_any_schema_is_refused_or_works(schema: dict[str, Any], value: Any) -> None:
    try:
        check_schema(schema)
    except ValueError:
        return
    assert all(str(problem) for problem in validate(value, schema))


class Item(BaseModel):
    name: str = Field(min_length=1)
    parts: list[Item] = []


def test_a_type_and_its_schema_agree() -> None:
    typed, written = Json(Item), Json(Json(Item).spec()["schema"])
    assert typed == written
    for value in ({"name": "a"}, {"name": "a", "parts": [{"name": "b"}]}):
        assert typed.check(value) == written.check(value) == value
    for value in ({"name": ""}, {"name": 3}, {}, {"name": "a", "parts": [{}]}, []):
        for space in (typed, written):
            with pytest.raises(ValueError, match="data"):
                space.check(value)
    assert typed.typed({"name": "a"}) == Item(name="a")


def test_a_class_without_json_form_is_a_type_error() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match="no JSON form"):
        Json(Plain)
    with pytest.raises(TypeError, match=r"pg\.Choice"):
        Json("billing")


def test_replies_are_read_strictly() -> None:
    space = Json({"type": "object"})
    assert space.parse('```json\n{"a": 1}\n```') == {"a": 1}
    for text in ('{"a": 1} done', '{"a": 1', '{"a": NaN}', '{"a": 1e999}', '{"a": 1, "a": 2}', "[" * 100_000, '["\\ud800"]', "```json\n{}"):
        with pytest.raises(ValueError, match=r"."):
            space.parse(text)


def test_long_lists_of_problems_are_cut() -> None:
    with pytest.raises(ValueError, match=r"\(and 95 more\)"):
        Json({"items": {"type": "string"}}).check([0] * 100)
