"""Tensor: dtypes, copies, bytes, updates."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paragrad as pg
from paragrad.spaces import Tensor, space_for
from paragrad.spaces.arrays import DTYPES, LADDER, from_bytes, to_bytes


def test_arrays_keep_their_type_and_are_never_aliased() -> None:
    source = np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2]
    kept = Tensor().check(source)
    source[0, 0] = 77
    assert kept.dtype == np.float32
    assert kept[0, 0] == 0
    assert kept.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        kept.flags.writeable = True


def test_torch_tensors_come_in() -> None:
    torch = pytest.importorskip("torch")
    source = torch.tensor([[1.0, 2.0]], dtype=torch.float32, requires_grad=True)
    kept = Tensor(dtype=torch.float32).check(source)
    with torch.no_grad():
        source += 5
    assert kept.tolist() == [[1.0, 2.0]]
    assert space_for(source, parameter=True) == Tensor(shape=(1, 2), dtype="float32")
    with pytest.raises(TypeError, match=r"value\.float\(\)"):
        Tensor().check(torch.zeros(2, dtype=torch.bfloat16))
    assert Tensor().apply(kept, torch.ones(1, 2)).tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize("target", DTYPES)
def test_types_widen_and_never_narrow(target: str) -> None:
    for source in LADDER if target in LADDER else ():
        value = np.ones(2, source)
        if LADDER.index(source) <= LADDER.index(target):
            assert Tensor(dtype=target).check(value).dtype == target
        else:
            with pytest.raises(TypeError, match=f"{source} does not fit {target}"):
                Tensor(dtype=target).check(value)


def test_python_numbers_take_the_wanted_type() -> None:
    assert Tensor(dtype="float32").check([0.1, 2]).dtype == np.float32
    assert Tensor(dtype="uint8").check([255]).dtype == np.uint8
    with pytest.raises(TypeError, match="int64 does not fit uint8"):
        Tensor(dtype="uint8").check([256])
    with pytest.raises(TypeError, match="float64 does not fit int64"):
        Tensor(dtype="int64").check([1.0])
    with pytest.raises(ValueError, match="too large for float16"):
        Tensor(dtype="float16").check([1e6])
    assert Tensor().check(3).shape == ()


def test_errors_name_shape_bound_and_element() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\), wanted \(2,\)"):
        Tensor(shape=2).check([1, 2, 3])
    with pytest.raises(ValueError, match=r"data\[1\]: 5 is above the bound \(3, 1\)"):
        Tensor(low=[0, 0], high=[3, 1]).check([1, 5])
    with pytest.raises(ValueError, match="does not fit the shape"):
        Tensor(low=[0, 0]).check([1, 2, 3])
    with pytest.raises(ValueError, match="unequal lengths"):
        Tensor().check([[1], [1, 2]])


def test_updates_add_clip_and_keep_the_type() -> None:
    space = Tensor(low=[0, 0], high=[3, 1])
    assert space.apply(space.check(np.array([1, 1], np.float32)), np.array([5.0, -0.5])).tolist() == [3.0, 0.5]
    assert space.apply(space.check(np.array([1, 1], np.float32)), 0.5).dtype == np.float32
    assert Tensor().apply(np.array([1, 2]), [0.6, 0.4]).tolist() == [2, 2]
    with pytest.raises(ValueError, match="they must be equal"):
        Tensor().apply(np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(TypeError, match="bools has no sum"):
        Tensor().apply(np.array([True]), 1)
    for value, update in (
        (np.array([2**62]), 2**62),
        (np.array([100], np.int8), 100),
        (np.array([1]), float("nan")),
        (np.array([2**63], np.uint64), -(2**62)),
    ):
        if value.dtype == np.uint64:
            assert Tensor().apply(value, update).tolist() == [2**62]
            continue
        with pytest.raises(ValueError, match="does not fit"):
            Tensor().apply(value, update)


def test_differences_are_counted() -> None:
    a, b = np.zeros(100), np.zeros(100)
    b[3], b[7] = 0.5, -2
    assert Tensor().diff(a, b) == "float64[100] 2 of 100 changed, at most by 2"
    assert Tensor().diff(a, a.copy()) == ""
    assert Tensor().diff(np.zeros(2), np.zeros(3)) == "float64[2] → float64[3]"
    assert Tensor().show(np.arange(100.0)) == "float64[100] from 0 over 49.5 (mean) to 99"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_never_give_an_array(data: st.DataObject) -> None:
    good = to_bytes(np.arange(6, dtype=np.float32).reshape(2, 3))
    index = data.draw(st.integers(0, len(good) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(good)
    flipped[index] ^= 1 << bit
    cut = good[: data.draw(st.integers(0, len(good) - 1))]
    for damaged in (bytes(flipped), cut):
        with pytest.raises(ValueError, match=r"array|digest"):
            from_bytes(damaged)


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b"[",
        b"[" * 9000,
        b'{"dtype":"object","shape":[1]}',
        b'{"dtype":"int8","shape":[-1]}',
        b'{"dtype":"int8","shape":[true]}',
        b'{"dtype":"int8","shape":[99999999999999999999]}',
        b'{"dtype":"int8","shape":"1"}',
        b'{"dtype":["int8"],"shape":[1]}',
    ],
)
def test_well_sealed_nonsense_is_refused(header: bytes) -> None:
    import hashlib

    body = b"PGT1" + struct.pack("<I", len(header)) + header + b"\0"
    with pytest.raises(ValueError, match="array"):
        from_bytes(body + hashlib.sha256(body).digest())


def test_headers_describe_themselves() -> None:
    assert b'{"dtype":"int32","shape":[2]}' in to_bytes(np.array([1, 2], np.int32))
    assert from_bytes(to_bytes(np.array([1, 2], ">i4"))).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array(["a"]), "<U1 holds texts"),
        (np.array([1, None]), "object holds Python objects"),
        (np.ones(2) * 1j, "complex128 holds complex numbers"),
        (np.array(["2020-01-01"], "datetime64[D]"), "holds dates"),
        (np.zeros(2, [("a", "f4")]), "holds records"),
    ],
)
def test_arrays_of_something_else_say_what_they_hold(array, words):
    for use in (pg.Parameter, pg.Tensor().check, pg.Parameter(np.ones(2)).set_data):
        with pytest.raises(TypeError, match=words):
            use(array)
