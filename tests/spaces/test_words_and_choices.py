"""Text, Number, Choice, List, Demos and Opaque: what they say, beyond the laws."""

from __future__ import annotations

import copy
import pickle

import pytest

from paragrad.protocols.data import Demo
from paragrad.spaces import Choice, Demos, Json, List, Number, Opaque, Text, from_spec
from paragrad.spaces.wording import diff_text, shorten, visible


def test_reprs_show_what_was_given() -> None:
    assert repr(Text(max_length=200)) == "Text(max_length=200)"
    assert repr(Number(low=0, high=2.5, log=False)) == "Number(low=0.0, high=2.5)"
    assert repr(Choice(["a", True])) == "Choice(['a', True])"
    assert repr(List(Text())) == "List(Text())"
    assert repr(Demos()) == "Demos(max_shots=4)"


def test_equality_is_by_options_and_types() -> None:
    assert Choice([True]) != Choice([1])
    assert Text() == Text(placeholders=[]) != Text(max_length=1)
    assert len({Text(), Text(), Number()}) == 2


def test_spaces_never_change_and_copies_are_themselves() -> None:
    space = Text(max_length=3)
    with pytest.raises(AttributeError, match="never changes"):
        space.max_length = 4
    assert copy.deepcopy([space])[0] is space
    assert pickle.loads(pickle.dumps(List(space))) == List(space)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"kind": 1},
        "text",
        {"kind": "words"},
        {"kind": "text", "size": 1},
        {"kind": "text", "max_length": "3"},
        {"kind": "choice"},
        {"kind": "choice", "options": []},
        {"kind": "list", "item": "text"},
        {"kind": "list", "item": {"kind": "opaque"}},
        {"kind": "number", "low": 2, "high": 1},
        {"kind": "number", "log": True},
        {"kind": "json", "schema": {"typ": 1}},
        {"kind": "json", "schema": "os:system"},
        {"kind": "tensor", "shape": [-1]},
        {"kind": "tensor", "dtype": "object"},
        {"kind": "tensor", "low": 1, "high": 0},
        {"kind": "code", "signature": "x = 1"},
        {"kind": "code", "imports": "os"},
        {"kind": "demos", "max_shots": None},
    ],
)
def test_foreign_specs_are_refused(spec: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_spec(spec)  # type: ignore[arg-type]


def test_short_texts_differ_inside_the_line() -> None:
    assert Text().diff("Answer the question.", "Answer the question. Think in steps.") == "Answer the question.[+ Think in steps.+]"
    assert Text().diff("Be kind.", "Be brief.") == "Be [-kind-][+brief+]."


def test_long_texts_differ_by_lines_with_their_own_numbers() -> None:
    a = "\n".join(f"line {index} of many words" for index in range(300))
    text = diff_text(a, a.replace("line 250 of", "line 250 off"))
    assert text.splitlines()[0] == "@@ -249,5 +249,5 @@"
    assert "+line 250 off many words" in text


def test_huge_changes_are_summed_up() -> None:
    a, b = "\n".join(f"a {index}" for index in range(3000)), "\n".join(f"b {index}" for index in range(3000))
    assert diff_text(a, b) == "@@ line 1: 3000 lines replaced by 3000 @@"


def test_controls_are_written_out_in_differences() -> None:
    assert Text().diff("a", "a\x1b[2J\u202e") == "a[+\\x1b[2J\\u202e+]"
    assert visible("می‌روم 👩‍👩‍👧 ü") == "می‌روم 👩‍👩‍👧 ü"


def test_shorten_takes_from_the_middle() -> None:
    assert shorten("abcdefghij", 5) == "ab…ij"
    assert [len(shorten("abcdefghij", limit)) for limit in (0, 1, 2, 3, 10)] == [0, 1, 2, 3, 10]


def test_missing_parts_are_named() -> None:
    with pytest.raises(ValueError, match=r"\{ticket\} is missing"):
        Text(placeholders=["ticket"]).check("Route it.")
    with pytest.raises(ValueError, match=r"'Never promise refunds\.' is missing"):
        Text(keep=["Never promise refunds."]).parse("\nAlways promise.\n")
    with pytest.raises(ValueError, match="6 characters, at most 5"):
        Text(max_length=5).check("abcdef")


def test_numbers_are_strict() -> None:
    with pytest.raises(ValueError, match=r"3\.9 is not an integer"):
        Number(integer=True).check(3.9)
    with pytest.raises(ValueError, match=r"3\.9 is not an integer"):
        Number(integer=True).parse("3.9")
    assert Number().parse(" 1e-3\n") == 0.001
    for text in ("3,000", "1_000", "٣", "three", "3 apples", "0x10", "nan", "--1", "1e999", "3.9.1", ""):
        with pytest.raises(ValueError, match=r"."):
            Number().parse(text)


def test_updates_add_and_clip() -> None:
    assert Number(low=0, high=1).apply(0.9, 0.3) == 1.0
    assert Number(low=0).apply(0.1, -1) == 0.0
    assert type(Number(integer=True).apply(3, 0.6)) is int
    assert Number(integer=True).apply(3, 0.6) == 4
    with pytest.raises(ValueError, match="nan"):
        Number(low=0, high=1).apply(0.5, float("nan"))
    with pytest.raises(TypeError, match="adding a number"):
        Number().apply(0.5, "1")


def test_an_option_is_read_by_its_words() -> None:
    space = Choice(["Billing", "bug", "BUG"])
    assert space.parse("billing ") == "Billing"
    assert space.parse("bug") == "bug"
    with pytest.raises(ValueError, match="several options"):
        space.parse("Bug")
    with pytest.raises(ValueError, match=r"exactly one of Billing \| bug \| BUG"):
        space.parse("It is a bug.")
    assert Choice([False, True]).parse("True") is True
    assert space.diff("bug", "Billing") == "bug → Billing"


def test_an_option_handed_out_can_not_change_the_space() -> None:
    space = Choice([{"a": [1]}])
    space.check({"a": [1]})["a"].append(2)
    space.spec()["options"][0]["a"].append(2)
    assert space == Choice([{"a": [1]}])


def test_elements_are_named() -> None:
    with pytest.raises(TypeError, match=r"data\[1\]\['x'\]: bytes"):
        List().check([0, {"x": b""}])
    with pytest.raises(ValueError, match=r"data\[2\]: -1\.0 is below 0\.0"):
        List(Number(low=0)).check([0, 1, -1])
    with pytest.raises(TypeError, match=r"data\[0\]\[1\]: 'a' is str, not a number"):
        List(List(Number())).check([[1, "a"]])


def test_mixed_flat_numbers_become_floats() -> None:
    assert [type(part) for part in List().check([1, 2.5])] == [float, float]
    assert [type(part) for part in List().check([1, 2])] == [int, int]
    assert List().check([True, 2.5])[0] is True


def test_key_order_survives_bytes() -> None:
    assert list(Json().decode(Json().encode({"b": 1, "a": 2}))) == ["b", "a"]


def test_demos_read_and_differ() -> None:
    space = Demos(max_shots=3)
    a, b = Demo({"question": "Two apples."}, "2"), Demo({"question": "x", "n": [1]}, {"team": "bug"})
    assert space.show((a, b)) == 'question: Two apples.\n→ 2\n\nquestion: x\nn: [1]\n→ {"team":"bug"}'
    assert space.diff((), (a,)) == "0 -> 1\n+ question: Two apples. → 2"
    assert space.diff((a, b), (b, a)) == "2 -> 2\nthe same demos in another order"
    assert space.parse('```json\n[{"inputs": {"question": "Two apples."}, "output": "2"}]\n```') == (a,)
    with pytest.raises(ValueError, match="4 demos are given, at most 3"):
        space.check([a] * 4)
    with pytest.raises(TypeError, match=r"data\[0\]\.inputs\['x'\]: bytes"):
        space.check([({"x": b""}, 1)])


def test_demos_own_their_inputs() -> None:
    inputs = {"q": ["a"]}
    (demo,) = Demos().check([(inputs, 1)])
    inputs["q"].append("b")
    assert demo.inputs == {"q": ["a"]}


def test_an_opaque_object_has_no_bytes() -> None:
    space = Opaque("the index")
    with pytest.raises(TypeError, match=r"'the index' has no bytes; .*pg\.Json"):
        space.encode(object())
    assert len(space.show("x" * 10_000)) < 100
    assert space.diff(a := object(), a) == "" != space.diff(a, object())


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_failing_repr_is_shown_all_the_same() -> None:
    assert "Rude" in Opaque().show(Rude())
