"""Tensors of torch among the operands of an operator: beside a Variable they count as arrays.

torch's operators and numpy's do not mix, and a result that is a tensor would be no value of the graph.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from paragrad import registry
from paragrad.errors import UsageError
from paragrad.trace.nodes import Node


def without_tensors(operands: Sequence[Any], nodes: Sequence[Node] = ()) -> Sequence[Any]:
    """The operands with every tensor as an array, also in lists; as they are where a Variable itself holds a tensor (``Opaque``).

    Raises:
        UsageError: a tensor requires a gradient, which would be lost.
    """
    torch = sys.modules.get("torch")
    kind = getattr(torch, "Tensor", None)
    if kind is None or any(isinstance(node.value, kind) for node in nodes):
        return operands
    return [as_array(x, kind) for x in operands]


def as_array(value: Any, kind: Any) -> Any:
    """A tensor as an array that nobody can change; all else as it is."""
    if isinstance(value, kind):
        if value.requires_grad:
            raise UsageError(
                f"a torch tensor of shape {tuple(value.shape)} that requires a gradient is no value of this graph, and its gradient would be lost: "
                "compute in one torch function, paragrad.from_torch(function), make it a pg.Parameter, or hand over tensor.detach()"
            )
        return registry.spaces.get("tensor")().check(value)
    if value.__class__ in (list, tuple):
        return value.__class__([as_array(x, kind) for x in value])
    return value
