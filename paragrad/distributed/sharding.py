"""``sliced``: a Parameter that holds one process's part of a tensor, as DTensor's ``Shard(dim)`` cuts it."""

from __future__ import annotations

from typing import Any

from paragrad.distributed.collective import Link
from paragrad.distributed.group import TIMEOUT
from paragrad.errors import UsageError
from paragrad.initializers.layout import Layout, cut
from paragrad.trace.parameter import Parameter


def shard(parameter: Parameter[Any], placement: Any = 0, *, group: Any = None, timeout: float = TIMEOUT) -> Parameter[Any]:
    """Keep this process's part of a tensor; the Parameter is then ``sliced``. Nothing is sent.

    A pending initializer makes its part only. Data that are ``sliced`` already stay as they are. A
    sliced Parameter is neither broadcast nor averaged: its gradients are this process's own.

    Args:
        parameter: a Parameter of a tensor, with the same value in every process.
        placement: the dimension to cut, or torch's ``Shard(dim)`` or ``Replicate()``.
        group: torch's process group, whose ranks number the parts; None: the default one.

    Returns:
        The Parameter.

    Raises:
        UsageError: no tensor, an unknown placement, or a dimension it does not have.
    """
    dim = _dim(placement)
    if dim is None or parameter.sliced:
        return parameter
    link = Link(group, timeout)
    layout = Layout(dim, link.rank, link.size)
    if parameter.kind != "tensor":
        raise UsageError(f"{parameter.id} is a {parameter.kind}; only tensors are cut into parts")
    if parameter._meta.pending is not None:
        return parameter.init_data(layout, set_sliced=True)
    value = parameter.value
    try:
        part = cut(value.shape, layout)
    except ValueError as error:
        raise UsageError(f"{parameter.id}: {error}") from error
    parameter.set_data(value[part], slice_shape=True)
    return parameter


def dtensor(parameter: Parameter[Any], placement: Any = 0, *, mesh: Any = None, timeout: float = TIMEOUT) -> Any:
    """The parts as torch's DTensor, over a copy of this process's part; a Parameter that is not sliced is replicated.

    Args:
        mesh: a device mesh of one dimension; default: one over all processes.
    """
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Replicate, Shard

    dim = _dim(placement) if parameter.sliced else None
    link = Link(None if mesh is None else mesh.get_group(), timeout)
    value = parameter.value
    shape = list(value.shape)
    if dim is not None:
        lengths = torch.tensor([value.shape[dim]], device=link.device)
        link.sum(f"the shape of {parameter.id}", lengths)
        shape[dim] = int(lengths)
    mesh = mesh if mesh is not None else init_device_mesh(link.device.type, (link.size,))
    steps = torch.empty(shape, device="meta").stride()
    local = torch.tensor(value, device=link.device)
    placements = [Replicate() if dim is None else Shard(dim)]
    return DTensor.from_local(local, mesh, placements, run_check=False, shape=torch.Size(shape), stride=steps)


def gather(parameter: Parameter[Any], placement: Any = 0, *, group: Any = None, timeout: float = TIMEOUT) -> Any:
    """The whole tensor of a sliced Parameter, as a read-only array in every process; all of them must call it.

    Raises:
        Outage: a process is gone, or did not answer in time.
    """
    import numpy

    dim = _dim(placement)
    value = parameter.value
    if dim is None or not parameter.sliced:
        return value
    link = Link(group, timeout)
    around = [*value.shape[:dim], *value.shape[dim:][1:]]
    row = max(1, int(numpy.prod(around))) * value.itemsize
    parts = []
    for data in link.collect(f"gathering {parameter.id}", value.tobytes()):
        shape = list(value.shape)
        shape[dim] = len(data) // row
        parts.append(numpy.frombuffer(data, value.dtype).reshape(shape))
    whole = numpy.concatenate(parts, axis=dim)
    whole.flags.writeable = False
    return whole.view()


def _dim(placement: Any) -> int | None:
    """The dimension that is cut, or None."""
    if isinstance(placement, int) and not isinstance(placement, bool):
        return placement
    if hasattr(placement, "is_replicate") and placement.is_replicate():
        return None
    dim = getattr(placement, "dim", None)
    if not isinstance(dim, int):
        raise UsageError(f"a placement is a dimension, torch's Shard(dim) or Replicate(), not {placement!r}")
    return dim
