"""Section M: Parameters of numbers (seed 001), as its document prints them."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import Layout, Parameter, ParameterTuple, initializer
from paragrad.errors import DataError, UsageError


def test_M1_the_first_example_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    x = Parameter(np.arange(2 * 3).reshape((2, 3)))
    print("name: ", x.name, "\n",
          "sliced: ", x.sliced, "\n",
          "is_init: ", x.is_init, "\n",
          "inited_param: ", x.inited_param, "\n",
          "requires_grad: ", x.requires_grad, "\n",
          "layerwise_parallel: ", x.layerwise_parallel, "\n",
          "data: ", x.data)  # fmt: skip
    printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert printed == [
        "name:  Parameter",
        "sliced:  False",
        "is_init:  False",
        "inited_param:  None",
        "requires_grad:  True",
        "layerwise_parallel:  False",
        "data:  Parameter (name=Parameter, shape=(2, 3), dtype=Int64, requires_grad=True)",
    ]
    assert x.data is x
    assert x.value.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_M1_attributes_are_settable_and_two_unnamed_parameters_share_nothing() -> None:
    x, y = Parameter(np.ones(2)), Parameter(np.ones(2))
    x.name = "weight"
    x.sliced = x.is_init = x.layerwise_parallel = True
    x.requires_grad = False
    assert (x.name, x.sliced, x.is_init, x.layerwise_parallel, x.requires_grad) == ("weight", True, True, True, False)
    assert (y.name, y.sliced, y.is_init, y.layerwise_parallel, y.requires_grad) == ("Parameter", False, False, False, True)
    for flag in ("sliced", "is_init", "layerwise_parallel", "requires_grad"):
        with pytest.raises(TypeError, match=flag):
            setattr(x, flag, "yes")
    for name in (7, "", "x" * 1025):
        with pytest.raises(ValueError, match="name"):
            x.name = name  # type: ignore[assignment]
    assert x.name == "weight"


def test_M2_built_from_tensor_array_list_int_float_and_initializer() -> None:
    torch = pytest.importorskip("torch")
    made = [
        Parameter(torch.ones(2, 3)), Parameter(np.ones((2, 3), np.int16)), Parameter([[1, 2, 3]]), Parameter([1.0, 2]), Parameter(3), Parameter(2.0),
        Parameter(initializer("ones", (2, 3), "float16")),
    ]  # fmt: skip
    assert [(p.shape, p.dtype) for p in made] == [
        ((2, 3), "float32"), ((2, 3), "int16"), ((1, 3), "int64"), ((2,), "float64"), ((), "int64"), ((), "float32"), ((2, 3), "float16"),
    ]  # fmt: skip
    assert Parameter(0.1).value == 0.1  # unrounded
    source: Any
    for source in (np.ones(3), torch.ones(3), [1.0, 1.0, 1.0]):
        p = Parameter(source)
        source[0] = 77
        assert p.value.tolist() == [1, 1, 1]


def test_M3_initializers_are_lazy_named_and_seeded_per_parameter() -> None:
    names = {"zeros", "ones", "constant", "normal", "truncated_normal", "uniform", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal",
             "variance_scaling", "orthogonal", "identity", "dirac", "sparse"}  # fmt: skip
    assert names <= set(pg.initializers.names())
    huge = initializer("he_normal", (10**6, 10**6), seed=3)  # four terabytes
    assert (huge.shape, huge.dtype, hash(huge)) == ((10**6, 10**6), "float32", hash(initializer("he_normal", (10**6, 10**6), seed=3)))
    assert initializer(pg.initializers.Normal(sigma=2), 3, seed=1) == initializer("normal", [3], "float32", seed=1, sigma=2)
    assert initializer(2.5, 2).materialize().tolist() == [2.5, 2.5]

    def values(order: tuple[str, ...]) -> dict[str, Any]:
        return {name: Parameter(initializer("normal", 4), name=name).value.tolist() for name in order}

    assert values(("a", "b", "c")) == values(("c", "a", "b"))
    assert len(set(map(str, values(("a", "b", "c")).values()))) == 3
    same = [Parameter(initializer("normal", 4, seed=5), name=name).value.tolist() for name in ("a", "b")]
    assert same[0] == same[1]
    for wrong in ((2, 0), (-1,)):
        with pytest.raises(ValueError, match="1 up"):
            initializer("ones", wrong)
    with pytest.raises(ValueError, match="xavier_uniform"):
        initializer("xavier_unform", 2)


def test_M4_a_pending_initializer_is_made_once_also_by_many_threads() -> None:
    made = []

    class Watched(pg.initializers.Initializer):
        def fill(self, array: Any, generator: Any) -> None:
            made.append(threading.get_ident())
            array[...] = generator.standard_normal(array.shape)

    p = Parameter(initializer(Watched(), (100, 100)), name="w")
    assert (repr(p), p.inited_param, made) == ("Parameter (name=w, shape=(100, 100), dtype=Float32, requires_grad=True)", None, [])
    with ThreadPoolExecutor(8) as pool:
        assert all(q is p for q in pool.map(lambda _: p.init_data(), range(16)))
    assert len(made) == 1
    assert p.inited_param is p
    assert p.init_data() is p
    ready = Parameter(np.ones(2))
    assert ready.init_data() is ready
    assert ready.inited_param is None


def test_M4_a_layout_makes_the_slice() -> None:
    whole = Parameter(initializer("normal", (5, 4)), name="w").value
    parts = [Parameter(initializer("normal", (5, 4)), name="w").init_data(Layout(dim=0, rank=rank, ranks=2)) for rank in (0, 1)]
    assert np.array_equal(np.concatenate([part.value for part in parts]), whole)
    assert [(part.sliced, part.shape) for part in parts] == [(True, (3, 4)), (True, (2, 4))]


def test_M5_set_data_keeps_dtype_and_shape() -> None:
    p = Parameter(np.zeros((2, 2), np.float32))
    for data in (np.ones((2, 2), np.int64), np.ones((2, 2), np.float16), [[1, 1], [1, 1]], initializer("ones", (2, 2)), "ones"):
        assert p.set_data(data) is p
        assert (p.value.tolist(), p.dtype) == ([[1, 1], [1, 1]], "float32")
    for data, error in (
        (np.ones((2, 2)), TypeError),
        (np.ones((1, 2), np.float32), ValueError),
        (3.0, ValueError),
        (initializer("ones", 4), ValueError),
    ):
        with pytest.raises(error):
            p.set_data(data)
    assert (p.shape, p.sliced, p.value.tolist()) == ((2, 2), False, [[1, 1], [1, 1]])
    assert p.set_data(np.zeros((1, 2), np.float32), slice_shape=True).sliced
    assert p.shape == (1, 2)
    n, x = Parameter(2), Parameter(2.0)
    assert (n.set_data(3).value, x.set_data(3).value, x.set_data(0.1).value) == (3, 3.0, 0.1)
    with pytest.raises(TypeError):
        n.set_data(2.5)


def test_M5_and_M6_the_second_example_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    x = Parameter(initializer("ones", [1, 2, 3], np.float32))
    print(x)
    x_clone = x.clone()
    x_clone.name = "x_clone"
    print(x_clone)
    print(x.init_data())
    print(x.set_data(data=np.arange(2 * 3).reshape((1, 2, 3))))
    assert capsys.readouterr().out.splitlines() == [
        "Parameter (name=Parameter, shape=(1, 2, 3), dtype=Float32, requires_grad=True)",
        "Parameter (name=x_clone, shape=(1, 2, 3), dtype=Float32, requires_grad=True)",
        "Parameter (name=Parameter, shape=(1, 2, 3), dtype=Float32, requires_grad=True)",
        "Parameter (name=Parameter, shape=(1, 2, 3), dtype=Float32, requires_grad=True)",
    ]
    assert (x.value.tolist(), x_clone.value.tolist()) == ([[[0, 1, 2], [3, 4, 5]]], [[[1, 1, 1], [1, 1, 1]]])


def test_M6_clones_are_independent_and_freed() -> None:
    p = Parameter(np.arange(3, dtype=np.float32), name="p", requires_grad=False, layerwise_parallel=True)
    c = p.clone()
    assert (c.name, c.shape, c.dtype, c.requires_grad, c.layerwise_parallel) == ("p", (3,), "float32", False, True)
    c.set_data("zeros")
    c.name = "c"
    assert (p.name, p.value.tolist()) == ("p", [0, 1, 2])
    assert p.clone("ones").value.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="shape"):
        p.clone(np.ones(2, np.float32))
    gc.disable()
    try:
        weak = [weakref.ref(p.clone()) for _ in range(50)]
        assert [w() for w in weak] == [None] * 50
    finally:
        gc.enable()


def test_M8_the_third_example_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    x = Parameter(np.arange(2 * 3).reshape((2, 3)), name="x")
    y = Parameter(initializer("ones", [1, 2, 3], "float32"), name="y")
    z = Parameter(2.0, name="z")
    params = ParameterTuple((x, y, z))
    params_copy = params.clone("params_copy")
    print(params, "\n")
    print(params_copy)
    assert capsys.readouterr().out.splitlines() == [
        "(Parameter (name=x, shape=(2, 3), dtype=Int64, requires_grad=True), Parameter (name=y, shape=(1, 2, 3), dtype=Float32, "
        "requires_grad=True), Parameter (name=z, shape=(), dtype=Float32, requires_grad=True)) ",
        "",
        "(Parameter (name=params_copy.x, shape=(2, 3), dtype=Int64, requires_grad=True), Parameter (name=params_copy.y, shape=(1, 2, 3), "
        "dtype=Float32, requires_grad=True), Parameter (name=params_copy.z, shape=(), dtype=Float32, requires_grad=True))",
    ]


def test_M8_a_tuple_of_parameters() -> None:
    x, y = Parameter(np.ones(2), name="x"), Parameter(np.ones(3), name="y")
    params = ParameterTuple([x, y, x])
    assert isinstance(params, tuple)
    assert list(params) == [x, y, x]
    for part in (params[:2], params[1:], params + params, params + ParameterTuple([y])):
        assert type(part) is ParameterTuple
    assert params[0] is x
    copies = params.clone("copy")
    assert copies[0] is copies[2]
    assert [p.name for p in copies] == ["copy.x", "copy.y", "copy.x"]
    copies[0].set_data(np.zeros(2))
    assert x.value.tolist() == [1, 1]
    assert [p.value.tolist() for p in params.clone("z", init="zeros")] == [[0, 0], [0, 0, 0], [0, 0]]
    with pytest.raises(ValueError, match="called 'x'"):
        ParameterTuple([x, Parameter(1.0, name="x")])
    for wrong in (x, [x, 1], 3):
        with pytest.raises(TypeError):
            ParameterTuple(wrong)  # type: ignore[arg-type]
    for prefix in ("", ".a", "a b", None):
        with pytest.raises(ValueError, match="prefix"):
            params.clone(prefix)  # type: ignore[arg-type]


def test_M9_the_repr_is_the_documents_and_shows_no_value() -> None:
    for data, form in (
        (np.full((2, 3), 77), "(2, 3), dtype=Int64"),
        (77.77, "(), dtype=Float32"),
        (77, "(), dtype=Int64"),
        ([77.5], "(1,), dtype=Float64"),
    ):
        p = Parameter(data, name="x")
        assert repr(p) == f"Parameter (name=x, shape={form}, requires_grad=True)"
    assert (
        repr(Parameter(np.ones(1), name="y", requires_grad=False)) == "Parameter (name=y, shape=(1,), dtype=Float64, requires_grad=False)"
    )


def test_M15_checkpoints_keep_everything_and_replace_the_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = Parameter(np.arange(6, dtype=np.float32).reshape(2, 3), name="w", requires_grad=False, layerwise_parallel=True)
    w.sliced = w.is_init = True
    z = Parameter(0.1, name="z")
    file = tmp_path / "x.safetensors"
    pg.checkpoints.save([w, z], file)
    found = pg.checkpoints.load(file)
    kept: Any = found["w"]
    assert (kept.name, kept.value.tolist(), kept.requires_grad, kept.layerwise_parallel, kept.sliced, kept.is_init, kept.space) == (
        "w", [[0, 1, 2], [3, 4, 5]], False, True, True, True, w.space)  # fmt: skip
    assert found["z"].value == 0.1

    seen = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda a, b: (seen.append((b.exists(), a.exists())), replace(a, b))[1])
    pg.checkpoints.save([z], file)
    assert seen == [(True, True)]  # the old file is there until the new one takes its place
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_M15_loading_runs_no_code_and_refuses_what_it_cannot_trust(tmp_path: Path) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    (tmp_path / "bomb").write_bytes(pickle.dumps(Bomb()))
    file = tmp_path / "x"
    pg.checkpoints.save([Parameter(np.ones(1000), name="w")], file)
    good = file.read_bytes()
    target = Parameter(np.zeros(1000), name="w")
    for bad in (good[:-1], good[:100], good[:2000] + bytes([good[2000] ^ 1]) + good[2001:], (tmp_path / "bomb").read_bytes(), b""):
        file.write_bytes(bad)
        with pytest.raises(DataError):
            pg.checkpoints.load(file, into=[target])
    file.write_bytes(good)
    with pytest.raises(DataError, match="'w' does not fit"):
        pg.checkpoints.load(file, into=[Parameter(np.zeros(999), name="w")])
    with pytest.raises(UsageError, match="lacks"):
        pg.checkpoints.load(file, into=[target, Parameter(1.0, name="z")])
    assert target.version == 1
    assert not (tmp_path / "exploded").exists()
