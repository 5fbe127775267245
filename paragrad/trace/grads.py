"""How collected contributions become the Variables of ``.grad``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragrad.protocols.gradient import Tag
from paragrad.trace.accumulator import Accumulator, Contribution, Gradients, by_item

if TYPE_CHECKING:
    from paragrad.trace.variable import Variable


def gradients_of(target: Variable[Any], acc: Accumulator) -> Gradients:
    """Texts in order (item, edge), then the numeric sum; each as a Variable in the role of ``target``."""
    from paragrad.trace.variable import Variable

    grads = Gradients()
    for contribution in by_item(acc.texts):
        grads.append(_as_variable(contribution, target))
    total = acc.total()
    if total is not None:
        grads.append(total if isinstance(total, Variable) else Variable(total, role=target.role, requires_grad=True))
        grads.count = acc.number_count()
    return grads


def _as_variable(contribution: Contribution, target: Variable[Any]) -> Variable[Any]:
    from paragrad.trace.variable import Variable

    value = contribution.value
    if isinstance(value, Variable):
        return value
    return Variable(value, role=target.role, requires_grad=True, name=contribution.tag.operation or None)


def is_gradient(g: Any) -> None:
    """Check that ``g`` can be a gradient.

    Raises:
        TypeError: it is not a Variable.
    """
    from paragrad.trace.variable import Variable

    if not isinstance(g, Variable):
        raise TypeError(f"a gradient is a Variable, not {g!r} of type {type(g).__name__}; wrap it: pg.Variable({g!r})")


def append_gradient(acc: Accumulator, gradient: Variable[Any]) -> None:
    """File one gradient by its kind: words in order, numbers in the sum."""
    if isinstance(gradient._n.value, (str, list, tuple, dict)):
        acc.texts.append(Contribution(None, gradient, Tag(None, gradient.name or "", "")))
    else:
        acc.add_number(gradient)
