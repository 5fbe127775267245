"""Parameters of numbers: deferred values, set_data, clone, flags and names."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import UsageError
from paragrad.initializers import Initializer, Layout
from paragrad.trace import Parameter, overlay, pinned, transaction


class Counted(Initializer):
    """Counts how often it fills."""

    draws = False

    def __init__(self) -> None:
        self.filled = 0

    def fill(self, array: Any, generator: Any) -> None:
        self.filled += 1
        array[...] = generator.standard_normal(array.shape)


def deferred(rule: Any = "normal", shape: Any = (4, 6), **options: Any) -> Any:
    return Parameter(pg.initializer(rule, shape), **options)


# --- deferred ------------------------------------------------------------------------------------------


def test_deferred_parameters_allocate_nothing() -> None:
    lazy = pg.initializer("normal", (512, 512))
    deferred().init_data()
    tracemalloc.start()
    try:
        made = [Parameter(lazy, name=f"w{i}") for i in range(100)]
        shown = [repr(p) for p in made]
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 200_000  # one of the arrays has 1,048,576 bytes
    assert shown[3] == "Parameter (name=w3, shape=(512, 512), dtype=Float32, requires_grad=True)"


@pytest.mark.parametrize(
    "read",
    [
        lambda p: p.value,
        lambda p: p + 1,
        lambda p: p.init_data(),
        lambda p: copy.deepcopy(p).value + p.value,
        lambda p: np.asarray(p),
        lambda p: p.write(p.value),
    ],
)
def test_the_first_read_makes_the_array_and_only_it(read: Callable[[Any], Any]) -> None:
    rule = Counted()
    p = deferred(rule)
    assert (p.shape, p.dtype, p.version, rule.filled) == ((4, 6), "float32", 1, 1) or rule.filled <= 1
    read(p)
    read(p)
    assert rule.filled <= 2  # a deep copy draws its own
    assert p.init_data() is p


def test_looking_at_it_makes_nothing() -> None:
    rule = Counted()
    p = deferred(rule, name="w")
    for look in (repr, str, lambda p: (p.shape, p.dtype, p.name, p.id, p.kind, p.space), lambda p: (p.sliced, p.inited_param, p.is_leaf)):
        look(p)
    p.requires_grad_(False).requires_grad_(True)
    p.clone()
    pg.ParameterTuple([p]).clone("copies")
    assert rule.filled == 0
    assert p.version == 1


def test_many_threads_make_it_once_and_see_one_array() -> None:
    rule = Counted()
    p = deferred(rule, (64, 64))
    gate = threading.Barrier(8)

    def read(number: int) -> Any:
        gate.wait()
        return p.init_data().value if number % 2 else p.value

    with ThreadPoolExecutor(8) as pool:
        arrays = list(pool.map(read, range(8)))
    assert rule.filled == 1
    assert all(array is arrays[0] for array in arrays)


def test_writers_and_first_readers_never_lose_a_write() -> None:
    for _ in range(50):
        p = deferred("zeros", (2,))
        gate = threading.Barrier(2)

        def write(p: Any = p, gate: Any = gate) -> None:
            gate.wait()
            p.set_data([7.0, 7.0])

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(write)
            gate.wait()
            p.value
            done.result()
        assert p.value.tolist() == [7.0, 7.0]


def test_the_order_of_reading_does_not_matter() -> None:
    def values(order: list[int]) -> list[Any]:
        made = [deferred(name=f"w{i}") for i in range(3)]
        for i in order:
            made[i].init_data()
        return [p.value for p in made]

    one, two = values([0, 1, 2]), values([2, 0, 1])
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(deferred().value, deferred().value)  # without a name the system draws the seed


def test_a_place_in_a_program_is_a_seed() -> None:
    class Net(pg.Module):
        def __init__(self) -> None:
            self.layers = [deferred(), deferred()]

    one, two = Net(), Net()
    one.named_parameters()
    two.named_parameters()
    assert np.array_equal(one.layers[1].value, two.layers[1].value)
    assert not np.array_equal(one.layers[0].value, one.layers[1].value)


def test_shards_equal_slices_of_the_whole() -> None:
    whole = deferred(name="w").value
    for rank in range(3):
        p = deferred(name="w", space=pg.Tensor(low=-9, high=9))
        assert p.init_data(Layout(1, rank, 3)) is p
        assert np.array_equal(p.value, whole[:, rank * 2 : rank * 2 + 2])
        assert (p.sliced, p.inited_param, p.shape, p.space.shape) == (True, p, (4, 2), (4, 2) if p.space.shape else None)
        assert p.space.low == -9
        p.set_data(np.zeros((4, 2), np.float32))
        with pytest.raises(ValueError, match=r"\(4, 6\)"):
            p.set_data(np.zeros((4, 6), np.float32))
    p = deferred(name="w")
    p.value
    with pytest.raises(ValueError, match="before the first read"):
        p.init_data(Layout(0, 1, 2))
    assert not p.sliced
    assert deferred().init_data(Layout(0, 0, 1)).sliced is False
    assert deferred().init_data(set_sliced=True).sliced is True


def test_a_layout_that_does_not_fit_leaves_it_deferred() -> None:
    p = deferred(name="w")
    for layout in (Layout(2, 0, 2), "rows", 3):
        with pytest.raises((ValueError, TypeError)):
            p.init_data(layout)
    with pytest.raises(TypeError, match="set_sliced"):
        p.init_data(set_sliced=1)
    assert p.inited_param is None
    assert p.init_data(Layout(0, 1, 2)).shape == (2, 6)


def test_a_rule_that_fails_leaves_it_deferred() -> None:
    class Fails(Counted):
        def fill(self, array: Any, generator: Any) -> None:
            super().fill(array, generator)
            if self.filled == 1:
                raise RuntimeError("no entropy")

    p = deferred(Fails())
    with pytest.raises(RuntimeError, match="no entropy"):
        p.value
    assert repr(p) == "Parameter (name=Parameter, shape=(4, 6), dtype=Float32, requires_grad=True)"
    assert p.value.shape == (4, 6)


def test_contexts_see_one_first_value() -> None:
    p = deferred(name="w")
    with pinned() as outer, overlay({p: np.ones((4, 6), np.float32)}):
        assert p.value.tolist() == np.ones((4, 6)).tolist()
        assert p.shape == (4, 6)
        assert outer is not None
    with transaction():
        p.set_data(p.value * 2)
    assert p.version == 2
    assert np.array_equal(p.value, deferred(name="w").value * 2)


def test_gradients_reach_it() -> None:
    p = deferred("ones", (2,))
    ((p * 3.0) * 1.0).backward(np.ones(2))
    assert p.grad[0].value.tolist() == [3.0, 3.0]


def test_an_initializer_in_a_store(tmp_path: Any) -> None:
    store = pg.stores.open(f"sqlite:///{tmp_path}/x.db")
    p = deferred(name="w", store=store)
    assert np.array_equal(store.get_parameter_value("w"), deferred(name="w").value)
    p.set_data("ones")
    assert store.get_parameter_value("w").tolist() == np.ones((4, 6)).tolist()
    p.set_data(np.zeros((2, 2), np.float32), slice_shape=True)
    assert (p.shape, store.get_parameter_value("w").shape, p.sliced) == ((2, 2), (2, 2), True)


@pytest.mark.parametrize(
    ("lazy", "space", "error"),
    [
        (("ones", (2, 3)), pg.Tensor(shape=(3, 2)), "shape"),
        (("ones", (2,), "float64"), pg.Tensor(dtype="float32"), "float64 does not fit float32"),
        (("ones", (2,)), pg.Text(), "text"),
        (("ones", ()), pg.Number(), "number"),
    ],
)
def test_an_initializer_that_does_not_fit_the_space_is_refused_at_once(lazy: Any, space: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        Parameter(pg.initializer(*lazy), space=space)
    assert Parameter(pg.initializer("ones", 2, "int8"), space=pg.Tensor(dtype="float32")).value.dtype == np.float32


# --- construction --------------------------------------------------------------------------------------


def test_sources_are_copied_and_values_never_change() -> None:
    sources: list[Any] = [np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(2, 6)[:, ::2], np.asfortranarray(np.ones((2, 3)))]
    for source in sources:
        for p in (Parameter(source), Parameter(np.zeros((2, 3))).set_data(source)):
            before = p.value.tolist()
            source += 77
            assert p.value.tolist() == before
            assert p.value.flags.c_contiguous
            with pytest.raises(ValueError, match="WRITEABLE"):
                p.value.flags.writeable = True
    frozen = np.ones(2)
    frozen.flags.writeable = False
    view = frozen[:]
    p = Parameter(view)
    frozen.flags.writeable = True
    frozen[0] = 77
    assert p.value.tolist() == [1, 1]


def test_torch_tensors_come_in() -> None:
    torch = pytest.importorskip("torch")
    source = torch.arange(6).reshape(2, 3)
    p: Any = Parameter(source)
    source += 5
    assert (p.value.tolist(), p.dtype) == ([[0, 1, 2], [3, 4, 5]], "int64")
    p.set_data(torch.ones(2, 3, dtype=torch.int32))
    assert p.value.tolist() == [[1, 1, 1], [1, 1, 1]]
    with pytest.raises(TypeError, match="float32 does not fit int64"):
        p.set_data(torch.ones(2, 3))


@pytest.mark.parametrize(
    ("data", "shape", "dtype"),
    [
        ([1, 2], (2,), "Int64"), ([[1.0, 2]], (1, 2), "Float64"), (2, (), "Int64"), (2.5, (), "Float32"), (np.float32(2), (), "Float32"),
        (np.ones(2, np.uint8), (2,), "UInt8"), (np.array([True]), (1,), "Bool"), (np.ones((0, 3), np.float16), (0, 3), "Float16"),
        (np.array(3.0), (), "Float64"), (np.ones(2, ">f4"), (2,), "Float32"),
    ],
)  # fmt: skip
def test_the_form_is_printed_and_never_a_value(data: Any, shape: Any, dtype: str) -> None:
    p: Any = Parameter(data, name="x")
    assert repr(p) == f"Parameter (name=x, shape={shape}, dtype={dtype}, requires_grad=True)"
    assert p.requires_grad_(False).__repr__().endswith("requires_grad=False)")
    assert (p.shape, p.dtype) == (shape, dtype.lower())


def test_a_number_is_kept_unrounded() -> None:
    assert Parameter(0.1).value == 0.1
    assert Parameter(2**53 + 1).value == 2**53 + 1
    assert str(Parameter(2.5)) == "2.5"
    with pytest.raises(AttributeError, match="shape"):
        Parameter("words").shape


def test_two_unnamed_parameters_share_nothing() -> None:
    p, q = Parameter(np.ones(2)), Parameter(np.ones(2))
    assert (p.name, q.name) == ("Parameter", "Parameter")
    assert p.id != q.id
    p.name = "p"
    (p * 2.0).backward(np.ones(2))
    p.set_data(np.zeros(2))
    assert (q.name, q.grad, q.value.tolist()) == ("Parameter", [], [1, 1])


# --- set_data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: Parameter(np.ones((2, 2), np.float32), name="w"), lambda: deferred("ones", (2, 2), name="w")])
def test_what_set_data_takes(make: Callable[[], Any]) -> None:
    for data in (np.full((2, 2), 7, np.int8), [[7, 7], [7, 7]], [[7.0, 7.0], [7.0, 7.0]], pg.initializer(7, (2, 2)), pg.initializers.Constant(7),
                 pg.initializer(7, (2, 2), "int16"), Parameter(np.full((2, 2), 7, np.float16)), pg.Variable([[7, 7], [7, 7]])):  # fmt: skip
        p = make()
        assert p.set_data(data) is p
        assert (p.value.tolist(), p.dtype, p.sliced, p.version) == ([[7, 7], [7, 7]], "float32", False, 2)
    assert make().set_data("ZEROS").value.tolist() == [[0, 0], [0, 0]]


REFUSED: list[tuple[Any, type[Exception], str]] = [
    (np.ones((2, 2)), TypeError, "float64 does not fit float32"),
    (pg.initializer("ones", (2, 2), "float64"), TypeError, "float64 does not fit float32"),
    (np.ones((2, 3), np.float32), ValueError, r"shape \(2, 3\), the Parameter \(2, 2\)"),
    (pg.initializer("ones", (2, 3)), ValueError, r"shape \(2, 3\)"),
    (3.0, ValueError, r"shape \(\)"),
    ([[1, 2], [3]], ValueError, "unequal lengths"),
    ([["a", "b"], ["c", "d"]], TypeError, "holds texts"),
    ("onse", UsageError, "did you mean 'ones'"),
    (True, TypeError, "bool"),
    (None, TypeError, "NoneType"),
    (np.full((2, 2), -1.0, np.float32), ValueError, "below the bound"),
    (np.full((2, 2), np.nan, np.float32), ValueError, "nan"),
    (np.ones((2, 2), complex), TypeError, "complex128"),
    ({"a": 1}, TypeError, "dict"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
@pytest.mark.parametrize("waiting", [False, True])
def test_what_is_refused_changes_nothing(number: int, waiting: bool) -> None:
    data, error, words = REFUSED[number]
    start: Any = pg.initializer("ones", (2, 2)) if waiting else np.ones((2, 2), np.float32)
    p: Any = Parameter(start, space=pg.Tensor(low=0))
    with pytest.raises(error, match=words):
        p.set_data(data)
    assert (p.version, p.value.tolist(), p.sliced) == (1, [[1, 1], [1, 1]], False)
    with pytest.raises(TypeError, match="slice_shape"):
        p.set_data(np.zeros((2, 2), np.float32), slice_shape=1)


def test_a_slice_changes_the_shape_once_and_for_all() -> None:
    p: Any = Parameter(np.ones((4, 2), np.float32), name="w")
    assert p.set_data(np.zeros((2, 2), np.float32), slice_shape=True).sliced
    assert (p.shape, p.version) == ((2, 2), 2)
    p.data = np.ones((2, 2), np.float32)
    with pytest.raises(ValueError, match="shape"):
        p.data = np.ones((4, 2), np.float32)
    assert p.set_data(pg.initializer("ones", (1, 2)), slice_shape=True).shape == (1, 2)
    with overlay({}), pytest.raises(UsageError, match="inside an overlay"):
        p.set_data(np.zeros((3, 2), np.float32), slice_shape=True)
    assert p.shape == (1, 2)


def test_numbers_take_numbers() -> None:
    p: Any = Parameter(2.0, space=pg.Number(low=0, high=5))
    for data, kept in ((3, 3.0), (0.1, 0.1), (np.float64(0.1), 0.1), (np.array(4), 4.0), (pg.initializer(5, ()), 5.0), ("ones", 1.0)):
        assert p.set_data(data).value == kept
        assert (p.kind, p.dtype, p.shape) == ("number", "float32", ())
    n: Any = Parameter(2)
    assert n.set_data(np.int8(3)).value == 3
    for q, data, error in ((n, 2.5, TypeError), (n, 2.0, TypeError), (n, np.ones(2, int), ValueError), (p, 6, ValueError), (p, True, TypeError),
                           (p, float("nan"), ValueError), (p, [1.0], ValueError), (n, np.array(0.5), TypeError)):  # fmt: skip
        before = q.value
        with pytest.raises(error):
            q.set_data(data)
        assert q.value == before
    p.set_data(np.array([1, 2], np.float32), slice_shape=True)
    assert repr(p) == "Parameter (name=Parameter, shape=(2,), dtype=Float32, requires_grad=True)"
    with pytest.raises(ValueError, match="bound"):
        p.set_data(np.array([1, 6], np.float32))


def test_set_data_stays_in_its_context() -> None:
    p: Any = Parameter(np.ones(2), name="w")
    q = deferred("ones", (2,))
    with overlay({}):
        p.set_data(np.zeros(2))
        q.set_data("zeros")
        assert (p.value.tolist(), q.value.tolist()) == ([0, 0], [0, 0])
    assert (p.value.tolist(), q.value.tolist()) == ([1, 1], [1, 1])
    words: Any = Parameter("old")
    assert words.set_data("new").value == "new"


# --- clone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda: Parameter(np.arange(4.0), name="w"), lambda: deferred(shape=4, name="w"), lambda: deferred(shape=4)]
)
def test_clones_are_equal_and_independent(make: Callable[[], Any]) -> None:
    p = make()
    p.requires_grad_(False)
    p.layerwise_parallel = p.sliced = True
    c = p.clone()
    assert (type(c), c.name, c.shape, c.dtype, c.requires_grad, c.layerwise_parallel, c.sliced) == (
        Parameter, p.name, p.shape, p.dtype, False, True, True)  # fmt: skip
    c.name = "c"
    before = p.value.tolist()
    assert c.value.tolist() == before
    c.set_data(c.value * 2).requires_grad_(True)
    c.layerwise_parallel = False
    assert (p.name, p.value.tolist(), p.requires_grad, p.layerwise_parallel, p.version) == (make().name, before, False, True, 1)
    assert p.clone().version == 1


def test_clones_start_as_they_are_told() -> None:
    p: Any = Parameter(np.arange(4.0, dtype=np.float32), name="w")
    assert p.clone("zeros").value.tolist() == [0, 0, 0, 0]
    assert p.clone(np.ones(4, np.float32)).value.tolist() == [1, 1, 1, 1]
    assert p.clone(pg.initializer("ones", 4)).inited_param is None
    assert p.clone(pg.initializers.Constant(2.5)).value.tolist() == [2.5] * 4
    for init in (np.ones(3, np.float32), np.ones(4), "onse", None, 3.0):
        with pytest.raises((TypeError, ValueError)):
            p.clone(init)
    assert Parameter(2.0, name="z").clone(3).value == 3.0
    words: Any = Parameter("words", "a role", name="t", constraint="short", instruction_to_critic="be kind")
    copied = words.clone()
    assert (copied.value, copied.role, copied.constraint, copied._meta.instruction_to_critic) == ("words", "a role", "short", "be kind")


def test_discarded_clones_are_freed() -> None:
    p, q = Parameter(np.ones(3)), deferred()
    gc.collect()
    gc.disable()
    try:
        dead = [weakref.ref(parameter.clone()) for parameter in (p, q) for _ in range(50)]
        assert [weak() for weak in dead] == [None] * 100
        weak = weakref.ref(deferred().init_data())
        assert weak() is None  # without the collector: inited_param is no cycle
    finally:
        gc.enable()


def test_clones_live_in_no_store(tmp_path: Any) -> None:
    p: Any = Parameter(np.ones(2), name="w", store=pg.stores.open("memory:"))
    c = p.clone()
    c.set_data(np.zeros(2))
    assert p.value.tolist() == [1, 1]


def test_copies_keep_the_flags() -> None:
    p: Any = Parameter(np.arange(4.0), name="w", layerwise_parallel=True, constraint="small")
    p.sliced = True
    for c in (copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert (c.name, c.value.tolist(), c.layerwise_parallel, c.sliced) == ("w", [0, 1, 2, 3], True, True)
    shared = deferred(name="s")
    assert copy.deepcopy(shared).inited_param is None


# --- flags and names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["sliced", "is_init", "layerwise_parallel", "requires_grad"])
def test_flags_are_bools(flag: str) -> None:
    p: Any = Parameter(np.ones(2))
    before = getattr(p, flag)
    for wrong in (1, "yes", None, np.True_):
        with pytest.raises(TypeError, match=flag):
            setattr(p, flag, wrong)
    assert getattr(p, flag) is before
    setattr(p, flag, not before)
    assert getattr(p, flag) is (not before)
    with pytest.raises(AttributeError):
        p.inited_param = p


def test_bad_construction_is_one_clear_error() -> None:
    bad: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"name": "x" * 1025}, ValueError, "at most 1024"),
        ({"name": 7}, ValueError, "non-empty str"),
        ({"name": " "}, ValueError, "non-empty str"),
        ({"requires_grad": 1}, TypeError, "requires_grad"),
        ({"layerwise_parallel": "no"}, TypeError, "layerwise_parallel"),
    ]
    for options, error, words in bad:
        with pytest.raises(error, match=words):
            Parameter(np.ones(2), **options)
    for data in (np.ones(2, complex), np.array(["a"]), np.array([None]), np.ma.masked_array([1.0], [True])):
        with pytest.raises(TypeError):
            Parameter(data)
    p: Any = Parameter(np.ones(2), name=" x ")
    assert p.name == "x"
    p.name = None
    assert p.name == "Parameter"


def test_a_parameter_server_is_one_delegation(monkeypatch: pytest.MonkeyPatch) -> None:
    from paragrad import registry

    called: list[Any] = []
    monkeypatch.setitem(registry.facets._found, "parameter_server", lambda *args: called.append(args))
    p: Any = Parameter(np.ones(2), name="w")
    assert p.set_param_ps() is p
    p.set_param_ps(False, "ray://x")
    assert called == [(p, True, None), (p, False, "ray://x")]
    with pytest.raises(TypeError, match="on is True or False"):
        p.set_param_ps("yes")


def test_small_parameters_are_small() -> None:
    """10,000 Parameters of 8x8 floats: at most 30 MB. Counted, not sampled."""
    source = np.zeros((8, 8), np.float32)
    Parameter(source)
    tracemalloc.start()
    try:
        made = [Parameter(source) for _ in range(1000)]
        each = tracemalloc.get_traced_memory()[0] / len(made)
    finally:
        tracemalloc.stop()
    assert each < 1500
    assert sys.getrefcount(source) < 10  # nobody holds the source


def test_threads_that_ask_first_get_one_cell() -> None:
    """Gradients of all of them arrive in one place."""
    for _ in range(30):
        p: Any = Parameter(np.zeros(2))
        gate = threading.Barrier(4)

        def work(p: Any = p, gate: Any = gate) -> None:
            gate.wait()
            (p * 1.0).backward(np.ones(2))

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work) for _ in range(4)]:
                done.result()
        assert (p.grad[0].value.tolist(), p.grad.count) == ([4.0, 4.0], 4)


def test_texts_in_containers_are_shown_as_texts() -> None:
    assert "['1', '2']" in repr(pg.Parameter(["1", "2"]))
    assert "['1', 2.5]" in repr(pg.Variable(["1", 2.5]))
    assert "{a: '1', b: 1}" in repr(pg.Variable({"a": "1", "b": 1}))
