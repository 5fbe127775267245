"""Lazy values: named, hashable, seeded, cut, and refused before anything is allocated."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import paragrad as pg
from paragrad import registry
from paragrad.errors import UnknownName, UsageError
from paragrad.initializers import Constant, Initializer, Layout, LazyArray, Normal


def test_nothing_is_allocated_before_it_is_read() -> None:
    tracemalloc.start()
    try:
        lazy = pg.initializer("normal", (1000, 1000, 1000))
        parameter = pg.Parameter(lazy, name="huge")
        described = (repr(lazy), repr(parameter), parameter.shape, parameter.dtype)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert described == (
        "initializer(Normal(sigma=0.01, mean=0.0), shape=(1000, 1000, 1000), dtype='float32')",
        "Parameter (name=huge, shape=(1000, 1000, 1000), dtype=Float32, requires_grad=True)",
        (1000, 1000, 1000),
        "float32",
    )


def test_equal_values_are_one_key() -> None:
    one, two = (pg.initializer("NORMAL", [2, np.int64(3)], np.float32, seed=1, sigma=0.5) for _ in range(2))
    assert one == two
    assert len({one, two, pg.initializer(Normal(0.5), (2, 3), seed=2)}) == 2
    assert one != "normal"
    with pytest.raises(AttributeError, match="never changes"):
        one.seed = 3
    assert (one.shape, one.dtype, one.seed, one.size) == ((2, 3), "float32", 1, 6)


def test_equal_seeds_give_equal_values_and_others_do_not() -> None:
    a, b = (pg.initializer("normal", (3, 3), seed=seed).materialize() for seed in (1, 2))
    assert np.array_equal(a, pg.initializer("normal", (3, 3), seed=1).materialize())
    assert not np.array_equal(a, b)
    loose = pg.initializer("normal", (3, 3))
    assert not np.array_equal(loose.materialize(), loose.materialize())
    assert np.array_equal(loose.fixed("layer.w").materialize(), loose.fixed("layer.w").materialize())
    assert not np.array_equal(loose.fixed("layer.w").materialize(), loose.fixed("layer.v").materialize())


def test_values_are_read_only_for_good() -> None:
    for name in ("zeros", "normal"):
        array = pg.initializer(name, 3).materialize()
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


@given(st.integers(1, 40), st.integers(1, 7), st.sampled_from(["normal", "ones"]))
def test_slices_together_are_the_whole(size: int, ranks: int, name: str) -> None:
    lazy = pg.initializer(name, (3, size), "float32", seed=5)
    parts = [lazy.part(Layout(1, rank, ranks)) for rank in range(ranks)]
    arrays = [part.materialize() for part in parts]
    assert [part.shape for part in parts] == [array.shape for array in arrays]
    assert np.array_equal(np.concatenate(arrays, axis=1), lazy.materialize())
    chunk = math.ceil(size / ranks)
    assert all(a.shape[1] == chunk for a, b in pairwise(arrays) if b.shape[1])


def test_slices_are_cut_as_torch_cuts_them() -> None:
    torch = pytest.importorskip("torch")
    whole = pg.initializer("normal", (7, 4), seed=1).materialize()
    for ranks in (2, 3):
        theirs = [part.numpy() for part in torch.tensor(np.array(whole)).chunk(ranks)]
        ours = [pg.initializer("normal", (7, 4), seed=1).part(Layout(0, rank, ranks)).materialize() for rank in range(ranks)]
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_several_dimensions_are_cut_one_after_another() -> None:
    lazy = pg.initializer("normal", (4, 6), seed=1)
    part = lazy.part([Layout(0, 1, 2), Layout(-1, 2, 3)])
    assert np.array_equal(part.materialize(), lazy.materialize()[2:4, 4:6])
    assert hash(part) == hash(lazy.part((Layout(0, 1, 2), Layout(-1, 2, 3))))
    with pytest.raises(ValueError, match="part already"):
        part.part(Layout(0, 0, 2))


def test_a_constant_slice_is_made_without_the_rest() -> None:
    huge = pg.initializer("ones", (10**6, 10**6)).part([Layout(0, 3, 10**6), Layout(1, 0, 10**6)])
    assert huge.materialize().tolist() == [[1.0]]


BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda: pg.initializer("xavier_unifrom", (2, 2)), UnknownName, "did you mean 'xavier_uniform'"),
    (lambda: pg.initializer("kaiming_normal", (2, 2)), UnknownName, "that initializer is 'he_normal' here"),
    (lambda: pg.initializer("ones", (2, 0)), ValueError, "ints from 1 up"),
    (lambda: pg.initializer("ones", (2, -1)), ValueError, "ints from 1 up"),
    (lambda: pg.initializer("ones", True), ValueError, "ints from 1 up"),
    (lambda: pg.initializer("ones", 2.0), TypeError, "int or a tuple of ints"),
    (lambda: pg.initializer("ones", "23"), TypeError, "int or a tuple of ints"),
    (lambda: pg.initializer("ones"), ValueError, "needs a shape"),
    (lambda: pg.initializer("ones", 2, "complex64"), TypeError, "complex64"),
    (lambda: pg.initializer("normal", 2, "int64"), TypeError, "draws fractions"),
    (lambda: pg.initializer("constant", 2), TypeError, "value"),
    (lambda: pg.initializer("normal", 2, sgima=1), TypeError, "sgima"),
    (lambda: pg.initializer(Normal(), 2, sigma=1), TypeError, "goes with a name"),
    (lambda: pg.initializer(Normal, 2), TypeError, r"write Normal\(\)"),
    (lambda: pg.initializer(True, 2), TypeError, "bool"),
    (lambda: pg.initializer(None, 2), TypeError, "NoneType"),
    (lambda: pg.initializer(0.5, 2, "int64"), TypeError, "cannot hold 0.5"),
    (lambda: pg.initializer(300, 2, "uint8"), ValueError, "0 to 255"),
    (lambda: pg.initializer(1e9, 2, "float16"), ValueError, "float16"),
    (lambda: pg.initializer("ones", 2, seed=-1), ValueError, "from 0 up"),
    (lambda: pg.initializer("ones", 2, seed=1.5), TypeError, "int or None"),
    (lambda: pg.initializer("he_normal", 2), ValueError, "at least 2 dimensions"),
    (lambda: pg.initializer("dirac", (2, 2)), ValueError, "3 to 5 dimensions"),
    (lambda: pg.initializer("identity", (2, 2, 2)), ValueError, "2 dimensions"),
    (lambda: pg.initializer("dirac", (3, 2, 3), groups=2), ValueError, "cannot be divided"),
    (lambda: pg.initializer("he_normal", (2, 2), mode="fan"), ValueError, "fan_in, fan_out"),
    (lambda: pg.initializer("sparse", (2, 2), sparsity=2), ValueError, "part of 1"),
    (lambda: pg.initializer("normal", 2, sigma=-1), ValueError, "from 0 up"),
    (lambda: pg.initializer("truncated_normal", 2, a=1, b=1), ValueError, "a below b"),
    (lambda: pg.initializer("variance_scaling", (2, 2), scale=0), ValueError, "above 0"),
    (lambda: pg.initializer(np.ones(3), 2), ValueError, r"shape \(3,\), wanted \(2,\)"),
    (lambda: pg.initializer(np.ones(3)), TypeError, "float64 does not fit float32"),
    (lambda: Layout(0, 2, 2), ValueError, "rank"),
    (lambda: Layout(0.5), TypeError, "dim"),
    (lambda: pg.initializer("ones", 2).part(Layout(1, 0, 2)), ValueError, "does not have"),
    (lambda: pg.initializer("ones", 2).part("x"), TypeError, "Layout"),
    (lambda: pg.initializer("ones", 2).part([1]), TypeError, "Layout"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_input_is_one_clear_error(number: int) -> None:
    make, error, words = BAD[number]
    with pytest.raises(error, match=words):
        make()


@pytest.fixture
def registered() -> Any:
    before = dict(registry.initializers._found)
    yield
    registry.initializers._found = before


@pytest.mark.usefixtures("registered")
def test_rules_of_ones_own() -> None:
    @pg.initializers.register("ramp")
    @dataclass(frozen=True)
    class Ramp(Initializer):
        step: float = 1.0
        draws: ClassVar[bool] = False

        def fill(self, array: Any, generator: Any) -> None:
            array[...] = np.arange(array.size).reshape(array.shape) * self.step

    @pg.initializers.register("coins")
    def coins(array: Any, generator: Any) -> None:
        array[...] = generator.integers(0, 2, array.shape)

    assert pg.initializer("ramp", (2, 2), "int32", step=2).materialize().tolist() == [[0, 2], [4, 6]]
    assert pg.initializer(Ramp(), 3).materialize().tolist() == [0, 1, 2]
    tossed = pg.initializer("coins", 100, "uint8", seed=1)
    assert set(tossed.materialize().tolist()) == {0, 1}
    assert np.array_equal(tossed.materialize(), tossed.materialize())
    assert {"ramp", "coins"} <= set(pg.initializers.names())
    with pytest.raises(UsageError, match="taken"):
        pg.initializers.register("zeros")(Ramp)
    with pytest.raises(UsageError, match="small letters"):
        pg.initializers.register("Ramp")
    with pytest.raises(TypeError, match="derive it"):
        pg.initializers.register("other")(int)


def test_a_foreign_lazy_value_is_asked_once_and_kept() -> None:
    class Foreign:
        shape, dtype = (2, 2), "float32"
        asked = 0

        def materialize(self) -> Any:
            self.asked += 1
            return np.ones((2, 2), np.float32)

    lazy = Foreign()
    p: Any = pg.Parameter(lazy, name="foreign")
    assert (repr(p), lazy.asked) == ("Parameter (name=foreign, shape=(2, 2), dtype=Float32, requires_grad=True)", 0)
    assert p.value is p.value
    assert lazy.asked == 1
    q: Any = pg.Parameter(Foreign()).init_data(Layout(0, 1, 2))
    assert q.value.tolist() == [[1.0, 1.0]]
    assert isinstance(pg.initializer(Constant(1), 2), LazyArray)


@pytest.mark.parametrize("number", [3.0, np.float32(3), np.float64(3), np.int64(3), np.array(3.0)])
def test_a_scalar_of_any_make_fills_the_shape(number):
    assert pg.Parameter(pg.initializer(number, (2, 2))).value.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert pg.Parameter(pg.initializer(number, ())).value == 3.0
