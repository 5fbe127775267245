"""A directory that somebody else wrote: only documented errors, and no path leaves it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paragrad import stores
from paragrad.errors import Corrupted, StoreError
from paragrad.stores.files import records
from paragrad.stores.sealing import pack, unpack

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "x"
    store = stores.open(f"file://{folder}")
    store.init_parameter("a", "one")
    store.publish({"a": "two"})
    store.init_parameter("w", numpy.arange(5000.0))
    store.increment_gradient("w", numpy.ones(5000))
    store.close()
    return folder


def rewritten(folder: Path, change: Any) -> None:
    """Write the manifest with other headers, digests and chain right."""
    path = folder / "manifest" / "1"
    found, _ = records.scan(path.read_bytes(), "x")
    framed, chain = b"", None
    for number, (payload, _) in enumerate(found):
        header, blobs = unpack(payload)
        change(number, header)
        if chain is not None and header.get("chain") is not None:
            header["chain"] = chain
        made = records.frame(pack(header, blobs))
        chain = records.digest_of(made) if number else header.get("chain", "")
        framed += made
    path.write_bytes(framed)


def use(folder: Path) -> None:
    store = stores.open(f"file://{folder}")
    for id in store.ids():
        store.history(id)
        store.get_entry(id, at=1) if store.version(id) == 1 else store.get_entry(id)
    store.get_gradient("w")
    store.increment_gradient("w", numpy.ones(5000))
    store.set_parameter_value("a", "three")


def copied(original: Path, folder: Path) -> Path:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(original, folder))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(0, 4),
    field=st.sampled_from(["number", "end", "gone", "documents", "large", "parameters", "new", "copy", "whole"]),
    value=JSON,
)
def test_foreign_records_are_documented_errors(original: Path, tmp_path: Path, number: int, field: str, value: Any) -> None:
    folder = copied(original, tmp_path / "x")

    def change(place: int, header: dict[str, Any]) -> None:
        if place == number:
            header[field] = value

    rewritten(folder, change)
    with contextlib.suppress(StoreError, KeyError):
        use(folder)


@pytest.mark.parametrize("place", ["../outside", "large/../../outside", "/etc/hostname", "data/../paragrad.json", "manifest/1", "large/x"])
def test_no_path_leaves_the_directory(original: Path, tmp_path: Path, place: str) -> None:
    folder = copied(original, tmp_path / "x")
    outside = tmp_path / "outside"
    outside.write_text("mine")

    def change(number: int, header: dict[str, Any]) -> None:
        for refs in (header["large"], {id: each[-1] for id, each in header["new"].items()}):
            for ref in refs.values():
                ref[0] = place

    rewritten(folder, change)
    with pytest.raises(Corrupted, match="none of this library"):
        use(folder)
    assert outside.read_text() == "mine"


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300))
def test_bytes_of_others_are_no_records(data: bytes) -> None:
    try:
        found, used = records.scan(data, "x")
    except Corrupted:
        return
    assert used <= len(data)
    assert found == []


def test_a_mark_of_others(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for content in (b"", b"[", b"[" * 100_000, json.dumps({"format": 3}).encode(), json.dumps({"format": "x", "version": "y"}).encode()):
        (tmp_path / "x" / "paragrad.json").write_bytes(content)
        with pytest.raises(StoreError):
            stores.open(f"file://{tmp_path / 'x'}")
