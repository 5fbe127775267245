"""``torch``: any ``torch.distributions`` object as a distribution, its gradients by autograd (extra ``[torch]``)."""

from __future__ import annotations

from typing import Any, ClassVar

from paragrad.errors import UsageError, not_installed
from paragrad.gen.distributions.base import Distribution, Gradient, plain


class Torch(Distribution):
    """A family of ``torch.distributions`` and its arguments by name.

    Args:
        family: the class, ``torch.distributions.StudentT`` (then ``named`` gives its arguments, which may be
            tracked values), or a finished object, ``torch.distributions.Normal(0.0, 1.0)``.
        named: the family's arguments.

    Values are floats, or read-only arrays where the distribution has a shape; entries of a batch
    shape are independent and their log densities are added.
    """

    __slots__ = ("_family", "_named")
    kind: ClassVar[str] = "torch"
    differentiable = True

    def __init__(self, family: Any, **named: Any) -> None:
        if not isinstance(family, type):
            if named:
                raise UsageError(f"gen.torch({family!r:.60}, ...): a finished distribution takes no arguments; give its class instead")
            found = ((name, getattr(family, name, None)) for name in family.arg_constraints)
            named = {name: value for name, value in found if name in family.__dict__ and value is not None}
            family = type(family)
        self._family = family
        self._named = tuple(named)
        self.args = tuple(named.values())

    def with_args(self, *args: Any) -> Distribution:
        """The same family with other arguments, in the same order."""
        return type(self)(self._family, **dict(zip(self._named, args, strict=True)))

    def sample(self, rng: Any) -> Any:
        """A value drawn with torch's sampler, seeded by ``rng``."""
        torch = _torch()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.getrandbits(63))
            return _outside(self._made(self._tensors(torch)).sample())

    def logpdf(self, value: Any) -> Any:
        """Log density, added over the batch shape."""
        torch = _torch()
        return float(self._log_prob(torch, _tensor(torch, value), self._tensors(torch)))

    def logpdf_grad(self, value: Any) -> Gradient:
        """Gradients by ``torch.autograd``; None for integer arguments and values."""
        torch = _torch()
        inputs = [_tensor(torch, value), *self._tensors(torch)]
        wanted = [tensor for tensor in inputs if tensor.is_floating_point()]
        for tensor in wanted:
            tensor.requires_grad_()
        total = self._log_prob(torch, inputs[0], inputs[1:])
        found = iter(torch.autograd.grad(total, wanted, allow_unused=True)) if total.requires_grad else iter([None] * len(wanted))
        slopes = [_slope(next(found)) if tensor.is_floating_point() else None for tensor in inputs]
        return (slopes[0] if not self._discrete() else None), tuple(slopes[1:])

    def __repr__(self) -> str:
        named = ", ".join(f"{name}={value!r:.40}" for name, value in zip(self._named, plain(self.args), strict=True))
        return f"torch({self._family.__name__}, {named})"

    def _log_prob(self, torch: Any, value: Any, tensors: list[Any]) -> Any:
        try:
            return self._made(tensors).log_prob(value).sum()
        except ValueError as error:
            if "support" not in str(error):
                raise UsageError(f"{self!r}: {error}") from None
            return torch.tensor(-torch.inf, dtype=torch.float64)

    def _made(self, tensors: list[Any]) -> Any:
        try:
            return self._family(**dict(zip(self._named, tensors, strict=True)))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self!r}: {error}") from None

    def _tensors(self, torch: Any) -> list[Any]:
        return [_tensor(torch, arg) for arg in plain(self.args)]

    def _discrete(self) -> bool:
        support = getattr(self._family, "support", None)
        return bool(getattr(support, "is_discrete", False))


def _tensor(torch: Any, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    whole = isinstance(value, int) and not isinstance(value, bool)
    return torch.tensor(value, dtype=torch.int64 if whole else torch.float64) if isinstance(value, int | float) else _copied(torch, value)


def _copied(torch: Any, value: Any) -> Any:
    import numpy

    return torch.as_tensor(numpy.array(value))


def _slope(gradient: Any) -> Any:
    return 0.0 if gradient is None else _outside(gradient)


def _outside(tensor: Any) -> Any:
    if tensor.ndim == 0:
        return tensor.item()
    array = tensor.detach().numpy()
    array.flags.writeable = False
    return array


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise not_installed("gen.torch", "torch", "torch") from None
    return torch
