"""Where parameters come from: contexts, several stores at once, isolation, threads, stale traces."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

import paragrad as pg
from paragrad import gen
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import StaleTrace, UsageError


@gen.generative(grad=True)
def inner(x: float) -> float:
    return gen.sample(gen.normal(x + gen.param("theta", 0.5), 1.0), "z")


@gen.generative(grad=True)
def outer(x: float) -> float:
    return gen.sample(inner(x * gen.param("theta", 2.0)), "inner")


def memory() -> Any:
    return pg.stores.open("memory:")


def test_the_same_name_in_two_functions_is_two_parameters() -> None:
    store = memory()
    gen.simulate(outer, (1.0,), store)
    assert store.get_parameter_value((inner, "theta")) == 0.5
    assert store.get_parameter_value((outer, "theta")) == 2.0


def test_each_function_finds_its_own_store() -> None:
    one, two, rest = memory(), memory(), memory()

    @gen.generative(store="elsewhere", grad=True)
    def keyed() -> float:
        return gen.param("theta", 7.0)

    @gen.generative(grad=True)
    def all_three(x: float) -> float:
        return gen.sample(outer(x), "outer") + gen.sample(keyed(), "keyed")

    context = {"default": rest, inner: one, "elsewhere": two}
    trace = gen.simulate(all_three, (1.0,), context)
    assert {id: store for id, (store, _) in trace.versions.items()} == {
        (outer, "theta"): rest,
        (inner, "theta"): one,
        (keyed, "theta"): two,
    }
    gen.accumulate_param_gradients(trace, 1.0)
    assert two.get_gradient((keyed, "theta")) == 1.0
    assert all_three.parameter_ids(context) == {rest: [(outer, "theta")], one: [(inner, "theta")], two: [(keyed, "theta")]}
    with pytest.raises(KeyError):
        rest.get_parameter_value((inner, "theta"))
    made, _, _, _ = gen.update(trace, (2.0,))
    again, _, _ = gen.regenerate(trace, gen.select("outer"))
    assert made.versions == again.versions == trace.versions


def test_named_stores_never_touch_the_default_one() -> None:
    @gen.generative
    def lonely() -> float:
        return gen.sample(gen.normal(gen.param("alone", 0.0), 1.0), "x")

    store = memory()
    with pg.parameter_context(store):
        trace = gen.simulate(lonely)
        many = gen.simulate(gen.map_(outer), ([1.0, 2.0],))
    assert trace.context["default"] is store
    assert {kept for kept, _ in many.versions.values()} == {store}
    gen.accumulate_param_gradients(trace)
    with pytest.raises(KeyError):
        pg.stores.default_parameter_store.get_parameter_value((lonely, "alone"))
    gen.simulate(lonely)
    assert pg.stores.default_parameter_store.get_parameter_value((lonely, "alone")) == 0.0
    assert pg.stores.default_parameter_store.get_gradient((lonely, "alone")) == 0.0


def test_an_explicit_context_beats_the_ambient_one() -> None:
    near, far = memory(), memory()
    with pg.parameter_context({"default": far}), pg.parameter_context({inner: near}):
        assert {s for s, _ in gen.simulate(outer, (1.0,)).versions.values()} == {near, far}
        assert {s for s, _ in gen.simulate(outer, (1.0,), near).versions.values()} == {near}


def test_a_function_without_parameters_needs_no_store() -> None:
    @gen.generative
    def free() -> float:
        return gen.sample(gen.normal(0.0, 1.0), "x")

    trace = gen.simulate(free, (), {})
    assert trace.versions == {}
    assert free.parameter_ids({}) == {}
    assert gen.accumulate_param_gradients(trace) == ()
    with pytest.raises(UsageError, match=r"no store for inner.*'somewhere'.*add 'default'"):
        gen.simulate(inner, (1.0,), {"somewhere": memory()})


def test_a_parameter_without_a_first_value_is_a_clear_error() -> None:
    @gen.generative(grad=True)
    def bare() -> float:
        return gen.param("w")

    store = memory()
    with pytest.raises(KeyError, match="init_parameter"):
        gen.simulate(bare, (), store)
    gen.init_parameter((bare, "w"), 3, store)
    assert gen.simulate(bare, (), store).retval == 3.0


def test_a_stale_trace_is_refused_kept_or_reevaluated() -> None:
    store = memory()
    trace, _ = gen.generate(outer, (1.0,), {("inner", "z"): 4.0}, store)
    assert trace.score.versions == trace.versions == {(outer, "theta"): (store, 1), (inner, "theta"): (store, 2)}
    store.set_parameter_value((inner, "theta"), 1.5)
    with pytest.raises(StaleTrace, match=r"'theta' of inner at version 2, which is at 3 now"):
        gen.accumulate_param_gradients(trace)
    assert store.get_gradient((outer, "theta")) == 0.0
    gen.accumulate_param_gradients(trace, stale="keep")
    assert store.get_gradient((inner, "theta")) == 4.0 - 2.5
    store.reset_gradient((inner, "theta"))
    gen.accumulate_param_gradients(trace, stale="reevaluate")
    assert store.get_gradient((inner, "theta")) == 4.0 - 3.5
    with pytest.raises(UsageError, match="'reevaluate'"):
        gen.accumulate_param_gradients(trace, stale="ignore")
    store.init_parameter("another", 1.0)  # a commit that touches nothing the trace read
    fresh, _ = gen.generate(outer, (1.0,), None, store)
    store.set_parameter_value("another", 2.0)
    gen.accumulate_param_gradients(fresh)


def test_a_trace_reads_one_commit_even_while_another_thread_writes() -> None:
    @gen.generative
    def pair() -> tuple[float, float]:
        left = gen.param("left", 0.0)
        store.publish({(pair, "left"): left + 1.0, (pair, "right"): left + 1.0})
        return left, gen.param("right", 0.0)

    store = memory()
    for name in ("left", "right"):
        gen.init_parameter((pair, name), 0.0, store)
    for turn in range(3):
        assert gen.simulate(pair, (), store).retval == (turn, turn)


def test_the_first_reads_of_many_threads_make_one_parameter() -> None:
    @gen.generative
    def f() -> float:
        return gen.sample(gen.normal(gen.param("m", 1.0), 1.0), "x")

    store, count = memory(), 200
    start = threading.Barrier(8)

    def work(place: int) -> None:
        start.wait(10) if place < 8 else None
        trace, _ = gen.generate(f, (), {"x": 3.0}, store)
        gen.accumulate_param_gradients(trace, scale=0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(count)))
    assert store.get_gradient((f, "m")) == count * 2.0 * 0.5
    assert len(store.history((f, "m"))) == 1


def test_the_ambient_context_follows_into_threads() -> None:
    store = memory()
    with pg.parameter_context(store), ThreadPoolExecutor(2) as pool:
        contexts = [copy_context() for _ in range(4)]
        found = list(pool.map(lambda c: c.run(gen.simulate, outer, (1.0,)), contexts))
    assert {s for trace in found for s, _ in trace.versions.values()} == {store}


def test_pushes_are_all_or_none() -> None:
    good, bad = memory(), memory()
    trace = gen.simulate(outer, (1.0,), {"default": good, inner: bad})
    bad.increment_gradient = None  # the second store is gone
    with pytest.raises(TypeError):
        gen.accumulate_param_gradients(trace)
    assert good.get_gradient((outer, "theta")) == 0.0


def test_params_declared_in_the_source_are_known_before_the_first_run() -> None:
    store = memory()
    assert outer.parameter_ids(store) == {store: [(outer, "theta"), (inner, "theta")]}
    assert store.get_parameter_value((outer, "theta")) == 2.0


def test_lists_and_initial_functions_become_arrays() -> None:
    @gen.generative(grad=True)
    def f() -> float:
        return gen.param("w", [1, 2, 3]) @ gen.param("v", lambda: [0.5, 0.0, 1.0])

    store = memory()
    trace = gen.simulate(f, (), store)
    assert trace.retval == 3.5
    gen.accumulate_param_gradients(trace, 2.0)
    assert store.get_gradient((f, "w")).tolist() == [1.0, 0.0, 2.0]
    assert store.get_gradient((f, "v")).tolist() == [2.0, 4.0, 6.0]


def test_every_distribution_and_training_loop_is_a_name_of_gen() -> None:
    from paragrad.gen import distributions, training

    assert set(distributions.__all__) | set(training.__all__) <= set(gen.__all__)
    assert all(getattr(gen, name) is not None for name in gen.__all__)
    assert pg.gen is gen


def test_nothing_keeps_a_store_or_a_function_alive() -> None:
    @gen.generative
    def f() -> float:
        return gen.sample(gen.normal(gen.param("m", 1.0), 1.0), "x")

    gone = weakref.ref(store := memory())
    gen.accumulate_param_gradients(gen.simulate(f, (), store))
    del store
    gc.collect()
    assert gone() is None
    kept = memory()
    gen.simulate(f, (), kept)
    function = weakref.ref(f)
    del f
    gc.collect()
    assert function() is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_draws_numbers_of_its_own() -> None:
    @gen.generative
    def f() -> float:
        return gen.sample(gen.normal(0.0, 1.0), "x")

    gen.simulate(f)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, repr(gen.simulate(f)["x"]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() != repr(gen.simulate(f)["x"])


def test_inside_a_run_random_numbers_belong_to_coordinates() -> None:
    def drawn(between: bool, seed: int = 1) -> list[float]:
        with scope(Scope(Coordinate(step=2), seed=seed)):
            first = gen.simulate(inner, (1.0,))
            if between:  # draws nothing, so it takes no coordinate
                gen.assess(inner, (1.0,), first.choices)
            return [first["z"], gen.simulate(inner, (1.0,))["z"]]

    assert drawn(False) == drawn(True) != drawn(False, seed=2)
    with scope(Scope(Coordinate())), gen.seed(4):
        assert gen.simulate(inner, (1.0,))["z"] == gen.simulate(inner, (1.0,), rng=4)["z"]


def test_marks_are_read_from_annotations() -> None:
    @gen.generative
    def f(a: gen.Grad[float], b: Unknown) -> gen.Grad[float]:  # type: ignore[name-defined]  # noqa: F821
        return gen.sample(gen.normal(a * b, 1.0), "z")

    @gen.generative
    def g(a: float, b: gen.Grad[float]) -> float:
        return gen.sample(gen.normal(a * b, 1.0), "z")

    assert (f.argument_grads, f.output_grad) == ((True, False), True)
    assert (g.argument_grads, g.output_grad) == ((False, True), False)
    trace, _ = gen.generate(f, (2.0, 3.0), {"z": 7.0}, memory())
    assert gen.choice_gradients(trace, None, 1.0)[0] == (3.0, None)


def test_a_release_is_what_functions_read_inside_it() -> None:
    """Old values are read; a gradient for them is stale, since the store has moved on."""

    @gen.generative
    def shift() -> Any:
        return gen.sample(gen.normal(gen.param("mean", 1.0), 1.0), "x")

    store = pg.stores.open("memory:")
    gen.simulate(shift, (), store)
    store.release("first")
    store.set_parameter_value((shift, "mean"), 2.0)
    with store.at("first@1"):
        trace, old = gen.generate(shift, (), {"x": 1.0})
    assert gen.generate(shift, (), {"x": 2.0}, store)[1] == old
    with pytest.raises(StaleTrace, match="mean"):
        gen.accumulate_param_gradients(trace)
    assert store.get_gradient((shift, "mean")) == 0.0
    gen.accumulate_param_gradients(trace, stale="reevaluate")
    assert store.get_gradient((shift, "mean")) == -1.0
