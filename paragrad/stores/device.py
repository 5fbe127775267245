"""DeviceStore: a ParameterStore whose arrays and gradient sums are torch tensors on one device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from paragrad.errors import StoreError, UsageError, not_installed
from paragrad.protocols.space import Space
from paragrad.protocols.store import ParameterId
from paragrad.stores.accumulate import Accumulator
from paragrad.stores.backend import Decide, Row
from paragrad.stores.device_live import DeviceLive
from paragrad.stores.ids import encode_id
from paragrad.stores.memory import MemoryStore
from paragrad.stores.publish import Draft

_CACHED_BYTES = 1 << 20


class OnDevice:
    """An array's tensor, and its host copy where that is small and was asked for."""

    __slots__ = ("host", "tensor")

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor
        self.host: Any = None

    def array(self) -> Any:
        """A read-only numpy array: a view on the CPU, a copy elsewhere."""
        if self.host is not None:
            return self.host
        host = self.tensor.numpy() if self.tensor.device.type == "cpu" else self.tensor.cpu().numpy()
        host.flags.writeable = False
        if host.nbytes <= _CACHED_BYTES:
            self.host = host
        return host


class DeviceStore(MemoryStore):
    """Thread-safe; gone with the process. Values that are no arrays live in it too, in ordinary memory.

    Arrays and what is pushed to them stay on the device: ``tensor(id)`` and ``gradient_tensor(id)`` copy nothing to
    the host, ``get_parameter_value(id)`` does. The newest versions are on the device, older ones move to the host;
    none is forgotten.

    Args:
        url: ``"device:cpu"``, ``"device:cuda"``, ``"device:cuda:1"``; any name of ``torch.device``.
        key: the key in parameter contexts; each store has one of its own otherwise.
        keep: versions of a parameter that stay on the device.
        reproducible: gradient sums that do not depend on the order of the pushes; they are then kept on the host.
        lease_seconds: after this time gradients that were taken and not consumed return.

    Raises:
        UsageError: torch is not installed, or that is no device's name.
        StoreError: this machine has no such device.
    """

    def __init__(
        self, url: str = "device:cpu", *, key: Any = None, keep: int = 16, reproducible: bool = False, lease_seconds: float = 600.0
    ) -> None:
        if keep < 1:
            raise UsageError(f"keep={keep}: at least the current version stays on the device; write keep=1 or more")
        self.device = _device(url)
        self.keep = keep
        name = key if key is not None else f"device:{self.device}/{uuid4().hex[:12]}"
        super().__init__(url, key=name, reproducible=reproducible, lease_seconds=lease_seconds)

    def tensor(self, id: ParameterId) -> Any:
        """The current value as a tensor on the device, without a copy. Do not write to it: it is the stored value.

        Raises:
            KeyError: unknown id. TypeError: a parameter that is no array.
        """
        name = encode_id(id)
        row = self._row(name)
        if row is None:
            raise self._unknown(name)
        if not isinstance(row.data, OnDevice):
            raise TypeError(f"parameter {name!r:.120} is no array; read it with get_parameter_value")
        return row.data.tensor

    def gradient_tensor(self, id: ParameterId) -> Any:
        """The sum of the pushes that nobody has taken, as a new tensor on the device.

        Raises:
            KeyError: unknown id. TypeError: a parameter that is no array.
        """
        name = encode_id(id)
        self.return_lost_leases()
        live: Any = self._found(name)
        if live.template.shape is None:
            raise TypeError(f"parameter {name!r:.120} is no array; read its gradient with get_gradient")
        with live.held():
            return live.tensor(self.device) if isinstance(live, DeviceLive) else _moved(live.snapshot(), self.device)

    def apply_rule(self, conf: Any, ids: Sequence[str], state_name: str) -> Any:
        """Not here: rules step on host arrays, by ``take_gradients`` and ``publish``."""
        return NotImplemented

    def _change(self, keys: Sequence[str], ids: Sequence[str], decide: Decide, durable: bool = True) -> Any:
        written: list[str] = []

        def noting(documents: Any, pointers: Any) -> Any:
            change = decide(documents, pointers)
            written[:] = [row.id for row in change.rows]
            return replace(change, rows=[self._placed(row) for row in change.rows])

        with self._lock:
            result = super()._change(keys, ids, noting, durable)
            for id in written:
                self._retire(self._histories[id])
        return result

    def _placed(self, row: Row) -> Row:
        """A version to be written; a rollback to one that has moved to the host brings it back."""
        if hasattr(row.data, "__array_interface__"):
            return replace(row, data=OnDevice(_tensor(row.data, self.device)))
        return row

    def _retire(self, rows: list[Row]) -> None:
        """Move the version that is now too old from the device to the host."""
        if len(rows) > self.keep:
            row = rows[-1 - self.keep]
            if isinstance(row.data, OnDevice):
                rows[-1 - self.keep] = replace(row, data=row.data.array())

    def _pack(self, space: Space[Any], value: Any) -> Any:
        return OnDevice(_tensor(value, self.device)) if space.kind == "tensor" else value

    def _unpack(self, space: Space[Any], row: Row) -> Any:
        return row.data.array() if isinstance(row.data, OnDevice) else super()._unpack(space, row)

    def _staged_bytes(self, draft: Draft) -> bytes:
        value = draft.data.array() if isinstance(draft.data, OnDevice) else draft.data
        return self._space(draft.spec).encode(value)

    def _from_staged(self, spec: str, data: bytes) -> Any:
        space = self._space(spec)
        return self._pack(space, space.decode(data))

    def _store_gradient(self, key: str, acc: Accumulator | None) -> None:
        lives: dict[str, Any] = self._live
        live = lives.get(key)
        if acc is None or acc.shape is None or self.reproducible:
            super()._store_gradient(key, acc)
        elif isinstance(live, DeviceLive) and (live.template.shape, live.template.dtype) == (acc.shape, acc.dtype):
            live.load(acc)
        else:
            lives[key] = DeviceLive(acc, self.device)


def _tensor(value: Any, device: Any) -> Any:
    """A copy of a read-only array on the device."""
    import torch

    return torch.from_numpy(value.copy()).to(device)


def _moved(acc: Accumulator, device: Any) -> Any:
    from paragrad.stores.accumulate import total

    return _tensor(total(acc), device)


def _device(url: str) -> Any:
    """The torch device that a URL names, after a look whether it is there."""
    try:
        import torch
    except ImportError:
        raise not_installed(repr(url), "torch", "torch") from None
    scheme, _, name = url.partition(":")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"{url!r:.80} names no device; write 'device:cpu' or 'device:cuda:0'") from None
    if scheme != "device" or device.type == "meta":
        raise UsageError(f"{url!r:.80} names no device that holds values; write 'device:cpu' or 'device:cuda:0'")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
        reason = str(error).splitlines()[0][:120]
        raise StoreError(f"{url!r}: torch cannot use this device (it sees {seen} CUDA devices): {reason}; use 'device:cpu'") from error
    return device
