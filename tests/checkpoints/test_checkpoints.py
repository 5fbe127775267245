"""Checkpoints: everything comes back, damage is noticed, a save is whole or not at all, hostile files are refused."""

from __future__ import annotations

import gc
import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import paragrad as pg
from paragrad.checkpoints import atomic, container
from paragrad.checkpoints.index import INDEX, PACKED
from paragrad.errors import DataError, UsageError
from paragrad.spaces.arrays import DTYPES

FORMS = [(), (3,), (2, 3), (0, 2), (1, 1, 1, 5)]


def everything() -> dict[str, Any]:
    """Parameters of every kind, element type and flag."""
    found: dict[str, Any] = {
        f"{dtype}{list(shape)}": pg.Parameter(np.arange(int(np.prod(shape))).reshape(shape).astype(dtype))
        for dtype in DTYPES
        for shape in FORMS
    }
    found |= {
        "bounded": pg.Parameter([0.5], space=pg.Tensor(low=0, high=[1.0])),
        "loose": pg.Parameter(np.ones(2), space=pg.Tensor()),
        "text": pg.Parameter("Zürich\n", "what to say", name="named text", requires_grad=False),
        "number": pg.Parameter(0.1, space=pg.Number(low=0)),
        "count": pg.Parameter(7),
        "choice": pg.Parameter(True),
        "json": pg.Parameter({"a": [1, None]}),
        "list": pg.Parameter(["a", 1]),
        "demos": pg.Parameter(None, space=pg.Demos(max_shots=2)),
        "unset": pg.Parameter(None),
        "unset tensor": pg.Parameter(None, space=pg.Tensor()),
        "deferred": pg.Parameter(pg.initializer("normal", (3, 3), seed=1), name="deferred", layerwise_parallel=True),
        INDEX: pg.Parameter(np.ones(2)),
        PACKED: pg.Parameter(np.ones(3)),
        "__metadata__": pg.Parameter(np.ones(4)),
        '"header_crc32":"00000000"': pg.Parameter(np.ones(5)),
        "": pg.Parameter(np.ones(6), name="empty key"),
    }
    found["number"].is_init = found["bounded"].sliced = True
    return found


def told(p: Any) -> tuple[Any, ...]:
    """What must come back."""
    value = p.value
    shown = (value.dtype.name, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
    return shown, p.space, p._meta.name, p._meta.role, p.requires_grad, p.layerwise_parallel, p.sliced, p.is_init


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("digest", ["crc32", "sha256"])
def test_everything_comes_back(tmp_path: Path, many: bool, digest: str) -> None:
    made = everything()
    if many:  # so many small arrays that they are packed
        made |= {f"w{i}": pg.Parameter(np.full((i % 5,), i, np.float32)) for i in range(120)}
        made["large"] = pg.Parameter(np.arange(10_000.0))
    pg.checkpoints.save(made, tmp_path / "x.safetensors", digest=digest)
    found = pg.checkpoints.load(tmp_path / "x.safetensors")
    assert list(found) == list(made)
    for key, parameter in made.items():
        assert told(found[key]) == told(parameter), key
        if parameter.kind == "tensor" and parameter.value is not None:
            with pytest.raises(ValueError, match="WRITEABLE"):
                found[key].value.flags.writeable = True
    assert [p.name for p in found.values()][:1] == ["bool[]"]
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_neighbours_of_every_description_come_back(tmp_path: Path) -> None:
    """Runs of equal Parameters, broken by each thing that describes one, in any order."""
    rng = Random(4)
    space = pg.Tensor((2, 3), "float64", low=-9)
    first: list[Any] = [
        lambda name: pg.Parameter(np.full((2, 3), rng.random()), name=name),
        lambda name: pg.Parameter(np.full((3, 2), rng.random()), name=name),
        lambda name: pg.Parameter(np.full((2, 3), rng.random(), np.float32), name=name),
        lambda name: pg.Parameter(np.asfortranarray(np.arange(6.0).reshape(2, 3)), name=name),
        lambda name: pg.Parameter(np.full((2, 3), rng.random()), name=name, space=space),
        lambda name: pg.Parameter(np.full((2, 3), rng.random()), name=name, role="scale"),
        lambda name: pg.Parameter(np.full((2, 3), rng.random()), name=name, requires_grad=False),
        lambda name: pg.Parameter(np.full((2, 3), rng.random()), name=name, layerwise_parallel=True),
        lambda name: pg.Parameter(np.full((2, 3), rng.random())),
        lambda name: pg.Parameter(rng.random(), name=name),
        lambda name: pg.Parameter(f"words {rng.random()}", name=name),
        lambda name: pg.Parameter(name=name),
        lambda name: pg.Parameter(np.full(3, rng.random(), np.float16), name=name),
        lambda name: pg.Parameter(np.full((), rng.random()), name=name),
    ]
    parameters = {
        f"p{n}": make(f"p{n}") for n, make in enumerate(make for make in rng.choices(first, k=60) for _ in range(rng.randint(1, 4)))
    }
    path = tmp_path / "mixed"
    pg.checkpoints.save(parameters, path)
    found = pg.checkpoints.load(path)
    assert list(found) == list(parameters)
    for key, parameter in parameters.items():
        other = found[key]
        assert type(other.value) is type(parameter.value)
        assert np.array_equal(other.value, parameter.value) if parameter.value is not None else other.value is None
        assert getattr(other.value, "dtype", None) == getattr(parameter.value, "dtype", None)
        for flag in ("requires_grad", "layerwise_parallel", "sliced", "is_init", "role", "space", "name"):
            assert getattr(other, flag) == getattr(parameter, flag) or (flag in ("name", "role") and parameter._meta.name is None)


def test_saving_many_arrays_keeps_nothing_of_each(tmp_path: Path) -> None:
    """An object per Parameter would start the garbage collector, which costs more than the save."""
    parameters = {f"p{n}": pg.Parameter(np.full(8, n, np.float32), name=f"p{n}") for n in range(3000)}
    pg.checkpoints.save(parameters, tmp_path / "many")
    begun: list[int] = []
    count = lambda phase, info: begun.append(info["generation"])  # noqa: E731
    gc.collect()
    gc.callbacks.append(count)
    try:
        pg.checkpoints.save(parameters, tmp_path / "many")
    finally:
        gc.callbacks.remove(count)
    assert len(begun) <= 2


def test_loading_into_a_program_sets_values_and_flags(tmp_path: Path) -> None:
    made, other = everything(), everything()
    for parameter in other.values():
        if parameter.kind == "tensor" and parameter.value is not None:
            parameter.data = np.zeros(parameter.shape, parameter.dtype)
    other["text"].data, other["number"].data = "other", 5.0
    waiting: Any = pg.Parameter(pg.initializer("zeros", (3, 3)))
    other["deferred"] = waiting
    file = tmp_path / "x"
    pg.checkpoints.save(made, file)
    assert pg.checkpoints.load(file, into=other).keys() == made.keys()
    for key, parameter in made.items():
        assert told(other[key])[:1] + told(other[key])[4:] == told(parameter)[:1] + told(parameter)[4:], key
    assert waiting.inited_param is None  # its own first value was never made
    assert waiting.value.tolist() == made["deferred"].value.tolist()


class Net(pg.Module):
    """A program of numbers."""

    def __init__(self, shape: tuple[int, ...] = (2, 3)) -> None:
        self.w = pg.Parameter(pg.initializer("normal", shape))
        self.b = pg.Parameter(np.zeros(3, np.float32), name="bias")
        self.words = pg.Parameter("Decide.")

    def forward(self, x: Any) -> Any:
        return x @ self.w + self.b


def test_programs_and_lists(tmp_path: Path) -> None:
    one, two = Net(), Net()
    one.b.set_data(np.ones(3, np.float32))
    one.words.data = "Decide well."
    two.w.set_data("zeros")
    pg.checkpoints.save(one, tmp_path / "a")
    pg.checkpoints.load(tmp_path / "a", into=two)
    assert (two.w.value == one.w.value).all()
    assert (two.b.value.tolist(), two.words.value, two.b.name) == ([1, 1, 1], "Decide well.", "bias")
    pg.checkpoints.save(pg.ParameterTuple((one.w, one.b)), tmp_path / "b")
    assert set(pg.checkpoints.values(tmp_path / "b")) == {"w", "bias"}
    pg.checkpoints.save(one.b, tmp_path / "b")
    assert pg.checkpoints.load(tmp_path / "b")["bias"].value.tolist() == [1, 1, 1]


def test_a_load_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a"
    pg.checkpoints.save(Net(), file)
    other = Net((3, 3))
    other.b.set_data(np.full(3, 7, np.float32))
    with pytest.raises(DataError, match=r"'w' does not fit its Parameter: the data have the shape \(2, 3\)"):
        pg.checkpoints.load(file, into=other)
    assert other.b.value.tolist() == [7, 7, 7]
    assert other.w.inited_param is None
    for wrong, words in (({"b": other.b}, "lacks"), ([other.b], "lacks")):
        with pytest.raises(UsageError, match=words):
            pg.checkpoints.load(file, into=wrong)
    loaded = pg.checkpoints.load(file, into={"b": other.b, "c": other.w}, strict=False)
    assert list(loaded) == ["b"]
    assert other.b.value.tolist() == [0, 0, 0]
    with pytest.raises(DataError, match="'b' does not fit"):
        pg.checkpoints.load(file, into={"b": pg.Parameter("words")}, strict=False)
    with pytest.raises(DataError, match="float32 does not fit int64"):
        pg.checkpoints.load(file, into={"b": pg.Parameter(np.zeros(3, int))}, strict=False)


def test_loading_into_stores_and_transactions(tmp_path: Path) -> None:
    pg.checkpoints.save({"w": pg.Parameter(np.ones(2))}, tmp_path / "a")
    store = pg.stores.open("memory:")
    p: Any = pg.Parameter(np.zeros(2), name="w", store=store)
    q: Any = pg.Parameter(np.zeros(2))
    pg.checkpoints.load(tmp_path / "a", into=[p])
    assert store.get_parameter_value("w").tolist() == [1, 1]
    with pg.overlay({}):
        pg.checkpoints.load(tmp_path / "a", into={"w": q})
        assert q.value.tolist() == [1, 1]
    assert q.value.tolist() == [0, 0]


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    p, q = pg.Parameter(np.ones(2)), pg.Parameter(np.ones(2), name="p")
    bad: list[tuple[Any, Any, str]] = [
        ([p], UsageError, "no name"), ([q, pg.Parameter(1, name="p")], UsageError, "two different"), ([1], TypeError, "not a Parameter"),
        ({"a": 1}, TypeError, "no Parameter"), ({1: q}, TypeError, "text key"), (3, TypeError, "Module"), ("p", TypeError, "Module"),
        ({"o": pg.Parameter(object(), space=pg.Opaque())}, UsageError, "by reference"),
    ]  # fmt: skip
    for parameters, error, words in bad:
        with pytest.raises(error, match=words):
            pg.checkpoints.save(parameters, tmp_path / "x")
    with pytest.raises(UsageError, match="digest"):
        pg.checkpoints.save([q], tmp_path / "x", digest="md5")
    with pytest.raises(DataError, match="nothing of it was changed"):
        pg.checkpoints.save([q], tmp_path / "no folder" / "x")
    assert os.listdir(tmp_path) == []


def test_a_key_that_no_file_can_hold_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ud800.*half of a character"):
        pg.checkpoints.save({"\ud800": pg.Parameter(1.0)}, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_safetensors_reads_it(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    made = {"w": pg.Parameter(np.arange(6, dtype=np.float32).reshape(2, 3)), "n": pg.Parameter(np.arange(3)), "t": pg.Parameter("text")}
    pg.checkpoints.save(made, tmp_path / "x")
    found = library.load_file(tmp_path / "x")
    assert np.array_equal(found["w"], made["w"].value)
    assert np.array_equal(found["n"], made["n"].value)
    library.save_file({"w": np.ones(3)}, tmp_path / "plain")
    with pytest.raises(DataError, match=r"plain safetensors file opens with safetensors\.numpy\.load_file"):
        pg.checkpoints.load(tmp_path / "plain")


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    made = {f"w{i}": pg.Parameter(np.arange(4, dtype=np.float32) + i) for i in range(101)} | {"t": pg.Parameter("text")}
    made["large"] = pg.Parameter(np.arange(3000.0))
    file = tmp_path / "x"
    pg.checkpoints.save(made, file)
    good = file.read_bytes()
    header = 8 + struct.unpack("<Q", good[:8])[0]
    chance = Random(1)
    places = [*range(0, 64), *(chance.randrange(header) for _ in range(150)), *(chance.randrange(len(good)) for _ in range(150))]
    for place in places:
        file.write_bytes(good[:place] + bytes([good[place] ^ (1 << chance.randrange(8))]) + good[place + 1 :])
        with pytest.raises(DataError):
            pg.checkpoints.load(file)
    for size in [0, 1, 7, 8, 9, header, *(chance.randrange(len(good)) for _ in range(30))]:
        file.write_bytes(good[:size])
        with pytest.raises(DataError):
            pg.checkpoints.load(file)
    file.write_bytes(good + b"\0")
    with pytest.raises(DataError, match="something was added"):
        pg.checkpoints.load(file)
    target = {key: pg.Parameter(p.value) for key, p in made.items()}
    file.write_bytes(good[:-1] + b"x")
    with pytest.raises(DataError, match="damaged"):
        pg.checkpoints.load(file, into=target)
    assert all(p.version == 1 for p in target.values())


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    for name, data in {"empty": b"", "text": b"hello world, this is text", "zip": b"PK\x03\x04" + b"\0" * 100, "pickle": b"\x80\x04\x95" + b"x" * 99,
                       "deep": struct.pack("<Q", 100_000) + b"[" * 100_000}.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=name):
            pg.checkpoints.load(tmp_path / name)
    for missing in (tmp_path / "missing", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            pg.checkpoints.load(missing)


def sealed(path: Path, table: dict[str, Any], metadata: dict[str, Any], data: bytes, sums: str | None = None) -> None:
    """A file with valid checksums and whatever content."""
    text = json.dumps(
        {"__metadata__": {"format": container.FORMAT, **metadata, "header_crc32": "0" * 8}, **table}, separators=(",", ":")
    ).encode()
    own = f'"header_crc32":"{zlib.crc32(text):08x}"'.encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text.replace(b'"header_crc32":"00000000"', own, 1) + data)


ROW = [
    {"kind": "tensor", "shape": [2], "dtype": "float32", "low": None, "high": None},
    "float32",
    [2],
    None,
    [True, False, False, False],
    True,
]
GOOD: dict[str, Any] = {"rows": [ROW], "keys": ["a"], "row_of": [0], "names": {}, "own": [], "sizes": {}}


def row(number: int, part: Any) -> dict[str, Any]:
    return {**GOOD, "rows": [[*ROW[:number], part, *ROW[number + 1 :]]]}


HOSTILE: list[Any] = [
    [], 7, None, {}, {**GOOD, "more": 1}, {**GOOD, "keys": "a"}, {**GOOD, "keys": [1]}, {**GOOD, "keys": ["a", "a"], "row_of": [0, 0]},
    {**GOOD, "row_of": [-1]}, {**GOOD, "row_of": [1]}, {**GOOD, "row_of": [True]}, {**GOOD, "row_of": []}, {**GOOD, "rows": [[]]},
    {**GOOD, "rows": 3}, {**GOOD, "own": ["a"]}, {**GOOD, "own": ["b"]}, {**GOOD, "own": [["a"]]}, {**GOOD, "names": {"a": 1}},
    {**GOOD, "names": {"a": " "}}, {**GOOD, "names": {"b": "c"}}, {**GOOD, "sizes": {"a": -1}}, row(0, {"kind": "os.system"}),
    row(0, {"kind": ["x"]}), row(0, {}), row(0, 7), row(0, {"kind": "text", "max_length": "x"}), row(0, {"kind": "number"}),
    row(0, {"kind": "opaque"}), row(0, None), row(1, "object"), row(1, "complex64"), row(1, "U8"), row(1, None), row(1, 3), row(2, [3]),
    row(2, [-2]), row(2, [10**30]), row(2, [2**62, 4]), row(2, [1] * 40), row(2, "2"), row(3, 3), row(4, [1, 0, 0, 0]), row(4, []),
    row(5, 2), row(1, "float64"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_indexes_are_refused(tmp_path: Path, number: int) -> None:
    index, pack = json.dumps(HOSTILE[number]).encode(), b"\0" * 8
    table = {
        PACKED: {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]},
        INDEX: {"dtype": "U8", "shape": [len(index)], "data_offsets": [8, 8 + len(index)]},
    }
    sealed(tmp_path / "x", table, {"crc32": f"{zlib.crc32(pack):08x} {zlib.crc32(index):08x}"}, pack + index)
    with pytest.raises(DataError):
        pg.checkpoints.load(tmp_path / "x")


def test_the_hostile_frame_is_a_good_one_otherwise(tmp_path: Path) -> None:
    index, pack = json.dumps(GOOD).encode(), b"\0" * 8
    table = {
        PACKED: {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]},
        INDEX: {"dtype": "U8", "shape": [len(index)], "data_offsets": [8, 8 + len(index)]},
    }
    sealed(tmp_path / "x", table, {"crc32": f"{zlib.crc32(pack):08x} {zlib.crc32(index):08x}"}, pack + index)
    assert pg.checkpoints.load(tmp_path / "x")["a"].value.tolist() == [0, 0]
    for wrong in ({"crc32": "0"}, {}, {"crc32": 7}, {"crc32": "", "sha256": "x y"}):
        sealed(tmp_path / "x", table, wrong, pack + index)
        with pytest.raises(DataError):
            pg.checkpoints.load(tmp_path / "x")
    for entry in ({}, [], {"dtype": "U8", "shape": [9], "data_offsets": [0, 8]}, {"dtype": "Q", "shape": [8], "data_offsets": [0, 8]},
                  {"dtype": "U8", "shape": [8], "data_offsets": [0]}, {"dtype": "U8", "shape": [8.0], "data_offsets": [0, 8]},
                  {"dtype": "U8", "shape": [8], "data_offsets": [-8, 0]}, {"dtype": "U8", "shape": [8], "data_offsets": ["0", 8]}):  # fmt: skip
        sealed(tmp_path / "x", {**table, PACKED: entry}, {"crc32": "0 0"}, pack + index)
        with pytest.raises(DataError):
            pg.checkpoints.load(tmp_path / "x")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_bytes_raise_documented_errors_only(tmp_path: Path, data: Any) -> None:
    file = tmp_path / "x"
    raw = data.draw(st.binary(max_size=200))
    length = data.draw(st.integers(0, 220))
    file.write_bytes(struct.pack("<Q", length) + raw)
    with pytest.raises(DataError):
        pg.checkpoints.load(file)


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x"
    pg.checkpoints.save({"w": pg.Parameter(np.ones(3))}, file)
    before = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for owner, name in ((container, "put"), (os, "fsync")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            with pytest.raises(DataError, match="No space left on device"):
                pg.checkpoints.save({"w": pg.Parameter(np.zeros(3))}, file)
        assert file.read_bytes() == before
        assert os.listdir(tmp_path) == ["x"]


def test_a_large_file_is_on_its_way_to_the_disk_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces; a system that takes no advice is no error."""
    file, begun = tmp_path / "x", []
    made = {f"w{i}": pg.Parameter(np.full(3000, float(i))) for i in range(40)}
    monkeypatch.setattr(atomic, "PIECE", 5000)

    def advised(_: int, offset: int, size: int, __: int) -> None:
        begun.append((offset, size))
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fadvise", advised)
    pg.checkpoints.save(made, file)
    assert len(begun) >= 40 * 4
    assert all(0 <= offset <= file.stat().st_size - size for offset, size in begun)
    assert all((array == i).all() for i, array in enumerate(pg.checkpoints.values(file).values()))


def test_the_order_of_making_it_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written and synced under another name, then renamed, then the folder synced; the old file is never removed."""
    file, done = tmp_path / "x", []
    pg.checkpoints.save({"w": pg.Parameter(np.ones(3))}, file)
    fsync, replace, unlink = os.fsync, Path.replace, Path.unlink
    monkeypatch.setattr(
        os, "fsync", lambda handle: (done.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"), fsync(handle))[1]
    )
    monkeypatch.setattr(Path, "replace", lambda a, b: (done.append("rename"), replace(a, b))[1])
    monkeypatch.setattr(Path, "unlink", lambda *args, **kwargs: (done.append("unlink"), unlink(*args, **kwargs))[1])
    pg.checkpoints.save({"w": pg.Parameter(np.zeros(3))}, file)
    assert done == ["file", "rename", "folder"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, kind in ((pipe, "pipe"), (tmp_path, "folder"), (Path(os.devnull), "device or socket")):
        with pytest.raises(DataError, match=f"{path.name} cannot be read: it is a {kind}; a checkpoint is a regular file"):
            pg.checkpoints.load(path)


def test_a_killed_save_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys, numpy as np, paragrad as pg
        print("ready", flush=True)
        for i in range(10**6):
            pg.checkpoints.save({"w": pg.Parameter(np.full(50_000, float(i)))}, sys.argv[1])
    """)
    file, chance = tmp_path / "x", Random(3)
    pg.checkpoints.save({"w": pg.Parameter(np.full(50_000, -1.0))}, file)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                child.wait(0.02 + chance.random() / 20)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
        values = pg.checkpoints.values(file)["w"]
        assert len(set(values.tolist())) == 1
