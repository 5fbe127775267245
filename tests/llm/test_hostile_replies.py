"""R8: replies are hostile input. No reply gives a silently wrong value, and none crashes."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragrad.errors import BadRequest, BadResponse
from paragrad.llm import Fake, ReplyError, Request, extract_json, structured
from paragrad.llm.types import Response

WANTED = {"answer": 4}
RIGHT = {
    "plain": '{"answer": 4}',
    "blanks": ' \n\t {"answer": 4} \n',
    "byte order mark": '\ufeff{"answer": 4}',
    "zero width space": '\u200b{"answer": 4}\u200b',
    "fence": '```json\n{"answer": 4}\n```',
    "fence without a language": '```\n{"answer": 4}\n```',
    "fence in prose": 'Sure!\n```json\n{"answer": 4}\n```\nAnything else?',
    "prose before": 'The answer: {"answer": 4}',
    "prose after": '{"answer": 4}\nI hope this helps.',
    "a placeholder in prose": 'For {question} I say {"answer": 4}',
    "a markdown link": 'See [this page](http://x) first. {"answer": 4}',
    "a checkbox": '- [x] done\n- [ ] open\n{"answer": 4}',
    "a thought before": '<think>is it {"answer": 5}? no</think>\n{"answer": 4}',
    "windows lines": '{\r\n"answer": 4\r\n}',
    "escapes": '{"\\u0061nswer": 4}',
}
REFUSED = {
    "empty": "",
    "blank": " \n ",
    "only marks": "\ufeff\u200b",
    "only prose": "The answer is four.",
    "TERMINATE": "TERMINATE",
    "refusal": "I cannot help with that.",
    "cut in a key": '{"ans',
    "cut after a key": '{"answer"',
    "cut after a colon": '{"answer":',
    "cut after a value": '{"answer": 4',
    "cut in a list": '{"answer": [4, ',
    "cut with a whole inner object": '{"a": {"answer": 4}, "b": ',
    "cut in a string": '{"answer": "fo',
    "cut in a fence": '```json\n{"answer": ',
    "cut list of objects": '[{"answer": 4}, {"answer"',
    "two objects": '{"answer": 4}{"answer": 5}',
    "two lines": '{"answer": 4}\n{"answer": 5}',
    "an example first": 'e.g. {"answer": 1}. Mine: {"answer": 4}',
    "two fences": '```json\n{"answer": 4}\n```\n```json\n{"answer": 5}\n```',
    "key twice": '{"answer": 4, "answer": 5}',
    "key twice inside": '{"answer": {"x": 1, "x": 2}}',
    "key twice by escape": '{"answer": 4, "\\u0061nswer": 5}',
    "single quotes": "{'answer': 4}",
    "single quotes around a list": "{'answer': [4, 5]}",
    "python": "{'answer': None}",
    "unquoted key": "{answer: 4}",
    "trailing comma": '{"answer": 4,}',
    "comment": '{"answer": 4 /* four */}',
    "line comment": '{"answer": 4} // {"answer": 5}',
    "missing comma": '{"answer": 4 "b": 5}',
    "a colon too many": '{"answer":: 4}',
    "nan": '{"answer": NaN}',
    "infinity": '{"answer": -Infinity}',
    "too large": '{"answer": 1e999}',
    "huge integer": '{"answer": ' + "9" * 5000 + "}",
    "hexadecimal": '{"answer": 0x4}',
    "leading zero": '{"answer": 04}',
    "plus": '{"answer": +4}',
    "smart quotes": "{“answer”: 4}",
    "full width braces": '｛"answer": 4｝',
    "raw newline in a string": '{"answer": "a\nb"}',
    "nul in a string": '{"answer": "a\x00b"}',
    "lone surrogate": '{"answer": "\\ud800"}',
    "lone surrogate key": '{"\\udc00": 4}',
    "real lone surrogate": '{"answer": "\ud800"}',
    "deep lists": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "deep and closed": "[" * 5000 + "]" * 5000,
    "deep in a value": '{"answer": ' + "[" * 200 + "]" * 200 + "}",
    "a list": "[4]",
    "a list of one": '[{"answer": 4}]',
    "a number": "4",
    "a string": '"four"',
    "an object in a string": '"{\\"answer\\": 4}"',
    "null": "null",
    "true": "true",
    "an unfinished thought": '<think>maybe {"answer": 4}',
    "xml": "<answer>4</answer>",
    "yaml": "answer: 4",
    "html": "<!doctype html><html></html>",
    "csv": "answer\n4",
    "injected end of fence": '```json\n{"answer": "```\n',
    "another language": "答えは四です。",
    "right to left mark inside": '{"ans\u202ewer": ',
    "control characters": "\x1b[2J\x07",
    "brace soup": "{{{{",
    "closing first": '}{"answer"',
    "very large": "x" * 5_000_000,
    "an escape too many": '{"answer": "\\x"}',
    "a template": '{"answer": {{value}}}',
    "stopped mid escape": '{"answer": "\\u12',
}


def test_the_battery_is_large_enough():
    assert len(RIGHT) + len(REFUSED) >= 80


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_meant_is_read(name):
    assert extract_json(RIGHT[name], dict) == WANTED


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_clear_is_refused_with_a_reason(name):
    with pytest.raises(ReplyError) as caught:
        extract_json(REFUSED[name], dict)
    assert 10 < len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "value"), [("4", 4), ('"x"', "x"), ("null", None), ("```\n[1, 2]\n```", [1, 2]), ("It is [1, 2].", [1, 2])]
)
def test_any_value_where_any_is_meant(text, value):
    assert extract_json(text) == value


def test_a_list_where_a_list_is_meant():
    assert extract_json('Here: [{"answer": 4}]', list) == [{"answer": 4}]
    with pytest.raises(ReplyError, match="not a JSON array"):
        extract_json('{"answer": 4}', list)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text("abc", max_size=3), JSON, max_size=4),
    st.sampled_from(["{}", "Sure:\n{}", "```json\n{}\n```", "{}\nDone."]),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_object_is_read_as_it_was_written(value, frame, ascii_only):
    assert extract_json(frame.replace("{}", json.dumps(value, ensure_ascii=ascii_only)), dict) == value


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), JSON, min_size=1, max_size=4), st.data())
@settings(max_examples=200, deadline=None)
def test_no_cut_object_is_read(value, data):
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with pytest.raises(ReplyError):
        extract_json(cut, dict)


@given(st.text(max_size=60) | st.text('{}[]",:\\ 01aNn\n`', max_size=60))
@settings(max_examples=400, deadline=None)
def test_no_text_crashes(text):
    with contextlib.suppress(ReplyError):
        extract_json(text)


# -- asking again ------------------------------------------------------------------------------------
ASK = Request([{"role": "user", "content": "2+2 as JSON"}])


def parse(text: str) -> int:
    return int(extract_json(text, dict)["answer"])


def parse_checked(text: str) -> int:
    value = extract_json(text, dict)
    if not isinstance(value.get("answer"), int):
        raise ValueError(f"'answer' is {value.get('answer')!r}, not an integer")
    return value["answer"]


def test_a_refused_reply_is_asked_again_with_its_exact_error():
    fake = Fake(["four", '{"answer": "4"}', '{"answer": 4}'])
    done = structured(fake, ASK, parse_checked)
    assert (done.value, done.response.parsed) == (4, 4)
    assert len(done.errors) == 2
    told = fake.requests[2].messages
    assert [message["role"] for message in told] == ["user", "assistant", "user"]
    assert told[1]["content"] == '{"answer": "4"}'
    assert "'answer' is '4', not an integer" in told[2]["content"]
    assert done.usage.tokens > done.response.usage.tokens


def test_the_words_of_asking_again():
    fake = Fake(["four", '{"answer": 4}'])
    structured(fake, ASK, lambda text: extract_json(text, dict))
    assert fake.requests[1].messages[-1]["content"] == (
        "Your answer could not be used: the reply holds no JSON object: 'four'; answer with a JSON object only\n"
        "Answer again, completely, in the form that was asked for. Write the answer only."
    )


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_replies_end_in_one_clear_error(name):
    fake = Fake(lambda request: REFUSED[name])
    with pytest.raises(BadResponse, match="no usable answer in 2 attempts"):
        structured(fake, ASK, parse_checked, attempts=2)
    assert fake.calls == 2


def test_a_cut_answer_is_told_that_it_was_cut():
    fake = Fake([Response('{"answer"', finish="length"), '{"answer": 4}'])
    assert "token limit" in structured(fake, ASK, parse_checked).errors[0]


def test_a_model_error_is_not_asked_again():
    fake = Fake([BadRequest("no")])
    with pytest.raises(BadRequest):
        structured(fake, ASK, parse)
