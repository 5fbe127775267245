"""The landscapes: the same for everybody, distributed as they say, scored as they say."""

import random
from collections import Counter as Tally

import pytest

from benchmarks.landscapes import COLUMNS, VARIANTS, Landscape
from benchmarks.landscapes.variants import Variant

EVERYTHING = " ".join(f"r{rule}" for rule in range(24))


def by_hand(landscape: Landscape, example: int, texts: list[str]) -> float:
    """The score, from the definition."""
    parts = [text.split()[:40] for text in texts]
    missing = any(f"r{rule}" not in parts[rule % len(parts)] for rule in landscape.needed(example))
    broken = any(landscape.broken_by(token) >> example & 1 for part in parts for token in part)
    return 0.0 if missing or broken else 1.0


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_same_seed_same_landscape(name):
    one, two, other = (Landscape(name, seed, 30) for seed in (3, 3, 4))
    texts = [f"r0 r1 r2 r5 d77 {EVERYTHING}"] * len(one.components)
    assert [one.score(e, texts) for e in range(one.size)] == [two.score(e, texts) for e in range(two.size)]
    assert one.needs != other.needs or name == "needle"


def test_training_and_test_examples_do_not_depend_on_validation():
    small, large = Landscape("hard", 1, 50), Landscape("hard", 1, 200)
    assert [small.needs[e] for e in small.train] == [large.needs[e] for e in large.train]
    assert [small.needs[e] for e in small.test] == [large.needs[e] for e in large.test]
    assert (len(small.train), len(small.validate), len(small.test)) == (60, 50, 1000)


def test_rules_are_drawn_as_described():
    landscape = Landscape("friendly", 0, 0, test=6000)
    needs = [landscape.needs[e] for e in landscape.test]
    assert all(len(set(rules)) == len(rules) for rules in needs)
    sizes = Tally(map(len, needs))
    assert [round(sizes[n] / len(needs), 1) for n in (1, 2, 3)] == pytest.approx([0.2, 0.5, 0.2], abs=0.1)
    first = Tally(rules[0] for rules in needs)
    weights = [(rule + 1) ** -0.5 for rule in range(24)]
    for rule in (0, 3, 23):
        assert first[rule] / len(needs) == pytest.approx(weights[rule] / sum(weights), rel=0.2)


@pytest.mark.parametrize("name", ["friendly", "hard", "hard4"])
def test_scores_follow_the_definition(name):
    landscape, rng = Landscape(name, 5, 20, test=100), random.Random(0)
    for _ in range(20):
        texts = [" ".join(rng.sample(EVERYTHING.split(), 18) + [f"d{rng.randrange(5)}" for _ in range(2)]) for _ in landscape.components]
        scores = [landscape.score(e, texts)[0] for e in range(landscape.size)]
        assert scores == [by_hand(landscape, e, texts) for e in range(landscape.size)]
        assert landscape.true_score(texts) == pytest.approx(sum(scores[e] for e in landscape.test) / len(landscape.test))


def test_only_the_owner_and_only_the_first_tokens_count():
    landscape = Landscape("hard4", 0, 10)
    complete = [EVERYTHING] * 4
    assert landscape.true_score(complete) == 1.0
    assert landscape.true_score(list(reversed([" ".join(f"r{k}" for k in range(24) if k % 4 == m) for m in range(4)]))) == 0.0
    assert landscape.true_score([" ".join(["word"] * 40) + " " + EVERYTHING, *complete[1:]]) < 1.0


def test_a_distractor_breaks_its_share_of_the_examples():
    landscape = Landscape("hard", 0, 200)
    assert landscape.broken_by("d1").bit_count() == landscape.size // 5
    assert landscape.broken_by("d1") != landscape.broken_by("d2")
    assert landscape.broken_by("r1001").bit_count() == landscape.size // 4
    assert landscape.broken_by("r23") == landscape.broken_by("word") == 0


def test_feedback_names_missing_rules_with_their_owners():
    landscape = Landscape("hard4", 0, 10)
    for example in landscape.train:
        score, said = landscape.score(example, landscape.start)
        assert score == 0.0
        assert sorted(said.removeprefix("wrong: ").split("; ")) == sorted(f"missing r{k} in c{k % 4}" for k in landscape.needed(example))
    assert landscape.score(0, [EVERYTHING] * 4) == (1.0, "correct")


@pytest.mark.parametrize(("name", "share"), [("friendly", 1.0), ("hard", 0.3)])
def test_feedback_names_harm_with_its_chance(name, share):
    landscape = Landscape(name, 0, 0, test=6000)
    said = [landscape.score(e, [EVERYTHING + " d1"])[1] for e in range(landscape.size) if landscape.broken_by("d1") >> e & 1]
    assert sum("harmful d1 in c0" in text for text in said) / len(said) == pytest.approx(share, abs=0.06)


def test_hidden_harm_is_never_named():
    landscape = Landscape("overfit", 0, 50)
    said = {landscape.score(e, [EVERYTHING + " r1234"]) for e in range(landscape.size)}
    assert said == {(1.0, "correct"), (0.0, "wrong")}


def test_strategies():
    landscape = Landscape("trap", 0, 50)
    assert landscape.true_score([EVERYTHING]) == landscape.true_score(["s0 " + EVERYTHING]) == pytest.approx(0.6, abs=0.05)
    assert landscape.true_score(["s0 bridge " + EVERYTHING]) == pytest.approx(0.6, abs=0.05)
    assert landscape.true_score(["s1 " + EVERYTHING]) == pytest.approx(0.4, abs=0.05)
    assert landscape.true_score(["s1 bridge " + EVERYTHING]) == 1.0


def test_needle_is_all_or_nothing():
    landscape = Landscape("needle", 2, 50)
    chain = [f"r{rule}" for rule in landscape.needs[0]]
    assert len(chain) == 6
    assert landscape.true_score([" ".join(chain)]) == 1.0
    assert all(landscape.true_score([" ".join(set(chain) - {token})]) == 0.0 for token in chain)
    named = {said for e in landscape.train for said in landscape.score(e, ["start"])[1].removeprefix("wrong: ").split("; ")}
    assert named == {f"missing {token} in c0" for token in chain}
    assert all(landscape.score(e, ["start"])[1].count("missing") == 2 for e in landscape.train)


def test_a_shift_turns_the_weights_round():
    landscape = Landscape("shift", 0, 50)
    head = " ".join(f"r{rule}" for rule in range(16))
    assert landscape.true_score([head], phase=0) > landscape.true_score([head], phase=1) + 0.1
    assert landscape.true_score([EVERYTHING], phase=1) == 1.0


def test_columns_name_variants():
    assert {column.variant for column in COLUMNS.values()} <= set(VARIANTS)


def test_other_sizes():
    landscape = Landscape(Variant(rules=10, components=3, shown=5), 0, 7, train=5, test=20)
    assert landscape.size == 32
    assert landscape.true_score([" ".join(f"r{k}" for k in range(10) if k % 3 == m) for m in range(3)]) == 1.0
