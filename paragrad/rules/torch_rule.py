"""TorchRule: any optimizer of ``torch.optim`` as a rule; its state is plain data and arrays, so every store can keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paragrad.errors import UnknownName, UsageError, not_installed
from paragrad.rules.base import Rule, State, flag

_TOGETHER = frozenset({"ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"})
"""Those that update every element by itself."""


@dataclass(frozen=True, init=False)
class TorchRule(Rule):
    """A class of ``torch.optim``, such as ``TorchRule("RMSprop", lr=0.01)``. Needs the extra ``[torch]``.

    Args:
        name: the name of the class.
        maximize: True follows the gradient.
        **options: what the class takes, all but ``maximize``.

    Raises:
        UnknownName: torch.optim has no such class.
        UsageError: the class refuses the options, needs sparse gradients, or would have to see the loss again.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()
    maximize: bool = False

    def __init__(self, name: str, *, maximize: bool = False, **options: Any) -> None:
        if name == "LBFGS":
            options = {"max_iter": 1, **options}
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", tuple(sorted(options.items())))
        object.__setattr__(self, "maximize", maximize)
        flag(self, "maximize")
        self._checked(options)

    @property
    def elementwise(self) -> bool:
        """Whether the class updates every element by itself."""
        return self.name in _TOGETHER

    def _checked(self, options: Mapping[str, Any]) -> None:
        if self.name == "SparseAdam":
            raise UsageError("TorchRule('SparseAdam') needs sparse gradients; write TorchRule('Adam', ...)")
        if self.name == "LBFGS" and (options["max_iter"] != 1 or options.get("line_search_fn")):
            raise UsageError("TorchRule('LBFGS') makes one step per gradient: leave out max_iter and line_search_fn")
        shape = (2, 2) if self.name == "Muon" else (1,)
        self._optimizer(import_torch().zeros(shape, requires_grad=True))

    def step(self, values: Any, gradients: Any, state: State) -> tuple[Any, State]:
        """One step of the torch class on a copy."""
        torch = import_torch()
        import numpy

        weight = torch.tensor(numpy.array(values)).requires_grad_()
        weight.grad = torch.tensor(numpy.array(-gradients if self.maximize else gradients, dtype=values.dtype))
        optimizer = self._optimizer(weight)
        if state:
            optimizer.state[weight].update({key: _tensors(item, torch) for key, item in state.items()})
        optimizer.step((lambda: torch.zeros(())) if self.name == "LBFGS" else None)
        kept = {str(key): _arrays(item, torch) for key, item in optimizer.state[weight].items()}
        return weight.detach().numpy(), kept

    def _optimizer(self, weight: Any) -> Any:
        torch = import_torch()
        made = getattr(torch.optim, self.name, None)
        if not (isinstance(made, type) and issubclass(made, torch.optim.Optimizer)) or made is torch.optim.Optimizer:
            known = sorted(
                n for n, found in vars(torch.optim).items() if isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
            )
            raise UnknownName(f"torch.optim has no {self.name!r:.60}; it has {', '.join(n for n in known if n != 'Optimizer')}")
        try:
            return made([weight], **dict(self.options))
        except (TypeError, ValueError) as error:
            raise UsageError(f"torch.optim.{self.name} refuses {dict(self.options)!r:.120}: {error}") from error


def import_torch() -> Any:
    """torch, or the error that names the extra."""
    try:
        import torch
    except ImportError as error:
        raise not_installed("TorchRule", "torch", "torch") from error
    return torch


def _arrays(item: Any, torch: Any) -> Any:
    """Tensors as arrays, inside lists too."""
    if isinstance(item, list | tuple):
        return [_arrays(part, torch) for part in item]
    return item.detach().numpy().copy() if isinstance(item, torch.Tensor) else item


def _tensors(item: Any, torch: Any) -> Any:
    """The inverse of :func:`_arrays`; copies, because torch updates in place."""
    if isinstance(item, list | tuple):
        return [_tensors(part, torch) for part in item]
    return torch.tensor(item) if hasattr(item, "dtype") else item
