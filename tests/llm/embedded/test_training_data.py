"""What the weights were trained on: held-out content and paraphrases stay out, the policy does what the card says."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("tools.embedded_model.policy")

from paragrad.llm.embedded.phrases import BANK, STYLES
from paragrad.llm.embedded.tokenizer import Tokenizer
from paragrad.llm.embedded.weights import load
from tools.embedded_model.concepts import by_concept, concept_of, phrases
from tools.embedded_model.policy import Bar, Demos, decide
from tools.embedded_model.prompts import Layout, build, draw_example
from tools.embedded_model.skills import SKILLS

EASY, HARD = Bar(2.0, "sentence"), Bar(4.5, "sentence")


def test_training_sees_no_held_out_content_and_no_held_out_phrase() -> None:
    rng = random.Random(0)
    unseen = {phrase for held in by_concept(True).values() for phrase in held}
    for _ in range(300):
        example = draw_example(rng)
        assert not example.task.held_out
        text = "\n".join(message["content"] for message in example.messages)
        assert not [phrase for phrase in unseen if f" {phrase}" in f" {text}"]


def test_held_out_phrases_use_known_words() -> None:
    tokenizer = Tokenizer(load().vocabulary)
    spelt = [p.text for p in phrases() if any(tokenizer.vocabulary[n].startswith("##") for n in tokenizer.encode(p.text))]
    assert not spelt


def test_the_bank_is_known_and_partly_held_out() -> None:
    assert set(BANK) <= set(concept_of())
    assert not [style for style, text in STYLES.items() if text and concept_of()[text] != style]
    assert sum(p.held_out for p in phrases() if p.text in BANK) >= 10


@pytest.mark.parametrize("skill", SKILLS)
def test_every_skill_makes_held_out_examples(skill: str) -> None:
    example = build(random.Random(skill), skill, ("steps", "number"), Demos(3, True), Layout(), held_out=True, new_words=True)
    assert example.task.held_out
    assert example.final == example.task.answer
    assert len(example.messages) == 8


def test_policy() -> None:
    assert not decide([], EASY, Demos()).steps
    assert decide(["steps"], EASY, Demos()).steps
    assert not decide(["steps"], HARD, Demos()).steps
    assert not decide([], HARD, Demos(3, True)).steps
    assert decide(["steps"], HARD, Demos(3, True)).steps
    assert not decide(["steps", "direct"], EASY, Demos()).steps
    assert decide(["number"], EASY, Demos()).style == "number"
    assert decide(["number", "tag"], EASY, Demos()).style == "sentence"
    assert decide([], EASY, Demos(3, style="json")).style == "json"
    assert decide(["steps", "number", "friendly"], EASY, Demos()).chatty == "friendly"
    assert decide(["number", "friendly"], EASY, Demos(3, True)).chatty is None
