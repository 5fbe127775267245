"""``importance_sampling`` and ``importance_resampling``: weighted traces that hold the observations."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Any, NamedTuple

from paragrad.errors import UsageError
from paragrad.gen.choices import Choices, choicemap
from paragrad.gen.environment import Environment, resolved
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.trace import Trace
from paragrad.gen.training.samples import sampling
from paragrad.gen.training.sums import logsumexp, positive
from paragrad.gen.verbs import function_of, refuse_nan, refuse_unused

Proposal = GenerativeFunction | tuple[GenerativeFunction, tuple[Any, ...]] | None


class Weighted(NamedTuple):
    """Traces with weights that add up to 1.

    Attributes:
        traces: each holds the observations.
        log_weights: normalised: logsumexp is 0.
        log_evidence: an estimate of the log probability of the observations; its exponential is unbiased.
    """

    traces: list[Trace]
    log_weights: list[float]
    log_evidence: float


class Resampled(NamedTuple):
    """One trace, drawn by weight. ``log_evidence`` as in :class:`Weighted`."""

    trace: Trace
    log_evidence: float


def importance_sampling(
    model: GenerativeFunction,
    args: tuple[Any, ...],
    observations: Any,
    n: int,
    proposal: Proposal = None,
    *,
    context: Any = None,
    seed: int = 0,
    workers: int = 1,
) -> Weighted:
    """``n`` weighted traces of a model given observations.

    Args:
        observations: address to value.
        proposal: a generative function without arguments, or (function, arguments), that proposes choices of the
            model's; None: the model's own proposal.
        context: where the parameters are.
        seed: of everything that is drawn.
        workers: threads; the result does not depend on them.

    Raises:
        UsageError: the model cannot explain the observations: all weights are 0; or a proposed or observed
            address is none of the model's.
    """
    traces, weights = _weighted(model, args, observations, n, proposal, context, seed, workers)
    total = _total(model, weights)
    return Weighted(traces, [weight - total for weight in weights], total - math.log(n))


def importance_resampling(
    model: GenerativeFunction,
    args: tuple[Any, ...],
    observations: Any,
    n: int,
    proposal: Proposal = None,
    *,
    context: Any = None,
    seed: int = 0,
    workers: int = 1,
) -> Resampled:
    """One of ``n`` traces, drawn with probability proportional to its weight: a sample of the posterior as n grows.

    The arguments are those of :func:`importance_sampling`.
    """
    with sampling(resolved(context), seed, workers) as samples:
        pick = samples.rng.random()
    traces, weights = _weighted(model, args, observations, n, proposal, context, seed + 1, workers)
    total = _total(model, weights)
    reached = list(accumulate(math.exp(weight - total) for weight in weights))
    return Resampled(traces[min(bisect_right(reached, pick * reached[-1]), n - 1)], total - math.log(n))


def _weighted(
    model: GenerativeFunction, args: tuple[Any, ...], observations: Any, n: int, proposal: Proposal, context: Any, seed: int, workers: int
) -> tuple[list[Trace], list[float]]:
    positive(n=n)
    function_of(model)
    given = refuse_nan(choicemap(observations))
    source = proposal if proposal is None or isinstance(proposal, tuple) else (proposal, ())
    with sampling(resolved(context), seed, workers) as samples:
        found = samples.each(n, lambda env, _: _one(model, args, given, source, env))
    return [trace for trace, _ in found], [weight for _, weight in found]


def _one(
    model: GenerativeFunction,
    args: tuple[Any, ...],
    given: Choices,
    source: tuple[GenerativeFunction, tuple[Any, ...]] | None,
    env: Environment,
) -> tuple[Trace, float]:
    if source is None:
        trace, weight = model.generate(args, given, env)
        refuse_unused(given, trace)
        return trace, float(weight)
    proposed = source[0].simulate(source[1], env)
    constraints = merged(given, proposed.choices)
    trace, weight = model.generate(args, constraints, env)
    refuse_unused(constraints, trace)
    return trace, float(weight - proposed.score)


def merged(observations: Choices, proposed: Choices) -> Choices:
    """Both together.

    Raises:
        UsageError: an address in both.
    """
    if not observations._values:
        return proposed
    both = observations._values.keys() & proposed._values.keys()
    if both:
        raise UsageError(f"{sorted(map(repr, both))} are observed and proposed; take them out of the proposal")
    return observations.merged(proposed)


def _total(model: GenerativeFunction, weights: list[float]) -> float:
    total = logsumexp(weights)
    if total == -math.inf:
        raise UsageError(
            f"{model!r} gives the observations probability 0 in all {len(weights)} samples; check them, or use a better proposal"
        )
    return total
