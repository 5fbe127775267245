"""Ids, seals, urls, opening, exact sums, states: the small parts."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import threading
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import paragrad as pg
from paragrad import stores
from paragrad.errors import Corrupted, UnknownName, UsageError
from paragrad.registry import spaces
from paragrad.stores import accumulate
from paragrad.stores.ids import encode_id, segment, unsegment
from paragrad.stores.live import Live
from paragrad.stores.memory import MemoryStore
from paragrad.stores.sealing import pack, seal, unpack, unseal
from paragrad.stores.urls import redacted

REAL_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(REAL_TEXT)
def test_segment_inverts_and_is_safe(text: str) -> None:
    part = segment(text)
    assert unsegment(part) == text
    assert not part.startswith(".")
    assert all(c.isascii() and (c.isalnum() or c in "_-.~") for c in part)


@given(REAL_TEXT, REAL_TEXT)
def test_segment_keeps_prefixes(front: str, rest: str) -> None:
    assert segment(front + rest).startswith(segment(front))


def test_pair_id_is_named_after_its_function() -> None:
    assert encode_id((encode_id, "theta")) == "paragrad.stores.ids.encode_id/theta"
    assert encode_id(("f", "theta")) == "f/theta"


@pytest.mark.parametrize("bad", ["", 3, None, ("a",), ("f", ""), (object(), "x"), "half \ud800", (encode_id, 3)])
def test_bad_ids_are_usage_errors(bad: object) -> None:
    with pytest.raises(UsageError):
        MemoryStore().init_parameter(bad, 1.0)  # type: ignore[arg-type]


@given(st.binary(), st.integers(0, 10_000), st.integers(1, 255))
def test_seal_detects_every_flip(payload: bytes, place: int, flip: int) -> None:
    sealed = bytearray(seal("key", payload))
    assert unseal("key", bytes(sealed)) == payload
    sealed[place % len(sealed)] ^= flip
    with pytest.raises(Corrupted):
        unseal("key", bytes(sealed))


def test_seal_belongs_to_its_key() -> None:
    with pytest.raises(Corrupted):
        unseal("b", seal("a", b"x"))


@given(st.lists(st.binary(max_size=50)))
def test_pack_inverts(blobs: list[bytes]) -> None:
    assert unpack(pack({"n": 1}, blobs)) == ({"n": 1}, blobs)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:pa%40ss@host/db", "postgresql://user@host/db"),
        ("redis://:secret@host:6379/0", "redis://@host:6379/0"),
        ("x://h/p?a=1&password=secret&b=2", "x://h/p?a=1&password=***&b=2"),
        ("sqlite:///x.db", "sqlite:///x.db"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown


class Plain(stores.KeyValueStore):
    """Needs a password."""

    def __init__(self, url: str) -> None:
        self.url = url

    def read(self, keys: object) -> dict[str, tuple[bytes, int]]:
        return {}

    def write(self, values: object, expect: object) -> None:
        raise stores.StoreError("the disk is gone")

    def keys(self, prefix: str) -> list[str]:
        return []


def test_password_is_shown_nowhere() -> None:
    store = Plain("plain://me:hunter2@host/db?token=hunter2")
    assert "hunter2" not in f"{store!r} {store.key}"
    for call in (lambda: store.get_parameter_value("x"), lambda: store.resolve_release("r"), lambda: stores.open(store.url)):
        with pytest.raises(Exception, match=r".") as caught:
            call()
        assert "hunter2" not in str(caught.value)


def test_failing_write_reaches_the_caller() -> None:
    with pytest.raises(stores.StoreError, match="disk is gone"):
        Plain("plain://x").init_parameter("a", 1.0)


def test_unknown_scheme_names_the_known() -> None:
    with pytest.raises(UnknownName, match=r"memory:.*sqlite:"):
        stores.open("sqlit:///x.db")


@pytest.mark.parametrize("url", ["", "x.db", 3, None])
def test_no_url(url: object) -> None:
    with pytest.raises(UsageError):
        stores.open(url)  # type: ignore[arg-type]


def test_memory_keys_differ_unless_named() -> None:
    assert stores.open("memory:").key != stores.open("memory:").key
    assert stores.open("memory:mine").key == "memory:mine"


def test_default_store_is_one_and_lazy() -> None:
    lazy = "assert 'sqlite3' not in sys.modules and 'numpy' not in sys.modules"
    code = f"import sys, paragrad.stores as s; {lazy}; print(s.default_parameter_store.key)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "default"
    assert stores.default_parameter_store is stores.default_parameter_context["default"]


def test_named_store_never_touches_the_default() -> None:
    MemoryStore().init_parameter("only here", 1.0)
    with pytest.raises(KeyError):
        stores.default_parameter_store.get_parameter_value("only here")


@pytest.mark.parametrize("value", [None, object(), b"bytes"])
def test_value_without_space_and_kind(value: object) -> None:
    with pytest.raises(TypeError, match="space="):
        MemoryStore().init_parameter("a", value)


@pytest.mark.parametrize(
    "value",
    ["a", True, 3, 3.0, numpy.float32(2), [1, 2], [[1.0, 2.0]], ["x"], ["1", 2], {"x": 1}, numpy.zeros((2, 3), "float32")],
    ids=repr,
)
def test_a_value_has_the_space_that_a_parameter_of_it_has(value: object) -> None:
    store, parameter = MemoryStore(), pg.Parameter(value)
    store.init_parameter("a", value)
    assert store.space("a").spec() == parameter.space.spec()
    found = store.get_parameter_value("a")
    assert type(found) is type(parameter.value)
    assert repr(found) == repr(parameter.value)


def test_versions_are_counted_without_reading_them() -> None:
    store = MemoryStore()
    store.init_parameter("a", 1.0)
    store.set_parameter_value("a", 2.0)
    store.init_parameter("b", "x")
    assert (store.versions("a"), store.versions("b")) == (2, 1)
    with pytest.raises(KeyError, match="holds no parameter 'c'"):
        store.versions("c")


@pytest.mark.parametrize("state", [{1: 2}, {"f": object()}, {"x": {"y": {1, 2}}}])
def test_state_must_be_plain(state: dict[str, object]) -> None:
    store = MemoryStore()
    with pytest.raises(UsageError, match="state"):
        store.publish({}, state={"o": state})
    assert store.commit() == 0


def test_lists_come_back_as_fresh_copies() -> None:
    store = MemoryStore()
    store.init_parameter("a", ["x"], spaces.get("list")())
    store.get_parameter_value("a").append("y")
    assert list(store.get_parameter_value("a")) == ["x"]


FLOATS = st.floats(-1e300, 1e300) | st.sampled_from([1e16, 1.0, -1e16, 1e-300, 0.1])


@given(st.lists(FLOATS, min_size=1, max_size=30), st.randoms())
def test_exact_number_sums_do_not_depend_on_order(terms: list[float], shuffle: random.Random) -> None:
    def total(order: list[float]) -> float:
        acc = accumulate.Accumulator(None, "float64")
        for term in order:
            acc = accumulate.pushed(acc, term, 1.0, exact=True)
        return float(accumulate.total(accumulate.decode(accumulate.encode(acc))))

    mixed = shuffle.sample(terms, len(terms))
    if math.isfinite(math.fsum(map(abs, terms))):
        assert total(terms) == total(mixed) == math.fsum(terms)


def test_exact_array_sums_do_not_depend_on_order() -> None:
    source = numpy.random.default_rng(0)
    pushes = [source.normal(size=50) * 10.0 ** source.integers(-12, 12, size=50) for _ in range(60)]
    wanted = numpy.array([math.fsum(column) for column in zip(*pushes, strict=True)])
    for seed in range(5):
        store = MemoryStore(reproducible=True, stripes=3)
        store.init_parameter("w", numpy.zeros(50))
        for push in random.Random(seed).sample(pushes, len(pushes)):
            store.increment_gradient("w", push)
        assert store.get_gradient("w").tobytes() == wanted.tobytes()


def test_reproducible_under_threads() -> None:
    source = numpy.random.default_rng(1)
    pushes = source.normal(size=(64, 100))
    patterns = set()
    for _ in range(6):
        store = MemoryStore(reproducible=True, stripes=4)
        store.init_parameter("w", numpy.zeros(100))

        def push(part: int, store: MemoryStore = store) -> None:
            for row in pushes[part::8]:
                store.increment_gradient("w", row, 0.1)

        threads = [threading.Thread(target=push, args=(part,)) for part in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        patterns.add(store.get_gradient("w").tobytes())
    assert len(patterns) == 1


@pytest.mark.parametrize("reproducible", [False, True])
def test_a_sum_of_finite_pushes_that_overflows_is_kept_and_visible(reproducible: bool) -> None:
    store = MemoryStore(reproducible=reproducible)
    store.init_parameter("n", 1.0)
    store.init_parameter("w", numpy.zeros(2))
    store.init_parameter("h", numpy.zeros(1, "float16"))
    with numpy.errstate(over="ignore", invalid="ignore"):
        for delta in (1e308, 1e308, 5.0):
            store.increment_gradient("n", delta)
            store.increment_gradient("w", numpy.array([delta, 1.0]))
            store.increment_gradient("h", numpy.array([60000.0 if delta > 5 else 1.0]))
        assert store.get_gradient("n") == math.inf
        assert store.get_gradient("w").tolist() == [math.inf, 3.0]
    assert store.get_gradient("h").tolist() == [math.inf]  # kept in float32, handed out in float16


@pytest.mark.parametrize(
    ("delta", "scale", "words"),
    [
        (math.nan, 1.0, "'n' is nan; nothing was added"),
        (10**400, 1.0, "'n' is inf; nothing was added"),
        (1e300, 1e300, "'n' is inf; nothing was added"),
        (1.0, math.nan, "'n' is multiplied by scale=nan"),
        ([1.0, math.inf], 1.0, r"'w' is nan, infinite or too large in 1 of 2 elements, the first at \[1\]: inf; nothing"),
        (numpy.full(2, 1e30, "float32"), 1e30, r"in 2 of 2 elements, the first at \[0\]: 1.*e\+30 times 1e\+30; nothing"),
    ],
)
def test_a_push_that_would_spoil_the_sum_names_the_id_the_place_and_the_fix(delta: Any, scale: float, words: str) -> None:
    store = MemoryStore()
    store.init_parameter("n", 1.0)
    store.init_parameter("w", numpy.zeros(2))
    with pytest.raises(ValueError, match=words) as caught:
        store.increment_gradient("w" if hasattr(delta, "__len__") else "n", delta, scale)
    assert "find its cause" in str(caught.value)
    assert (store.get_gradient("n"), store.get_gradient_count("n"), store.get_gradient_count("w")) == (0.0, 0, 0)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda s: s.increment_gradient("w", [[1.0], [2.0, 3.0]]), ValueError, "the gradient of 'w' is no array .*one number per element"),
        (lambda s: s.increment_gradient("n", 1.0, token=3), TypeError, "token must be a text that names this push, not 3"),
        (lambda s: s.increment_gradient("n", 1.0, "2"), TypeError, "scale must be a number, not str"),
        (lambda s: s.take_gradients("nw"), UsageError, r"write take_gradients\(\['nw'\]\)"),
        (lambda s: s.release("r", "nw"), UsageError, r"write release\('r', \['nw'\]\)"),
        (lambda s: s.release("r", []), UsageError, "ids is empty; leave it out"),
    ],
)
def test_a_call_that_cannot_be_meant_says_what_to_write(act: Any, error: type[Exception], words: str) -> None:
    store = MemoryStore()
    store.init_parameter("n", 1.0)
    store.init_parameter("w", numpy.zeros(2))
    with pytest.raises(error, match=words):
        act(store)
    assert (store.get_gradient_count("n"), store.get_gradient_count("w"), store.releases()) == (0, 0, [])


def test_tensors_come_in_as_they_are() -> None:
    torch = pytest.importorskip("torch")
    store = MemoryStore()
    store.init_parameter("w", numpy.zeros(2))
    store.init_parameter("n", 1.0)
    store.increment_gradient("w", torch.ones(2, requires_grad=True) * 2)
    store.increment_gradient("w", torch.ones(2, dtype=torch.bfloat16))
    store.increment_gradient("n", torch.tensor(2.0, requires_grad=True))
    assert (store.get_gradient("w").tolist(), store.get_gradient("n")) == ([3.0, 3.0], 2.0)
    with pytest.raises(ValueError, match="'w' is nan"):
        store.increment_gradient("w", torch.tensor([1.0, float("nan")], requires_grad=True))


def test_large_finite_gradients_are_no_infinities(recwarn: pytest.WarningsRecorder) -> None:
    store = MemoryStore()
    store.init_parameter("w", numpy.zeros((2, 2)))
    store.init_parameter("e", numpy.zeros((0, 2)))
    store.increment_gradient("w", numpy.full((2, 2), 1e200).T)  # its square is infinite
    store.increment_gradient("w", numpy.full((2, 2), 1e30, "float32"))
    store.increment_gradient("e", numpy.zeros((0, 2)))
    assert store.get_gradient("w").tolist() == [[1e200, 1e200], [1e200, 1e200]]
    assert not recwarn.list


def test_float32_stays_float32() -> None:
    store = MemoryStore()
    store.init_parameter("w", numpy.zeros(3, "float32"))
    store.increment_gradient("w", numpy.ones(3, "float32"))
    store.increment_gradient("w", numpy.ones(3, "float64"), 0.5)
    assert store.get_gradient("w").dtype == numpy.float32
    assert store.get_gradient("w").tolist() == [1.5, 1.5, 1.5]


def test_push_does_not_keep_the_callers_array() -> None:
    store = MemoryStore()
    store.init_parameter("w", numpy.zeros(2))
    mine = numpy.ones(2)
    store.increment_gradient("w", mine)
    mine[:] = 7.0
    out = store.get_gradient("w")
    out[:] = 9.0
    assert store.get_gradient("w").tolist() == [1.0, 1.0]


def test_two_threads_add_a_large_gradient_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    store = MemoryStore()
    store.init_parameter("w", numpy.zeros(1 << 16, "float32"))
    store.init_parameter("few", numpy.zeros(8))
    live = store._live["g/w"]
    assert isinstance(live, Live)
    store.increment_gradient("w", numpy.ones(1 << 16))
    live.stripes[0].busy = True  # another thread is adding
    store.increment_gradient("w", numpy.ones(1 << 16), 2.0)
    live.stripes[0].busy = False
    assert [stripe.count for stripe in live.stripes] == [1, 1]
    assert store.get_gradient("w").tolist() == [3.0] * (1 << 16)
    lease = store.take_gradients(["w"])
    assert (lease.gradients["w"][0], lease.counts["w"], store.get_gradient_count("w")) == (3.0, 2, 0)
    lease.release()
    assert (store.get_gradient("w")[0], store.get_gradient_count("w")) == (3.0, 2)
    assert [len(store._live[key].stripes) for key in ("g/w", "g/few")] == [2, 1]  # type: ignore[union-attr]
