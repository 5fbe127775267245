"""How collected contributions become the Variables of ``.grad``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from paragrad.trace.accumulator import Accumulator, Contribution, Gradients, by_item
from paragrad.trace.nodes import Leaf, Record, extra_of
from paragrad.trace.operation import PASS, Operation
from paragrad.trace.state import STATE
from paragrad.trace.values import is_numeric

if TYPE_CHECKING:
    from paragrad.trace.variable import Variable

GRADIENT = Operation("gradient", lambda value: value, ("value",), kind="read")
GRADIENT.rules["numeric"] = (PASS,)


def gradients_of(role: str | None, acc: Accumulator) -> Gradients:
    """Texts in order (item, edge), then the numeric sum; each as a Variable in the role of its target."""
    from paragrad.trace.variable import wrap

    grads = Gradients()
    unread = STATE.get().reads is None
    for contribution in by_item(acc.texts):
        value, name = contribution.value, contribution.operation
        plain = unread and value.__class__ is str
        grads.append(_named(wrap(Leaf(value)), role, name) if plain else _as_variable(value, role, name))
    total = acc.total()
    if total is not None:
        grads.append(_as_variable(total, role))
        grads.count = acc.number_count()
    return grads


def _named(made: Variable[Any], role: str | None, name: str) -> Variable[Any]:
    """A text's new leaf with what its constructor would have given it; a text needs no check and no copy."""
    extra = extra_of(made._n)
    extra.role, extra.name, extra.handle = role, name or None, ref(made)
    return made


def _as_variable(value: Any, role: str | None, name: str = "") -> Variable[Any]:
    """A gradient in the role of its target; a recorded one keeps its history."""
    from paragrad.trace.record import relay
    from paragrad.trace.variable import Variable, wrap

    if not isinstance(value, Variable):
        return Variable(value, role=role, requires_grad=True, name=name or None)
    node = value._n
    if not isinstance(node, Record) or node.op is None or (node.extra is not None and node.extra.role is not None):
        return value
    made = relay(GRADIENT, node)
    extra_of(made).role = role
    return wrap(made)


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
    node = gradient._n
    if is_numeric(node.value):
        acc.add_number(gradient if isinstance(node, Record) and node.requires else node.value)
    else:
        acc.texts.append(Contribution(None, gradient, node.extra.name or "" if node.extra is not None else "", ""))
