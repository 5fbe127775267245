"""Values and tensors: numpy arrays lent to torch and torch's results taken back, without copies.

A value of the graph is read-only; torch has no read-only tensors. What is lent is therefore watched:
torch itself refuses to write into a leaf that requires a gradient, and ``torch_call`` looks at the
version counter of every other tensor it lent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from paragrad.errors import not_installed
from paragrad.trace.values import is_array


def needed() -> Any:
    """The module torch.

    Raises:
        UsageError: it is not installed; the message names the extra.
    """
    try:
        import torch
    except ImportError:
        raise not_installed("pg.from_torch", "torch", "torch") from None
    return torch


class _Lent:
    """An array's memory under another write flag; keeps the array alive."""

    __slots__ = ("__array_interface__", "array")

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.__array_interface__["data"][0], False)}


def tensor_of(array: Any) -> Any:
    """A tensor over the memory of a numpy array (a copy only of backward strides, foreign byte orders and numpy scalars)."""
    import numpy

    torch = needed()
    if not isinstance(array, numpy.ndarray):
        return torch.from_numpy(numpy.array(array))
    if not array.dtype.isnative or any(step < 0 for step in array.strides):
        array = numpy.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(array if array.flags.writeable else numpy.asarray(_Lent(array)))


def array_of(tensor: Any) -> Any:
    """A read-only array over the memory of a tensor (a copy only from another device, and of bfloat16, which numpy lacks)."""
    torch = needed()
    tensor = tensor.detach().cpu()
    if tensor.dtype in (torch.bfloat16, torch.complex32):
        tensor = tensor.to(torch.float32 if tensor.dtype is torch.bfloat16 else torch.complex64)
    array = tensor.resolve_conj().resolve_neg().numpy()
    array.flags.writeable = False
    return array.view()  # a view of a read-only base cannot be made writeable again


def value_of(tensor: Any) -> Any:
    """A tensor's value in the graph: a Python number for one without dimensions, else an array."""
    return tensor.detach().item() if tensor.dim() == 0 else array_of(tensor)


def lend(value: Any, made: Callable[[Any], Any]) -> Any:
    """A value as torch gets it: arrays, floats and flat lists of floats as tensors, at any nesting; all else as it is.

    Args:
        made: is called with every new tensor, in order, and says what torch gets in its place.
    """
    if is_array(value) or value.__class__.__module__ == "numpy":
        return made(tensor_of(value))
    if isinstance(value, float) or _is_row(value):
        torch = needed()
        return made(torch.tensor(value, dtype=torch.float64))
    if isinstance(value, (list, tuple)):
        return type(value)([lend(x, made) for x in value])
    if isinstance(value, dict):
        return {key: lend(x, made) for key, x in value.items()}
    return value


def of_python(value: Any) -> bool:
    """Whether no array is in a value: its floats have no width of their own."""
    if isinstance(value, (list, tuple)):
        return all(of_python(x) for x in value)
    if isinstance(value, dict):
        return all(of_python(x) for x in value.values())
    return not is_array(value) and value.__class__.__module__ != "numpy"


def cast(form: Any, kind: Any) -> Any:
    """The tensors of a form in a floating type; torch's graph leads back to the type they had."""
    if isinstance(form, (list, tuple)):
        return type(form)([cast(x, kind) for x in form])
    if isinstance(form, dict):
        return {key: cast(x, kind) for key, x in form.items()}
    return form.to(kind) if isinstance(form, needed().Tensor) else form


def returned(value: Any, gradients: Iterator[Any]) -> Any:
    """Gradients of the tensors ``lend`` made, in the form of the value; None when a part has none and none can be made up."""
    if is_array(value) or value.__class__.__module__ == "numpy":
        found = next(gradients)
        return None if found is None else array_of(found)
    if isinstance(value, float):
        found = next(gradients)
        return None if found is None else float(found)
    if _is_row(value):
        found = next(gradients)
        return None if found is None else type(value)(found.tolist())
    if isinstance(value, (list, tuple)):
        return whole([returned(x, gradients) for x in value], type(value))
    if isinstance(value, dict):
        parts = whole([returned(x, gradients) for x in value.values()], list)
        return None if parts is None else dict(zip(value, parts, strict=True))
    return None


def whole(parts: Sequence[Any], kind: Callable[[Sequence[Any]], Any]) -> Any:
    """The parts as one container; None when one of them is missing."""
    return None if not parts or any(part is None for part in parts) else kind(parts)


def taken(result: Any, tensors: list[Any], name: str) -> Any:
    """What a torch function returned, as a value; its tensors are added to ``tensors`` in order.

    Raises:
        TypeError: it holds something that is neither a tensor nor a number.
    """
    torch = needed()
    if isinstance(result, torch.Tensor):
        if result.is_complex() or result.layout is not torch.strided:
            raise TypeError(
                f"{name} returned a tensor of {result.dtype} ({result.layout}), which the graph does not hold; return dense real ones"
            )
        tensors.append(result)
        return value_of(result)
    if isinstance(result, (list, tuple)):
        parts = [_part(x, tensors, name) for x in result]
        return parts if isinstance(result, list) else tuple(parts)
    if isinstance(result, dict):
        return {key: _part(x, tensors, name) for key, x in result.items()}
    if isinstance(result, (int, float)):
        tensors.append(None)
        return result
    raise TypeError(
        f"{name} returned {type(result).__name__}; return tensors or numbers, alone or in a list, tuple or dict (which may hold None)"
    )


def _part(result: Any, tensors: list[Any], name: str) -> Any:
    """One of several outputs, which may be None."""
    if result is None:
        tensors.append(None)
        return None
    return taken(result, tensors, name)


def flat(gradient: Any, value: Any) -> Iterator[Any]:
    """The parts of an output's gradient, in the order of ``taken``."""
    if isinstance(value, (list, tuple)):
        for part, inner in zip(gradient, value, strict=True):
            yield from flat(part, inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(gradient[key], inner)
    else:
        yield gradient


def matching(gradient: Any, tensor: Any) -> Any:
    """A gradient as a tensor like ``tensor``."""
    torch = needed()
    made = tensor_of(gradient) if hasattr(gradient, "shape") and not isinstance(gradient, torch.Tensor) else gradient
    return torch.as_tensor(made, dtype=tensor.dtype, device=tensor.device).reshape(tensor.shape)


def _is_row(value: Any) -> bool:
    """A flat, non-empty list or tuple of floats."""
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(x, float) for x in value)
