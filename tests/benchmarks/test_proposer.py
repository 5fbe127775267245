"""The scripted proposer: the same for everybody, with the chances that it names."""

import random
from dataclasses import replace

import pytest

from benchmarks.landscapes import VARIANTS, blamed, rewrite
from benchmarks.landscapes.variants import Variant

TRIES = 3000
STILL = Variant(p_add=0.0, p_remove=0.0, p_distractor=0.0, p_drop=0.0)
SAID = ["correct", "wrong: missing r1 in c0; harmful d7 in c0", "wrong: missing r2 in c1; missing r1 in c0"]
TEXT = "start r0 d7 s0"


def share(variant, test, text=TEXT, component="c0"):
    """How often a rewrite passes a test."""
    rng = random.Random(0)
    return sum(test(rewrite(variant, component, text, SAID, rng).split()) for _ in range(TRIES)) / TRIES


def near(chance):
    return pytest.approx(chance, abs=0.03)


def test_same_random_numbers_same_text():
    one, two = ([rewrite(VARIANTS["trap"], "c0", TEXT, SAID, rng) for _ in range(50)] for rng in (random.Random(1), random.Random(1)))
    assert one == two
    assert len(set(one)) > 10


def test_nothing_happens_without_chance():
    assert rewrite(STILL, "c0", TEXT, SAID, random.Random(0)) == TEXT


def test_chances_of_adding_and_removing():
    assert share(replace(STILL, p_add=0.7), lambda tokens: "r1" in tokens) == near(0.7)
    assert share(replace(STILL, p_remove=0.7), lambda tokens: "d7" not in tokens) == near(0.7)
    assert share(replace(STILL, p_add=1.0, p_remove=1.0), lambda tokens: tokens == ["start", "r0", "s0", "r1"]) == 1.0


def test_only_what_the_feedback_says_of_the_component():
    sure = replace(STILL, p_add=1.0, p_remove=1.0)
    assert rewrite(sure, "c1", TEXT, SAID, random.Random(0)) == TEXT + " r2"
    assert rewrite(sure, "c2", TEXT, SAID, random.Random(0)) == TEXT


def test_chances_of_damage():
    assert share(replace(STILL, p_distractor=0.6), lambda tokens: len(tokens) == 5 and tokens[-1][0] == "d") == near(0.6)
    assert share(replace(STILL, p_drop=0.15), lambda tokens: len(tokens) == 3) == near(0.15)
    assert share(replace(STILL, p_collapse=0.15), lambda tokens: len(tokens) == 2) == near(0.15)
    assert share(replace(STILL, p_hidden=0.8), lambda tokens: len(tokens) == 5 and int(tokens[-1][1:]) >= 1000) == near(0.8)


def test_chances_of_strategies():
    trap = replace(STILL, p_strategy=0.15)
    assert share(trap, lambda tokens: "s1" in tokens and "s0" not in tokens) == near(0.15)
    assert share(trap, lambda tokens: "s0" in tokens, "s1 r0") == near(0.15)
    assert share(trap, lambda tokens: "bridge" in tokens) == near(0.15)


def test_blame_counts_names():
    assert blamed(SAID, ["c0", "c1", "c2"]) == {"c0": 3, "c1": 1}
    assert blamed(["wrong", "correct"], ["c0"]) == {}
