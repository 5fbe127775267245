"""DeviceStore: what lives where, pushes of tensors, what a machine without the device says."""

from __future__ import annotations

import builtins
import threading
from typing import Any

import numpy
import pytest

from paragrad import stores
from paragrad.errors import StoreError, UsageError
from paragrad.stores.device import OnDevice

torch = pytest.importorskip("torch")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"))]


@pytest.fixture(params=DEVICES)
def store(request: pytest.FixtureRequest) -> Any:
    return stores.open(f"device:{request.param}")


def test_values_are_on_the_device_and_read_without_copies(store: Any) -> None:
    store.init_parameter("w", numpy.arange(6.0, dtype="float32").reshape(2, 3))
    tensor = store.tensor("w")
    assert tensor.device.type == store.device.type
    assert tensor is store.tensor("w")
    host = store.get_parameter_value("w")
    assert (host.dtype.name, host.shape, host.flags.writeable) == ("float32", (2, 3), False)
    if store.device.type == "cpu":
        assert numpy.shares_memory(host, tensor.numpy())
    with pytest.raises(ValueError, match="read-only"):
        host[0, 0] = 9.0


def test_tensors_come_in_copied(store: Any) -> None:
    mine = torch.ones(2, device=store.device)
    store.init_parameter("w", mine)
    mine += 5
    assert store.get_parameter_value("w").tolist() == [1.0, 1.0]
    store.set_parameter_value("w", torch.tensor([2.0, 3.0], device=store.device))
    assert store.tensor("w").tolist() == [2.0, 3.0]


def test_pushes_of_tensors_and_arrays(store: Any) -> None:
    store.init_parameter("w", numpy.zeros(3, "float32"))
    mine = torch.ones(3, device=store.device)
    store.increment_gradient("w", mine)
    mine += 100  # the store has its own sum
    store.increment_gradient("w", torch.ones(3, dtype=torch.bfloat16), 2.0)
    store.increment_gradient("w", torch.ones(3, requires_grad=True), token="once")
    store.increment_gradient("w", torch.ones(3), token="once")
    store.increment_gradient("w", numpy.ones(3, "float64"))
    assert store.gradient_tensor("w").tolist() == [5.0, 5.0, 5.0]
    assert store.gradient_tensor("w").device.type == store.device.type
    assert store.get_gradient("w").tolist() == [5.0, 5.0, 5.0]
    assert store.get_gradient_count("w") == 4


@pytest.mark.parametrize("shape", [(), (1,), (3, 1), (2, 3), (1, 3)])
def test_torch_must_not_stretch(store: Any, shape: tuple[int, ...]) -> None:
    store.init_parameter("w", numpy.zeros(3))
    with pytest.raises(ValueError, match="shape"):
        store.increment_gradient("w", torch.ones(shape))
    assert store.get_gradient_count("w") == 0


@pytest.mark.parametrize("kind", [torch.bool, torch.complex64])
def test_no_real_numbers(store: Any, kind: Any) -> None:
    store.init_parameter("w", numpy.zeros(3))
    with pytest.raises(TypeError, match="real numbers"):
        store.increment_gradient("w", torch.ones(3, dtype=kind))


def test_a_refused_push_leaves_its_token_free(store: Any) -> None:
    store.init_parameter("w", numpy.zeros(3))
    with pytest.raises(ValueError, match="shape"):
        store.increment_gradient("w", torch.ones(2), token="t")
    store.increment_gradient("w", torch.ones(3), token="t")
    assert store.get_gradient_count("w") == 1


def test_threads_lose_nothing(store: Any) -> None:
    store.init_parameter("w", numpy.zeros(1000))
    applied = []

    def push() -> None:
        for _ in range(50):
            store.increment_gradient("w", torch.ones(1000, dtype=torch.float64))

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        lease = store.take_gradients(["w"])
        applied.append(lease.counts["w"])
        store.publish({"w": store.get_parameter_value("w") + lease.gradients["w"]}, consume=lease)
    total = store.get_parameter_value("w") + store.get_gradient("w")
    assert total.tolist() == [200.0] * 1000
    assert sum(applied) + store.get_gradient_count("w") == 200


def test_old_versions_move_to_the_host_and_stay(store: Any) -> None:
    small = stores.open(f"device:{store.device}", keep=2)
    for n in range(6):
        (small.set_parameter_value if n else small.init_parameter)("w", numpy.full(2, float(n)))
    where = [isinstance(row.data, OnDevice) for row in small._histories["w"]]
    assert where == [False] * 4 + [True] * 2
    assert [entry.value.tolist() for entry in small.history("w")] == [[float(n)] * 2 for n in range(6)]
    small.rollback("w", 1)
    assert small.tensor("w").tolist() == [0.0, 0.0]


def test_words_and_numbers_live_in_it_too(store: Any) -> None:
    store.init_parameter("t", "words")
    store.init_parameter("n", 1.5)
    store.increment_gradient("n", 2.0)
    assert (store.get_parameter_value("t"), store.get_gradient("n")) == ("words", 2.0)
    for call in (store.tensor, store.gradient_tensor):
        with pytest.raises(TypeError, match="no array"):
            call("n")
    with pytest.raises(KeyError):
        store.tensor("nobody")


def test_keys_differ() -> None:
    assert stores.open("device:cpu").key != stores.open("device:cpu").key
    assert stores.open("device:cpu", key="mine").key == "mine"


@pytest.mark.parametrize("url", ["device:", "device:gpu", "device:cpu:x", "device:meta", "device://cpu"])
def test_no_device(url: str) -> None:
    with pytest.raises(UsageError, match="device:cpu"):
        stores.open(url)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_missing_cuda_is_one_clear_error() -> None:
    with pytest.raises(StoreError, match=r"'device:cuda:0'.*sees 0 CUDA devices.*use 'device:cpu'"):
        stores.open("device:cuda:0")


def test_missing_torch_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "torch":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match=r"paragrad\[torch\]"):
        stores.open("device:cpu")


def test_keep_needs_one() -> None:
    with pytest.raises(UsageError, match="keep"):
        stores.open("device:cpu", keep=0)
