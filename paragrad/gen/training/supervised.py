"""``train``: maximise the log probability of given choices, minibatch by minibatch."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.choices import choicemap
from paragrad.gen.environment import Environment, resolved
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.learning import param_gradients
from paragrad.gen.training.densities import Unfit
from paragrad.gen.training.samples import Samples, sampling
from paragrad.gen.training.sums import GradientSum, positive, refuse_elsewhere
from paragrad.gen.verbs import function_of, refuse_nan, refuse_unused
from paragrad.rules import apply_update

Example = tuple[tuple[Any, ...], Any]
DataGenerator = Callable[[Random], Example]


def train(
    gen_fn: GenerativeFunction,
    data_generator: DataGenerator,
    optimizer: Any,
    *,
    num_epoch: int = 1,
    epoch_size: int = 1,
    num_minibatch: int = 1,
    minibatch_size: int = 1,
    evaluation_size: int = 1,
    callback: Callable[[int, float], Any] | None = None,
    context: Any = None,
    seed: int = 0,
    workers: int = 1,
) -> list[float]:
    """Train a generative function on examples (stochastic gradient ascent; Gen's ``train!``).

    Every epoch draws ``epoch_size`` examples; every minibatch of it draws ``minibatch_size`` of them
    without repetition, adds up (not: averages) their gradients and applies the optimizer once.

    Args:
        gen_fn: what is trained.
        data_generator: ``f(rng) -> (args, constraints)``; constraints should be all of the function's choices.
            Draw with ``rng``, then the same seed gives the same run.
        optimizer: from ``gen.init_optimizer``.
        evaluation_size: fresh examples that score an epoch.
        callback: ``f(epoch, score)`` after every epoch; returning True ends the training.
        context: where the parameters are.
        seed: of examples and sampling.
        workers: threads; the result does not depend on them.

    Returns:
        Per epoch the mean log probability of the held-out examples.

    Raises:
        UsageError: a constraint that no choice takes or that is nan, a minibatch larger than the epoch, or an optimizer
            over other stores than the context's.
    """
    positive(num_epoch=num_epoch, epoch_size=epoch_size, num_minibatch=num_minibatch, minibatch_size=minibatch_size)
    positive(evaluation_size=evaluation_size)
    if minibatch_size > epoch_size:
        raise UsageError(f"minibatch_size={minibatch_size} is more than the {epoch_size} examples of an epoch; make epoch_size larger")
    history: list[float] = []
    function_of(gen_fn)
    with sampling(resolved(context), seed, workers) as samples:
        learner = _Learner(gen_fn, samples)
        for epoch in range(num_epoch):
            examples = [_example(data_generator, samples.rng) for _ in range(epoch_size)]
            for _ in range(num_minibatch):
                found = learner.gradient(samples.rng.sample(examples, minibatch_size))
                refuse_elsewhere(found, optimizer)
                found.push()
                apply_update(optimizer)
            history.append(learner.score([_example(data_generator, samples.rng) for _ in range(evaluation_size)]))
            if callback is not None and callback(epoch, history[-1]) is True:
                break
    return history


def _example(data_generator: DataGenerator, rng: Random) -> Example:
    found = data_generator(rng)
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], tuple):
        raise UsageError(f"data_generator returned {found!r:.80}; it gives (args, constraints), such as ((x,), {{'y': 1.0}})")
    return found[0], refuse_nan(choicemap(found[1]))


class _Learner:
    """Gradients and scores of examples: without traces while the body allows it."""

    def __init__(self, gen_fn: GenerativeFunction, samples: Samples) -> None:
        self.gen_fn = gen_fn
        self.samples = samples
        self.fused = True

    def gradient(self, examples: list[Example]) -> GradientSum:
        """The sum of the gradients of the examples' log probabilities."""
        import numpy

        ran = self._run(examples, tracked=True)
        if ran is not None:
            body, densities = ran
            densities.seed(numpy.ones(len(examples)))
            found: GradientSum = body.gradient()
            return found
        total = GradientSum()
        for part in self.samples.chunks(len(examples), lambda env, numbers: self._traced(env, [examples[n] for n in numbers])):
            total.merge(part)
        return total

    def score(self, examples: list[Example]) -> float:
        """Their mean log probability."""
        ran = self._run(examples, tracked=False)
        if ran is not None:
            return float(ran[1].scores.mean())
        weights = self.samples.each(len(examples), lambda env, n: self.gen_fn.generate(*examples[n], env)[1])
        return float(sum(weights) / len(weights))

    def _run(self, examples: list[Example], tracked: bool) -> tuple[Any, Any] | None:
        if not self.fused:
            return None
        try:
            body = self.samples.body(self.gen_fn, (), self.samples.environment(), tracked)
            body.weigh_many((args, dict(constraints._values)) for args, constraints in examples)
            return body, body.densities_of()
        except Unfit:
            self.fused = False
            return None

    def _traced(self, env: Environment, examples: list[Example]) -> GradientSum:
        found = GradientSum()
        for args, constraints in examples:
            trace, _ = self.gen_fn.generate(args, constraints, env)
            refuse_unused(constraints, trace)
            found.add(param_gradients(trace, stale="keep"))
        return found
