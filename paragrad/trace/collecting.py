"""The collecting half of a Variable: ``.grad`` and ``backward``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paragrad.trace.accumulator import Accumulator, Gradients
from paragrad.trace.grads import append_gradient, gradients_of, is_gradient
from paragrad.trace.nodes import Leaf, Node, Record, extra_of

if TYPE_CHECKING:
    from paragrad.trace.variable import Variable


class Collecting:
    """Collects gradients, and sends them back."""

    __slots__ = ("__weakref__",)

    _n: Node

    def _role(self) -> str | None:
        raise NotImplementedError

    def _accumulator(self) -> Accumulator:
        node = self._n
        if isinstance(node, Leaf):
            return node.acc
        extra = extra_of(node)
        if extra.retained is None:
            if isinstance(node, Record) and node.requires:
                raise RuntimeError("only leaves keep .grad; call retain_grad() on this Variable before backward()")
            extra.retained = Accumulator()
        return extra.retained

    @property
    def grad(self) -> Gradients:
        """Gradients in order (item, edge): one per textual contribution, one running sum for numbers.

        Raises:
            RuntimeError: a non-leaf without ``retain_grad()``.
        """
        return gradients_of(self._role(), self._accumulator())

    @grad.setter
    def grad(self, value: Any) -> None:
        given = [] if value is None else list(value)
        for g in given:
            is_gradient(g)
        acc = self._accumulator()
        acc.clear_gradients()
        for g in given:
            self.append_grad(g)

    def append_grad(self, gradient: Variable[Any]) -> None:
        """Append one gradient.

        Raises:
            TypeError: not a Variable; nothing was appended.
            RuntimeError: a non-leaf without ``retain_grad()``.
        """
        is_gradient(gradient)
        append_gradient(self._accumulator(), gradient)

    def retain_grad(self) -> None:
        """Keep ``.grad`` of this non-leaf; on a leaf nothing changes."""
        node = self._n
        if isinstance(node, Record) and node.requires:
            extra = extra_of(node)
            if extra.retained is None:
                extra.retained = Accumulator()

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Variable[Any]] | None = None,
        *,
        propagators: Sequence[Any] | None = None,
        stale: str = "raise",
    ) -> None:
        """Send a gradient or feedback back to the leaves, where it accumulates.

        Args:
            gradient: a Variable, number or array that matches this value; or a str or
                :class:`~paragrad.protocols.gradient.Feedback`, which fits any output. Default: 1 for a
                number, the text itself for a text.
            retain_graph: keep the graph for another backward; default ``create_graph``.
            create_graph: record the backward itself, so gradients can be differentiated.
            inputs: the only leaves that get gradients.
            propagators: kinds to carry, in place of those that fit the gradient.
            stale: "raise" or "keep" when a Parameter has changed since it was read.

        Raises:
            RuntimeError: no leaf is reached, the graph was freed, ``inputs`` is empty or holds a
                non-leaf, or a value with several elements got no gradient.
        """
        from paragrad.trace.backward import backward

        backward(
            [self], [gradient], retain_graph=retain_graph, create_graph=create_graph, inputs=inputs, propagators=propagators, stale=stale
        )
