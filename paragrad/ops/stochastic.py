"""``stochastic``: an operation that draws a sample, and learns from the scores the sample led to.

The sample itself has no derivative. Its log-probability has: when a score reaches the operation,
``-(score - baseline) * d log p(sample; arguments)`` flows to the arguments it was drawn from, and
further by the numeric rules (the score-function or REINFORCE estimator, Williams 1992). It is unbiased.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from random import Random
from typing import Any

from paragrad import registry
from paragrad.context import current_scope
from paragrad.errors import UsageError
from paragrad.propagators.numeric import Numeric
from paragrad.propagators.score import LIKELIHOOD
from paragrad.trace.bundle import Bundle
from paragrad.trace.nodes import Node
from paragrad.trace.operation import TABLE, Operation
from paragrad.trace.state import within
from paragrad.trace.values import is_number, is_numeric
from paragrad.trace.variable import Variable

TABLE.add(Operation(LIKELIHOOD, lambda: None))  # says that there may be samples in a graph


class Stochastic(Bundle[Any, Any]):
    """A function that draws: ``draw(rng, *arguments)``.

    Args:
        draw: gets a ``random.Random`` seeded by the coordinate of the call (outside a run: by the system), then plain values.
        baseline: the score to compare with; None: the mean of the other scores of the same backward.
    """

    def __init__(self, draw: Callable[..., Any], baseline: float | None = None) -> None:
        super().__init__(_seeded(draw), catch=False, kind="op")
        self.baseline = baseline
        self.density: Callable[..., Any] | None = None
        self.op.rules[LIKELIHOOD] = _Likelihood(self)

    def log_prob(self, density: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: ``density(sample, *arguments)`` is the sample's log-probability, made of operations with numeric rules."""
        self.density = density
        return density


class _Likelihood:
    """The rule of one stochastic operation."""

    def __init__(self, owner: Stochastic) -> None:
        self.owner = owner

    @property
    def baseline(self) -> float | None:
        """The score to compare with."""
        return self.owner.baseline

    def __call__(self, weight: float, record: Any) -> list[Any]:
        """``weight * d log p / d operand`` for every operand; None for those that are no numbers.

        Raises:
            UsageError: the operation has no log-probability, or an operand lies inside a container.
        """
        if self.owner.density is None:
            name = self.owner.op.name
            raise UsageError(f"a score reached the sample of {name}, which has no log-probability; write @{name}.log_prob on one")
        given = dict(record.call.input_args)
        leaves: dict[str, Variable[Any]] = {
            name: Variable(record_value(node), requires_grad=True)
            for name, node in zip(record.names, record.nodes, strict=True)
            if _float(node)
        }
        unknown = [name for name in leaves if name not in given and not name.startswith("read:")]
        if unknown:
            raise UsageError(f"{self.owner.op.name} got {unknown[0]} inside a container; pass it as an argument of its own")
        with within(record=True, reads=None, overlay=None):
            out = self.owner.density(record.value, **{**given, **{k: v for k, v in leaves.items() if k in given}})
            if isinstance(out, Variable) and out.requires_grad:
                out.backward(weight, propagators=[Numeric()])
        return [leaves[name].grad[0].value if name in leaves and leaves[name].grad else None for name in record.names]


def record_value(node: Any) -> Any:
    """The value of an operand."""
    return node.value if isinstance(node, Node) else node


def _float(node: Any) -> bool:
    return isinstance(node, Node) and node.requires and is_numeric(node.value)


def _seeded(draw: Callable[..., Any]) -> Callable[..., Any]:
    """``draw`` without its generator, which is made for the call."""
    import inspect

    parameters = list(inspect.signature(draw).parameters.values())
    if not parameters:
        raise UsageError(f"{draw.__name__} takes no generator; a stochastic function is draw(rng, ...)")

    def sample(*args: Any, **kwargs: Any) -> Any:
        scope = current_scope()
        return draw(scope.random() if scope is not None else Random(), *args, **kwargs)

    sample.__name__, sample.__qualname__, sample.__doc__ = draw.__name__, draw.__qualname__, draw.__doc__
    sample.__module__ = draw.__module__
    sample.__signature__ = inspect.Signature(parameters[1:])  # type: ignore[attr-defined]
    return sample


def stochastic(draw: Any = None, *, baseline: float | None = None) -> Any:
    """An operation that draws a sample and learns from its scores::

        @pg.stochastic
        def choose(rng, logits):
            return rng.choices(range(len(logits)), pg.ops.softmax(logits))[0]

        @choose.log_prob
        def _(sample, logits):
            return logits[sample] - pg.ops.logsumexp(logits)

    A generative function has its log-probability already, and learns by its choices: ``pg.stochastic(f)``, or the decorator
    above ``@gen.generative``; see docs/generative.md.

    Args:
        draw: ``draw(rng, *arguments)`` on plain values, or a generative function.
        baseline: the score to compare with; default: the mean of the other scores of the same backward, or 0 when there is none.
            It changes the variance of the gradient, never its mean.

    Raises:
        UsageError: ``draw`` is a node already, or ``baseline`` is no finite number.
    """
    if baseline is not None and not (is_number(baseline) and isfinite(baseline)):
        raise UsageError(f"baseline={baseline!r:.40} is no score to compare with; give a number, or None for the mean of the others")
    if draw is None:
        return lambda function: stochastic(function, baseline=baseline)
    if isinstance(draw, Stochastic) or hasattr(draw, "gen_fn"):
        raise UsageError(f"{draw!r:.80} is a node already; give pg.stochastic the function that draws, or a generative function")
    if hasattr(draw, "argument_grads") and hasattr(draw, "simulate"):
        return registry.facets.get("stochastic")(draw, baseline)
    return Stochastic(draw, baseline)
