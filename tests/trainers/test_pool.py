"""Pool, fronts, ancestors, merging and racing: laws over random pools and scores."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragrad.trainers import pool as pools
from paragrad.trainers.evaluation import mean_score
from paragrad.trainers.merging import mergeable, merged
from paragrad.trainers.racing import lead, race, stages

SCORE = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]))
VALUES = st.fixed_dictionaries({"a": st.integers(0, 2), "b": st.integers(0, 2), "c": st.integers(0, 2)})


@st.composite
def random_pools(draw: Any) -> list[pools.Entry]:
    """Every candidate descends from earlier ones; scores are of first rows."""
    found: list[pools.Entry] = []
    for i in range(draw(st.integers(1, 7))):
        parents = draw(st.lists(st.integers(0, i - 1), min_size=1, max_size=2, unique=True)) if i else []
        found.append(pools.entry(draw(VALUES), draw(st.lists(SCORE, min_size=1, max_size=8)), parents=parents, round=i))
    return found


@settings(max_examples=60, deadline=None)
@given(random_pools())
def test_nobody_beats_a_winner_of_a_front_on_its_row(pool: list[pools.Entry]) -> None:
    for row, winners in pools.fronts(pool).items():
        known = {i: one["scores"][row] for i, one in enumerate(pool) if row < len(one["scores"]) and one["scores"][row] is not None}
        assert set(winners) == {i for i, score in known.items() if score == max(known.values())}
        assert set(winners) < set(known), "a row on which all agree tells nothing"


@settings(max_examples=60, deadline=None)
@given(random_pools(), st.integers(0, 99))
def test_a_draw_from_the_fronts_is_on_one(pool: list[pools.Entry], seed: int) -> None:
    drawn, fronts = pools.from_front(pool, Random(seed)), pools.fronts(pool)
    assert (drawn is None) == (not fronts)
    assert drawn is None or any(drawn in winners for winners in fronts.values())
    assert drawn == pools.from_front(pool, Random(seed))


@settings(max_examples=60, deadline=None)
@given(random_pools(), st.data())
def test_a_common_ancestor_is_above_both_and_the_latest(pool: list[pools.Entry], data: Any) -> None:
    a, b = (data.draw(st.integers(0, len(pool) - 1)) for _ in range(2))
    above_a, above_b = pools.ancestors(pool, a), pools.ancestors(pool, b)
    root = pools.common_ancestor(pool, a, b)
    assert root == pools.common_ancestor(pool, b, a)
    if a in above_b or b in above_a:
        assert root is None
    else:
        assert root == max(above_a & above_b)


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES, VALUES)
def test_a_merge_has_what_changed_on_either_side(a: Any, b: Any, root: Any) -> None:
    found = merged(a, b, root)
    if found is None:
        return
    assert found not in (a, b)
    for id in root:
        assert found[id] == (a[id] if a[id] != root[id] else b[id])


def test_a_merge_of_candidates_that_learnt_the_same_is_none() -> None:
    root = {"a": 0, "b": 0}
    assert merged({"a": 1, "b": 0}, {"a": 2, "b": 0}, root) is None
    assert merged({"a": 1, "b": 0}, {"a": 0, "b": 2}, root) == {"a": 1, "b": 2}


@settings(max_examples=60, deadline=None)
@given(random_pools(), st.integers(0, 99))
def test_a_pair_to_merge_is_related_by_its_root_and_was_not_tried(pool: list[pools.Entry], seed: int) -> None:
    tried: list[tuple[int, int]] = []
    places = list(range(len(pool)))
    while (pair := mergeable(pool, places, tried, Random(seed))) is not None:
        a, b, root = pair
        assert root == pools.common_ancestor(pool, a, b)
        assert merged(pool[a]["values"], pool[b]["values"], pool[root]["values"]) is not None
        assert {a, b} not in [set(one) for one in tried]
        tried.append((b, a))
    assert len(tried) <= math.comb(len(pool), 2), "it comes to an end"


def test_scores_only_grow() -> None:
    pool = [pools.entry({"a": 1}, [1.0, 0.0])]
    assert pools.scored(pool, 0, [1.0])[0]["scores"] == [1.0, 0.0]
    longer = pools.scored(pool, 0, [1.0, 0.0, 1.0])
    assert longer[0]["scores"] == [1.0, 0.0, 1.0]
    assert pool[0]["scores"] == [1.0, 0.0], "a pool is replaced and never changed"


def test_thompson_sampling_gives_the_uncertain_a_chance_and_the_beaten_none() -> None:
    best, few, bad = [1.0, 0.0] * 20, [1.0, 1.0, 0.0], [0.0] * 40
    pool = [pools.entry({"a": i}, scores) for i, scores in enumerate((best, few, bad))]
    drawn = Counter(pools.sampled(pool, 0, Random(seed)) for seed in range(300))
    assert drawn[1] > 60
    assert drawn[0] > 60
    assert drawn[2] == 0


# --- racing ------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.lists(SCORE, max_size=20), st.lists(SCORE, max_size=20))
def test_a_lead_is_the_mean_of_the_pairs_and_turns_its_sign(ours: list[Any], theirs: list[Any]) -> None:
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a is not None and b is not None]
    found, back = lead(ours, theirs), lead(theirs, ours)
    assert found.rows == len(pairs)
    assert found.mean == pytest.approx(mean_score([a - b for a, b in pairs]))
    assert back.mean == pytest.approx(-found.mean)
    assert back.error == pytest.approx(found.error)
    assert found.error > 0, "few rows prove little"
    assert found.low(1) <= found.mean <= found.high(1)


@given(st.integers(1, 500), st.integers(1, 50))
def test_stages_double_and_end_with_all_rows(rows: int, first: int) -> None:
    found = stages(rows, first)
    assert found[-1] == rows
    assert found[0] == min(first, rows)
    assert found == sorted(set(found))
    assert all(b <= 2 * a for a, b in pairwise(found))


class Runner:
    """Scores a candidate and counts the rows it was asked for."""

    def __init__(self, scores: list[float]) -> None:
        self.scores, self.asked = scores, []  # type: tuple[list[float], list[int]]

    def __call__(self, first: int, last: int) -> list[float]:
        self.asked += range(first, last)
        return self.scores[first:last]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=64), st.integers(0, 64), st.integers(0, 64), st.integers(1, 12)
)
def test_a_race_scores_each_row_once_and_none_after_it_is_decided(rows: Any, ours: int, theirs: int, first: int) -> None:
    one, other = Runner([float(a) for a, _ in rows]), Runner([float(b) for _, b in rows])
    ours, theirs, at = min(ours, len(rows)), min(theirs, len(rows)), stages(len(rows), first)
    mine, known, verdict = race(one, other.scores[:theirs], other, at, out=1.0, won=1.5, ours=one.scores[:ours])
    assert one.asked == list(range(ours, len(mine)))
    assert other.asked == list(range(theirs, len(known)))
    assert mine == one.scores[: len(mine)]
    assert known == other.scores[: len(known)]
    ended = next((end for end in at if decided(one, other, end)), len(rows))
    assert (verdict == "open") == (not any(decided(one, other, end) for end in at))
    assert len(mine) == max(ours, ended)
    assert len(known) == max(theirs, ended)


def decided(one: Runner, other: Runner, end: int) -> bool:
    """Whether a stage settles the race."""
    found = lead(one.scores[:end], other.scores[:end])
    return found.high(1.0) < 0 or found.low(1.5) > 0


def test_a_clear_winner_and_a_clear_loser_cost_one_stage() -> None:
    good, bad = [1.0] * 64, [0.0] * 64
    for ours, theirs, verdict in ((good, bad, "won"), (bad, good, "out")):
        runner = Runner(ours)
        mine, _, found = race(runner, theirs, Runner(theirs), stages(64, 8), out=1.0, won=1.5)
        assert found == verdict
        assert len(mine) == 8
    even = Runner([1.0, 0.0] * 32)
    mine, _, found = race(even, even.scores, even, stages(64, 8), out=1.0, won=1.5)
    assert (found, len(mine)) == ("open", 64)
