"""PyTorch inside generative functions: one function of tensors as one node of the gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

from paragrad.errors import UsageError, not_installed
from paragrad.gen.lost import plain_number
from paragrad.gen.structures import is_real
from paragrad.gen.tape import Tracked, plain, pulled
from paragrad.trace.variable import Variable


def from_torch(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors as a function of numbers and arrays, for bodies of generative functions.

    Its arguments are what is differentiated, by ``torch.autograd``: hand weights over as arguments
    (``gen.param("w", ...)``), a module's with ``torch.func.functional_call``. It returns one tensor.
    Numbers and arrays come in as tensors of their own type and go out as arrays, numbers as floats.

    Raises:
        UsageError: torch is not installed, or it returned no tensor.
    """

    @wraps(function)
    def called(*args: Any) -> Any:
        torch = _torch()
        args = tuple([plain_number(arg) if isinstance(arg, Variable) else arg for arg in args])
        tracked = [arg for arg in args if isinstance(arg, Tracked)]
        tensors = [_tensor(torch, plain(arg), isinstance(arg, Tracked)) for arg in args]
        with torch.set_grad_enabled(bool(tracked)):
            out = function(*tensors)
        if not isinstance(out, torch.Tensor):
            raise UsageError(f"{function!r:.80} returned {out!r:.60}, no tensor; return one tensor")
        array = out.detach().cpu().numpy()
        value = float(array) if array.ndim == 0 else array
        if not tracked or not out.requires_grad:
            return value
        leaves = [tensor for arg, tensor in zip(args, tensors, strict=True) if isinstance(arg, Tracked)]

        def pull(g: Any) -> None:
            grads = torch.autograd.grad(out, leaves, _tensor(torch, g).to(out).reshape(out.shape), retain_graph=True, allow_unused=True)
            for arg, grad in zip(tracked, grads, strict=True):
                if grad is not None:
                    arg.collect(grad.cpu().numpy())

        return pulled(value, tracked[0].tape, pull)

    return called


def _tensor(torch: Any, value: Any, leaf: bool = False) -> Any:
    if isinstance(value, float):
        made = torch.tensor(value, dtype=torch.float64)
    elif is_real(value) or hasattr(value, "dtype"):
        made = torch.tensor(value)
    else:
        return value
    return made.requires_grad_() if leaf else made


def _torch() -> Any:
    try:
        return import_module("torch")
    except ImportError:
        raise not_installed("gen.from_torch", "torch", "torch") from None
