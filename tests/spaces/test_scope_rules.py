"""Requirement A9: a proposal that does a peer's work is refused, and ordinary proposals are not."""

from __future__ import annotations

from typing import Any

import pytest

from paragrad.protocols.data import Demo
from paragrad.protocols.evidence import ParameterEvidence
from paragrad.spaces import Choice, Demos, Text, trespasses

STORY = "I was charged twice for the same order last Tuesday and nobody answers."
FORMAT = "Answer with one word in lower case and nothing else at all."


def peer(kind: str, value: Any, space: Any) -> ParameterEvidence:
    return ParameterEvidence(id=kind, kind=kind, value=value, version=1, space=space)


PEERS = {
    "route.demos": peer("demos", (Demo({"ticket": STORY}, "billing"),), Demos()),
    "route.format": peer("text", FORMAT, Text()),
    "route.style": peer("choice", "number", Choice(["number", "write a full and friendly sentence", "a sentence"])),
}

TRESPASSES = [
    ("Route the ticket.\nQ: I want my money back.\nA: billing\nQ: The app crashes.\nA: bug", "2 worked examples"),
    ("Route.\n\n**Input:** My card was refused\n**Output:** billing\n\n**Input:** It crashes\n**Output:** bug", "2 worked examples"),
    ("Route.\nExample 1: money back means billing\nExample 2: crash means bug", "2 worked examples"),
    ("User: hello\nsome words between\nAssistant: hi\nUser: bye\nAssistant: bye", "worked examples"),
    (f"Route the ticket. For instance “{STORY}” is billing.", "from the examples in 'route.demos'"),
    (f"Route the ticket.\n{FORMAT.upper()}", "whole text of 'route.format'"),
    ("Route the ticket and  write a full\nand friendly sentence about it.", "'route.style' may choose"),
]


@pytest.mark.parametrize(("text", "words"), TRESPASSES)
def test_a_trespass_is_named(text: str, words: str) -> None:
    reason = trespasses("text", text, PEERS)
    assert reason is not None
    assert words in reason
    assert trespasses("text", text, {}) is None
    assert trespasses("text", text, PEERS, before=text) is None


INNOCENT = [
    "",
    "Decide which team must answer. The answer is billing, bug or sales.",
    "Question: {question}\nAnswer:",
    "Use the form\nQuestion: {question}\nAnswer: {answer}\nand then\nQuestion: ...\nAnswer: <label>",
    "Q: What should you do with refunds?\nA: Send them to billing.",
    "Refund → billing. Crash → bug. Question → sales.",
    "For example, a refund is billing even when a bug caused it. For example, a crash is a bug.",
    "Input: a ticket\nRules:\n1. Read it twice.\n2. Think in steps.\nOutput: one label",
    "Note: answer: in one word.\nNote: be brief.",
    "Answer with a number, never with a sentence.",
    "I was charged twice: this is billing.",
    "Answer in lower case.",
    "Examples are given below; follow them.",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_an_ordinary_instruction_is_none(text: str) -> None:
    assert trespasses("text", text, PEERS) is None


def test_a_demo_must_not_carry_the_instruction() -> None:
    assert "route.format" in str(trespasses("demos", (Demo({"ticket": f"{FORMAT} Broken."}, "bug"),), PEERS))
    assert trespasses("demos", (Demo({"ticket": "Broken."}, {"team": ["bug"]}),), PEERS) is None


def test_other_kinds_have_no_rules() -> None:
    assert trespasses("code", "def f(): ...", PEERS) is None
    assert trespasses("number", 3.0, PEERS) is None


def test_long_hostile_texts_end() -> None:
    assert trespasses("text", "Q" * 200_000 + "\n" + "Q: " * 50_000, PEERS) is None
