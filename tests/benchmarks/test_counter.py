"""The counter: every evaluation counts, noise is repeatable, and the incumbent is judged by its true score."""

from benchmarks.landscapes import Counter, Landscape
from benchmarks.landscapes.figures import best, figures, shown

EVERYTHING = [" ".join(f"r{rule}" for rule in range(24))]


def test_noise_is_drawn_by_texts_example_and_repeat():
    landscape = Landscape("noise", 0, 50)
    runs = []
    for order in (list(landscape.train), list(reversed(landscape.train))):
        counter = Counter(landscape)
        found = {(e, repeat): counter.observe(e, EVERYTHING) for repeat in range(20) for e in order}
        assert counter.calls == len(found)
        runs.append(found)
    assert runs[0] == runs[1]
    flipped = sum(score == 0.0 for score, _ in runs[0].values())
    assert 0.06 < flipped / len(runs[0]) < 0.14
    assert len({runs[0][e, 0] == runs[0][e, 1] for e in landscape.train}) == 2
    assert {said for _, said in runs[0].values()} == {"correct", "wrong"}


def test_the_first_count_at_which_the_incumbent_is_good():
    counter = Counter(Landscape("friendly", 0, 50))
    counter.look(["start"])
    for example in range(10):
        counter.observe(example, ["start"])
    counter.look(EVERYTHING)
    counter.observe(0, EVERYTHING)
    counter.look(["start"])
    assert counter.trail == [(0, 0.0), (10, 1.0), (11, 0.0)]
    assert (counter.summary()["hit"], counter.summary()["final"], counter.calls) == (10, 0.0, 11)


def test_what_is_found_after_the_budget_does_not_count():
    counter = Counter(Landscape("friendly", 0, 50), budget=5)
    for example in range(6):
        counter.observe(example, ["start"])
    counter.look(EVERYTHING)
    assert counter.summary()["hit"] is None


def test_a_shift_is_seen_by_those_who_stopped_before_it():
    landscape = Landscape("shift", 0, 50)
    early = Counter(landscape, budget=100)
    early.look(EVERYTHING)
    assert early.hit is None
    assert early.summary()["hit"] == 50
    late = Counter(landscape, budget=4)
    late.look(EVERYTHING)
    for example in range(3):
        late.observe(example, EVERYTHING)
    assert late.hit == 2


def test_figures():
    runs = [{"hit": hit, "final": 0.9, "calls": 10} for hit in (5, 7, None)]
    assert shown(figures(runs)) == "2/3 · 7 · 0.90"
    assert figures([*runs, runs[2]])["median"] is None


def test_the_best_setting():
    def told(successes, median, final):
        return {"successes": successes, "of": 10, "median": median, "final": final}

    assert best({"often": told(10, 900, 1.0), "fast": told(9, 700, 1.0), "lucky": told(6, 300, 0.9)}) == "fast"
    assert best({"low": told(0, None, 0.2), "high": told(1, None, 0.4)}) == "high"
