"""Statistics against brute force, and the figures of R12."""

import math
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragrad.errors import UsageError
from paragrad.trainers import intervals, permutation
from paragrad.trainers import statistics as stats


def brute_force(differences):
    """p of the sign-flip test by trying every sign."""
    total = abs(math.fsum(differences)) - 1e-9
    sums = [abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True))) for signs in product((1, -1), repeat=len(differences))]
    return sum(s >= total for s in sums) / len(sums)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1).filter(lambda x: abs(x) > 1e-6), min_size=1, max_size=9))
def test_permutation_of_real_scores_is_exact(differences):
    assert permutation.permutation(differences) == pytest.approx(brute_force(differences))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, -0.1, 0.2, 0.25, 0.3, 0.75]), min_size=1, max_size=9))
def test_permutation_of_graded_scores_is_exact(differences):
    assert permutation.permutation(differences) == pytest.approx(brute_force(differences))


def test_permutation_ways_agree():
    differences = [Random(3).choice([-0.25, 0.25, 0.5, -0.5, 1]) for _ in range(24)]
    differences = [d * s for d, s in zip(differences, [1, 1, -1] * 8, strict=True)]
    sizes, total = [abs(d) for d in differences], abs(sum(differences))
    exact = permutation._by_polynomial(permutation._units(sizes), round(total * 4))
    assert permutation._by_halves(sizes, total - 1e-9) == pytest.approx(exact)
    assert permutation._by_draws(sizes, total - 1e-9, seed=0) == pytest.approx(exact, abs=0.012)
    assert permutation._by_draws(sizes, total - 1e-9, seed=5) == permutation._by_draws(sizes, total - 1e-9, seed=5)


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_equals_permutation_of_signs(fixed, broken):
    differences = [1] * fixed + [-1] * broken
    assert stats.mcnemar(fixed, broken) == pytest.approx(permutation.permutation(differences) if differences else 1.0)


def test_known_values():
    assert intervals.wilson(28, 200) == pytest.approx((0.099, 0.195), abs=5e-4)
    assert intervals.wilson(195, 200) == pytest.approx((0.943, 0.989), abs=5e-4)
    assert stats.mcnemar(16, 3) == pytest.approx(2 * (1 + 19 + 171 + 969) / 2**19)
    for df, known in ((1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (200, 1.972)):
        assert intervals.student(0.975, df) == pytest.approx(known, abs=5e-3)


def test_compare_zero_one_scores():
    before = [1] * 70 + [0] * 14 + [0] * 16 + [1] * 3
    after = [1] * 70 + [0] * 14 + [1] * 16 + [0] * 3
    found = stats.compare(before, after)
    assert found.significant
    assert (len(found.fixed), len(found.broken), len(found.same), found.n) == (16, 3, 84, 103)
    assert found.delta == pytest.approx(13 / 103)
    assert 0 < found.low < found.delta < found.high
    mirrored = stats.compare(after, before)
    assert not mirrored.significant, "a proven loss is no gain"
    assert (mirrored.p, mirrored.low, mirrored.high) == pytest.approx((found.p, -found.high, -found.low))


def test_compare_real_scores_and_missing_ones():
    before = [0.1, None, 0.3, 0.5, 0.2, 0.35, 0.41, 0.22, 0.9]
    after = [0.4, 1.0, 0.5, 0.9, 0.61, 0.7, 0.83, 0.4, None]
    found = stats.compare(before, after)
    assert found.n == 7
    assert found.p == pytest.approx(2 / 2**7)
    assert found.fixed == (0, 2, 3, 4, 5, 6, 7)
    with pytest.raises(UsageError, match="same rows"):
        stats.compare([1], [1, 0])
    with pytest.raises(UsageError, match="at least one row"):
        stats.compare([None], [1])


@pytest.mark.parametrize(("fixed", "broken"), [(0.05, 0.05), (0.3, 0.1), (0.15, 0.02)])
def test_paired_interval_covers(fixed, broken):
    random, n, hits = Random(7), 60, 0
    for _ in range(600):
        draws = [random.random() for _ in range(n)]
        better, worse = sum(d < fixed for d in draws), sum(fixed <= d < fixed + broken for d in draws)
        low, high = intervals.paired_interval((n - better - worse) // 2, better, worse, n - better - worse - (n - better - worse) // 2)
        hits += low <= fixed - broken <= high
    assert hits / 600 >= 0.93


def test_intervals_at_the_edge():
    assert intervals.paired_interval(10, 0, 0, 0)[0] < 0 < intervals.paired_interval(10, 0, 0, 0)[1]
    assert intervals.mean_interval([1.0] * 5) == intervals.Interval(1.0, intervals.wilson(5, 5)[0], 1.0)
    assert intervals.mean_interval([0.7] * 5).low < 0.6
    assert intervals.mean_interval([3.5]).high == math.inf


def test_power_is_exact():
    n, fixed, broken = 7, 0.6, 0.1
    total = 0.0
    for f in range(n + 1):
        for b in range(n + 1 - f):
            if f > b and stats.mcnemar(f, b) <= 0.05:
                ways = math.comb(n, f) * math.comb(n - f, b)
                total += ways * fixed**f * broken**b * (1 - fixed - broken) ** (n - f - b)
    assert stats.mcnemar_power(n, fixed, broken) == pytest.approx(total)


@pytest.mark.parametrize(("n", "settings"), [(60, {}), (120, {"base": 0.7}), (200, {"broken": 0.03}), (80, {"power": 0.8})])
def test_detectable_is_the_smallest(n, settings):
    base, broken, power = settings.get("base", 0.5), settings.get("broken"), settings.get("power", 0.9)
    gain = stats.detectable(n, **settings)

    def reached(gain):
        worse = base * (1 - base - gain) if broken is None else broken
        return stats.mcnemar_power(n, worse + gain, worse)

    assert reached(gain) >= power > reached(gain - 3e-4)


def test_detectable_with_too_few_rows():
    assert stats.detectable(4) == math.inf
    assert stats.detectable(1, sd=0.3) == math.inf


def claims(gain, n, base, seed):
    """How many of 200 problems of this true gain are claimed, before and after drawn independently."""
    random, claimed = Random(seed), 0
    for _ in range(200):
        before = [int(random.random() < base) for _ in range(n)]
        after = [int(random.random() < base + gain) for _ in range(n)]
        claimed += stats.compare(before, after).significant
    return claimed


def test_r12_null_problems_are_not_claimed():
    for n, base, seed in ((60, 0.5, 1), (100, 0.7, 2), (200, 0.3, 3)):
        claimed = claims(0.0, n, base, seed)
        print(f"R12: {claimed} of 200 null problems claimed (n = {n}; at most 16)")
        assert claimed <= 16


def test_r12_detectable_gains_are_found():
    for n, base, seed in ((60, 0.5, 1), (100, 0.3, 2), (200, 0.6, 3)):
        claimed = claims(stats.detectable(n, base=base), n, base, seed)
        print(f"R12: {claimed} of 200 detectable gains found (n = {n}; at least 160)")
        assert claimed >= 160


def test_r12_real_scores():
    random = Random(0)
    n, sd = 60, 0.3
    gain = stats.detectable(n, sd=sd)
    for true, least, most in ((0.0, 0, 16), (gain, 160, 200)):
        claimed = 0
        for _ in range(60):
            before = [random.random() for _ in range(n)]
            after = [b + random.gauss(true, sd) for b in before]
            claimed += stats.compare(before, after).significant
        assert least <= claimed * 200 / 60 <= most


def test_noise_floor_and_headroom():
    random = Random(1)
    rates = [random.random() for _ in range(100)]
    repeats = [[float(random.random() < rate) for rate in rates] for _ in range(30)]
    floor = stats.noise_floor(repeats)
    true = math.sqrt(sum(r * (1 - r) for r in rates)) / 100
    assert floor.spread == pytest.approx(true, rel=0.1)
    assert floor.smallest == pytest.approx(1.96 * math.sqrt(2) * floor.spread, rel=1e-3)
    room = stats.headroom([[0, 1], [1, 1], [0, 0]])
    assert (room.mean, room.best, room.room) == pytest.approx((0.5, 2 / 3, 1 / 6))


def test_gate_errs_rarely_however_often_it_is_asked():
    """The decision at any row of 200 null problems; the bound holds for the whole path."""
    random = Random(4)
    wrong = 0
    for _ in range(200):
        after = [float(random.random() < 0.5) for _ in range(120)]
        wrong += stats.gate([0.5] * 120, after).decision == "better"
    assert wrong <= 16


def test_gate_decides():
    assert stats.gate([0] * 20, [1] * 20).decision == "better"
    assert stats.gate([1] * 20, [0] * 20).decision == "worse"
    assert stats.gate([0.1] * 30, [0.9] * 15 + [0.0] * 15).decision == "better", "decided once, decided for good"
    assert stats.gate([0, 1], [1, 0]).decision == "open"
    assert stats.gate([], []) == stats.Gate("open", 1.0)
