"""``black_box_vi``: fit a guide to a model's posterior with score-function gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from paragrad.gen.choices import choicemap
from paragrad.gen.environment import resolved
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.trace import Trace
from paragrad.gen.training.estimators import Estimator, Signals
from paragrad.gen.training.samples import sampling
from paragrad.gen.training.sums import positive, refuse_elsewhere
from paragrad.gen.verbs import refuse_nan
from paragrad.rules import apply_update


class Fitted(NamedTuple):
    """What a variational fit gave.

    Attributes:
        objective: the last iteration's estimate of the bound on the evidence.
        history: every iteration's.
        traces: of the fitted guide, as many as an iteration draws; one batched trace in a batched run.
        batched: whether samples were drawn all at once.
    """

    objective: float
    history: list[float]
    traces: list[Trace]
    batched: bool


def black_box_vi(
    model: GenerativeFunction,
    args: tuple[Any, ...],
    observations: Any,
    variational: GenerativeFunction,
    var_args: tuple[Any, ...],
    var_optimizer: Any,
    *,
    model_optimizer: Any = None,
    iters: int = 1000,
    samples_per_iter: int = 100,
    batched: bool | None = None,
    callback: Callable[[int, float], Any] | None = None,
    context: Any = None,
    seed: int = 0,
    workers: int = 1,
) -> Fitted:
    """Maximise E_q[log p(choices, observations) - log q(choices)] (the ELBO).

    The gradient of the guide is the mean of log weight * d log q, unbiased, without a baseline; that of
    the model the mean of d log p (Ranganath, Gerrish, Blei 2014; Gen's ``black_box_vi!``).

    Args:
        model: choices and observations.
        args: the model's arguments.
        observations: address to value.
        variational: the guide q; its choices are choices of the model.
        var_args: the guide's arguments.
        var_optimizer: from ``gen.init_optimizer(conf, variational)``.
        model_optimizer: the same for the model, which then learns too; None: it does not.
        iters: updates.
        samples_per_iter: samples per update.
        batched: one run on arrays for all samples of an iteration, instead of one run each. None: if both functions
            give the same that way, which is tried first. Other random numbers, the same estimator.
        callback: ``f(iteration, objective)``; returning True ends the fit.
        context: where the parameters are.
        seed: of everything that is drawn.
        workers: threads, for functions that wait (a language model's choice); the result does not depend on them.

    Raises:
        UsageError: the guide proposes what the model cannot be, or an address that is none of the model's.
    """
    positive(iters=iters, samples_per_iter=samples_per_iter)
    estimator = Estimator(
        model, args, refuse_nan(choicemap(observations)), variational, var_args, _elbo, samples_per_iter, 1, model_optimizer is not None
    )
    return fit(estimator, var_optimizer, model_optimizer, iters, batched, callback, context, seed, workers)


def fit(
    estimator: Estimator,
    var_optimizer: Any,
    model_optimizer: Any,
    iters: int,
    batched: bool | None,
    callback: Callable[[int, float], Any] | None,
    context: Any,
    seed: int,
    workers: int,
) -> Fitted:
    """Estimate, push, update; ``iters`` times."""
    history: list[float] = []
    with sampling(resolved(context), seed, workers) as samples:
        together = estimator.works_at_once(samples) if batched is None else batched
        fused, fits = True, False
        for number in range(iters):
            found = estimator.fused(samples, together) if fused else None
            if found is None:
                fused, found = False, estimator.at_once(samples) if together else estimator.one_by_one(samples)
            history.append(found.objective)
            found.guide.merge(found.model)
            if not fits:
                fits = refuse_elsewhere(found.guide, var_optimizer, model_optimizer)
            found.guide.push()
            apply_update(var_optimizer)
            if model_optimizer is not None:
                apply_update(model_optimizer)
            if callback is not None and callback(number, found.objective) is True:
                break
        return Fitted(history[-1], history, estimator.fitted(samples, together), together)


def _elbo(weights: Any) -> Signals:
    return Signals(weights[:, 0], weights, None)
