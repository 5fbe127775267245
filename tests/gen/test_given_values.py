"""What constraints may be: nested maps, numbers of numpy and torch, arrays; and one error for what they may not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import UsageError


@gen.generative
def one() -> float:
    return gen.sample(gen.normal(0.5, 2.0), "y")


@gen.generative
def count() -> int:
    return gen.sample(gen.poisson(3.0), "k")


@gen.generative
def vector() -> Any:
    return gen.sample(gen.mvnormal([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), "v")


@gen.generative
def deep() -> float:
    return gen.sample(one(), "call") + gen.sample(gen.normal(0.0, 1.0), ("z", 0)) + gen.sample(gen.normal(0.0, 1.0), ("z", 1, "a"))


@gen.generative
def kernel(t: int, state: float) -> float:
    return gen.sample(gen.normal(state, 1.0), "s")


NESTED = {"call": {"y": 1.0}, "z": {0: 2.0, 1: {"a": 3.0}}}
FLAT = {("call", "y"): 1.0, ("z", 0): 2.0, ("z", 1, "a"): 3.0}


def test_nested_dicts_are_choice_maps_everywhere() -> None:
    trace, weight = gen.generate(deep, (), NESTED, strict=True)
    assert dict(trace.choices) == FLAT == dict(gen.choicemap(NESTED))
    assert gen.assess(deep, (), NESTED)[0] == weight == gen.assess(deep, (), FLAT)[0]
    assert gen.update(gen.simulate(deep), (), NESTED)[0].score == weight
    assert gen.importance_sampling(deep, (), NESTED, 2).log_evidence == pytest.approx(weight)
    assert dict(gen.choicemap({"a": gen.choicemap({"b": {"c": 1}})})) == {("a", "b", "c"): 1}
    assert not gen.choicemap({"a": {}})
    with pytest.raises(UsageError, match=r"\('z', 0\) is given twice"):
        gen.choicemap({"z": {0: 1.0}, ("z", 0): 2.0})


def scalars() -> list[Any]:
    torch = pytest.importorskip("torch")
    found = [np.float32(0.1), np.float64(0.1), np.array(0.1), np.array(0.1, dtype="float32"), torch.tensor(0.1), pg.Variable(0.1)]
    return [*found, torch.tensor(0.1, dtype=torch.bfloat16), np.float16(0.1), np.longdouble(0.1)]


@pytest.mark.parametrize("place", range(9))
def test_scalars_of_any_kind_are_floats(place: int) -> None:
    value = scalars()[place]
    trace, weight = gen.generate(one, (), {"y": value})
    number = float(value.value if isinstance(value, pg.Variable) else value)
    assert type(trace["y"]) is type(weight) is float
    assert (trace["y"], weight) == (number, gen.normal(0.5, 2.0).logpdf(number))


@pytest.mark.parametrize("value", [2, np.int32(2), np.uint8(2), np.array(2)])
def test_whole_numbers_stay_whole(value: Any) -> None:
    trace, weight = gen.generate(count, (), {"k": value})
    assert type(trace["k"]) is int
    assert (trace["k"], weight) == (2, gen.poisson(3.0).logpdf(2))


def test_arrays_are_float64_or_whole() -> None:
    torch = pytest.importorskip("torch")
    for value in (np.array([0.1, 0.2], dtype="float32"), torch.tensor([0.1, 0.2])):
        trace, weight = gen.generate(vector, (), {"v": value})
        wide = np.asarray(value).astype("float64")
        assert trace["v"].dtype == "float64"
        assert weight == gen.mvnormal([0.0, 0.0], np.eye(2)).logpdf(wide)
        assert gen.generate(one, (), {"y": value}, batch=2)[1].tolist() == gen.normal(0.5, 2.0).logpdf(wide).tolist()
    found = gen.generate(count, (), {"k": np.array([255, 3], dtype="uint8")}, batch=2)[1]
    assert found.tolist() == pytest.approx([gen.poisson(3.0).logpdf(k) for k in (255, 3)])


def lost() -> list[Any]:
    torch = pytest.importorskip("torch")
    return [torch.tensor(1.0, requires_grad=True), pg.Parameter(1.0), pg.Variable(1.0, requires_grad=True)]


@pytest.mark.parametrize("place", range(3))
def test_a_given_value_that_requires_a_gradient_is_refused(place: int) -> None:
    with pytest.raises(
        UsageError, match=r"the value given at 'y' requires a gradient, which a choice map would lose .*; give its \.(value|detach)"
    ):
        gen.generate(one, (), {"y": lost()[place]})


@gen.generative
def branching() -> float:
    return gen.sample(gen.normal(0.0, 1.0), "y") if gen.sample(gen.bernoulli(0.5), "b") else 0.0


@gen.generative
def counting() -> int:
    return len(range(gen.sample(gen.poisson(3.0), "k")))


def drawn(distribution: Any) -> Any:
    return lambda: gen.simulate(gen.generative(lambda: gen.sample(distribution, "x")))


CALLS = {
    "an array for a number": (lambda: gen.generate(one, (), {"y": np.zeros(2)}), r"at 'y' in one .* shape \(2,\), not one number"),
    "a list for a number": (lambda: gen.generate(one, (), {"y": [1.0]}), r"normal: the value is a list of the shape \(1,\).* give one number"),
    "counts for a count": (lambda: gen.assess(count, (), {"k": np.array([1, 2])}), r"at 'k' in count .* shape \(2,\), not one number"),
    "an update to an array": (lambda: gen.update(gen.simulate(one), (), {"y": np.zeros(2)}), r"shape \(2,\), not one number"),
    "too many entries": (lambda: gen.generate(vector, (), {"v": np.zeros(3)}), r"mvnormal: the value has shape \(3,\), not \(2,\)"),
    "another batch": (lambda: gen.generate(one, (), {"y": np.zeros(3)}, batch=4), r"shape \(3,\), not one for each of the 4 samples"),
    "a table for a batch": (lambda: gen.generate(one, (), {"y": np.zeros((4, 2))}, batch=4), r"shape \(4, 2\), not one for each of the 4"),
    "an array with a nan": (lambda: gen.generate(vector, (), {"v": np.array([0.0, np.nan])}), "given at 'v' has a nan in it"),
    "a complex number": (lambda: gen.generate(one, (), {"y": 1j}), "at 'y' in one is 1j, whose log density .* is no number"),
    "an if on a choice of many": (lambda: gen.simulate(branching, batch=4), "branching takes what differs from sample to sample for one number"),
    "a range of a choice of many": (lambda: gen.simulate(counting, batch=4), "no if, while, .*; write numpy.where"),
    "a text as an argument": (lambda: gen.normal("0", 1).logpdf(0), r"normal: mean is '0' \(str\); it must be made of numbers"),
    "a text as the second": (drawn(gen.normal(0.0, "1")), r"normal: std is '1' \(str\)"),
    "nothing as an argument": (drawn(gen.gamma(None, 1.0)), r"gamma: shape is None \(NoneType\)"),
    "texts as probabilities": (drawn(gen.categorical(["a", "b"])), r"categorical: probs is \['a', 'b'\]"),
    "a text inside a mixture": (drawn(gen.mixture([1.0], [gen.normal("0", 1.0)])), "normal: mean is '0'"),
    "one probability": (drawn(gen.categorical(0.5)), "categorical: probs is 0.5; it must be a list or an array of numbers"),
    "one probability for many": (
        lambda: gen.simulate(gen.generative(lambda: gen.sample(gen.categorical(0.5), "x")), batch=2), "probs is 0.5; it must be a list"
    ),
    "probabilities of another batch": (
        lambda: gen.simulate(gen.generative(lambda: gen.sample(gen.categorical(np.ones((3, 2)) / 2), "x")), batch=4),
        r"categorical: probs has the shape \(3, 2\), which does not fit; .* one for each of the 4",
    ),
    "parts of another batch": (
        lambda: gen.simulate(gen.generative(lambda: gen.sample(gen.mixture([1.0], [gen.normal(np.zeros(3), 1.0)]), "x")), batch=4),
        r"normal: mean has the shape \(3,\), which does not fit",
    ),
    "a list for a mean": (drawn(gen.normal([0.0, 1.0], 1.0)), r"normal: mean is a list of the shape \(2,\).* give one number"),
    "an array for a mean": (drawn(gen.normal(np.zeros(2), 1.0)), r"at 'x' in .* mean has the shape \(2,\)"),
    "a value of text": (lambda: gen.normal(0.0, 1.0).logpdf("a"), r"'a' \(str\) cannot be a value of normal"),
    "a float of steps": (lambda: gen.simulate(gen.unfold(kernel), (3.0, 0.0)), r"unfold\(kernel\) makes n=3.0 steps; n must be a whole"),
    "fewer than no steps": (lambda: gen.simulate(gen.unfold(kernel), (-1, 0.0)), "n=-1 steps"),
    "half a branch": (lambda: gen.simulate(gen.switch(one, one), (0.5,)), "branches 0 to 1; got 0.5"),
    "a branch in letters": (lambda: gen.simulate(gen.switch(one, one), ("1",)), "branches 0 to 1; got '1'"),
    "a number for a column": (lambda: gen.simulate(gen.map_(kernel), (3, [0.0])), r"map_\(kernel\) takes lists, one entry per call, not 3"),
    "no selection": (lambda: gen.regenerate(gen.simulate(one), None), r"None is no selection; write gen.select\('a', \('b', 0\)\)"),
    "choices as a selection": (lambda: gen.regenerate(gen.simulate(one), {"y": 1.0}), "is no selection"),
    "a selection of selections": (lambda: gen.select(gen.select("y")), r"join selections with \|"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_one_error_names_the_value_and_the_fix(name: str) -> None:
    act, message = CALLS[name]
    with pytest.raises(UsageError, match=message):
        act()


def test_a_selection_may_be_one_address_or_several() -> None:
    trace = gen.generate(deep, (), FLAT)[0]
    for selection, chosen in [(("z", 0), {("z", 0)}), ("call", {("call", "y")}), (["call", "z"], set(FLAT)), ("c", set())]:
        made = gen.regenerate(trace, selection)[0]
        assert {address for address in FLAT if made[address] != trace[address]} == chosen
        assert gen.project(trace, selection) == gen.project(trace, gen.select(*(selection if isinstance(selection, list) else [selection])))
        assert set(gen.choice_gradients(trace, selection)[1]) == chosen
    assert gen.simulate(gen.unfold(kernel), (np.int64(2), 0.0)).choices.keys() == {(0, "s"), (1, "s")}
    assert gen.simulate(gen.switch(one, count), (np.int64(1),)).choices.keys() == {"k"}


def test_a_module_of_the_package_can_be_the_first_to_be_imported() -> None:
    """An unknown name of the package must not import half of it while a module of it is being imported."""
    program = """
import sys
for name in ("arrays", "functions", "static", "training", "distributions", "backprop"):
    for loaded in [each for each in sys.modules if each.startswith("paragrad.gen")]:
        del sys.modules[loaded]
    exec(f"from paragrad.gen import {name}")
    assert "paragrad.gen.training.vimco" not in sys.modules or name == "training", name
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_what_bodies_without_traces_read_is_told_to_the_surroundings_and_not_kept() -> None:
    from paragrad.trace.escapes import watch

    note = pg.Parameter("a text", name="note")

    @gen.generative
    def guide() -> None:
        mean = 1.0 if note.value else 0.0
        gen.sample(gen.normal(mean + gen.param("a", 0.0), 1.0), "z")

    model = gen.generative(lambda: gen.sample(gen.normal(0.0, 1.0), "z"))
    context = {"default": pg.stores.open("memory:")}
    gen.init_parameter((guide, "a"), 0.0, context)
    optimizer = gen.init_optimizer(pg.optimizers.FixedStepGradientDescent(0.1), guide, context)
    with watch() as seen:
        gen.black_box_vi(model, (), {}, guide, (), optimizer, iters=2, samples_per_iter=3, batched=False, context=context)
    assert {escape.label for escape in seen.escapes} == {"note"}
