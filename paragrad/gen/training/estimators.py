"""Gradients of variational objectives: samples of the guide, weighed by the model, sample by sample or all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from paragrad.errors import UsageError
from paragrad.gen.choices import Choices
from paragrad.gen.environment import Environment
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.learning import param_gradients
from paragrad.gen.static.function import StaticGenerative
from paragrad.gen.trace import Trace
from paragrad.gen.training.densities import Unfit
from paragrad.gen.training.importance import merged
from paragrad.gen.training.samples import Samples
from paragrad.gen.training.sums import GradientSum
from paragrad.gen.verbs import refuse_unused


class Signals(NamedTuple):
    """What a block of log weights (estimates, samples) says.

    Attributes:
        objective: one estimate of the objective per row.
        guide: per sample, the factor of the gradient of the guide's log probability.
        model: per sample, the factor of the gradient of the model's; None: 1.
    """

    objective: Any
    guide: Any
    model: Any


class Estimate(NamedTuple):
    """One iteration: the objective and both gradients."""

    objective: float
    guide: GradientSum
    model: GradientSum


@dataclass(frozen=True, slots=True)
class Estimator:
    """One objective of one problem.

    Args:
        signals: ``f(log weights of shape (rows, samples))``.
        estimates: independent estimates per iteration; their mean is the iteration's.
        samples: samples per estimate.
        learns_model: whether the model's gradient is wanted.
    """

    model: GenerativeFunction
    args: tuple[Any, ...]
    given: Choices
    guide: GenerativeFunction
    guide_args: tuple[Any, ...]
    signals: Callable[[Any], Signals]
    estimates: int
    samples: int
    learns_model: bool

    def one_by_one(self, samples: Samples) -> Estimate:
        """Every sample a run of its own."""
        objective, guide, model = 0.0, GradientSum(), GradientSum()
        for total, guide_part, model_part in samples.chunks(self.estimates, self._chunk):
            objective += total
            guide.merge(guide_part)
            model.merge(model_part)
        return Estimate(objective / self.estimates, guide, model)

    def fused(self, samples: Samples, together: bool) -> Estimate | None:
        """The same without traces: bodies one by one, or once ``together``; None where the bodies need traces."""
        try:
            with samples.watched:
                guide, model = self._bodies(samples, together)
                of_guide, of_model = guide.densities_of(), model.densities_of()
        except Unfit:
            return None
        found, objective, total = self._signals(of_model.over(of_guide).reshape(-1, self.samples))
        of_guide.seed(found.guide.ravel(), 1.0 / self.estimates, total)
        if self.learns_model:
            of_model.seed(self._model_factors(found))
        return Estimate(objective / self.estimates, guide.gradient(), model.gradient())

    def at_once(self, samples: Samples) -> Estimate:
        """One run on arrays with an entry per sample; the same estimator."""
        import numpy

        count = self.estimates * self.samples
        guide_trace, model_trace, weight = self._draw(samples.batch(count))
        if getattr(weight, "shape", ()) != (count,):
            weight = numpy.full(count, weight)
        found, objective, _ = self._signals(weight.reshape(-1, self.samples))
        guide, model = GradientSum(), GradientSum()
        guide.add(param_gradients(guide_trace, None, found.guide.ravel() / self.estimates, "keep"))
        if self.learns_model:
            model.add(param_gradients(model_trace, None, self._model_factors(found), "keep"))
        return Estimate(objective / self.estimates, guide, model)

    def fitted(self, samples: Samples, together: bool) -> list[Trace]:
        """Traces of the guide, as many as an iteration draws; one batched trace where they are drawn together."""
        count = self.estimates * self.samples
        if together:
            return [self.guide.simulate(self.guide_args, samples.batch(count))]
        return samples.each(count, lambda env, _: self.guide.simulate(self.guide_args, env))

    def works_at_once(self, samples: Samples) -> bool:
        """Whether guide and model say the same on arrays as one sample at a time: tried on one batch, two samples of it again alone."""
        try:
            guide_trace, model_trace, weight = self._draw(samples.batch(max(2, self.samples)))
            for row in (0, 1):
                env = samples.environment()
                guide = self.guide.generate(self.guide_args, _row(guide_trace.choices, row), env)[1]
                alone = self.model.generate(self.args, merged(self.given, _row(guide_trace.choices, row)), env)
                if not _close(alone[1] - guide, weight, row) or alone[0].choices.keys() != model_trace.choices.keys():
                    return False
            param_gradients(guide_trace, None, 0.0 * weight, "keep")
        except (TypeError, ValueError, AttributeError, KeyError, IndexError):  # UsageError is a ValueError: a body that asks for one number
            return False
        return True

    def _bodies(self, samples: Samples, together: bool) -> tuple[Any, Any]:
        """Guide and model after all samples of an iteration."""
        count = self.estimates * self.samples
        env = samples.batch(count) if together else samples.environment()
        if not together and isinstance(self.guide, StaticGenerative) and isinstance(self.model, StaticGenerative):
            drawn = self.guide.drawn(self.guide_args, env, count)
            if drawn is not None:
                return self._replayed(drawn, samples, env, count)
        guide, model = self._begun(samples, env)
        found = guide.draw_many(self.guide_args, 1 if together else count)
        model.weigh_many((self.args, self._both(values)) for values in found)
        return guide, model

    def _begun(self, samples: Samples, env: Environment) -> tuple[Any, Any]:
        guide = samples.body(self.guide, self.guide_args, env, True)
        return guide, samples.body(self.model, self.args, env, self.learns_model, "model")

    def _replayed(self, drawn: dict[Any, list[Any]], samples: Samples, env: Environment, count: int) -> tuple[Any, Any]:
        """Densities of static functions: what they do is the same for every sample, so once for all where choices are floats."""
        import numpy

        columns = {address: numpy.array(values) for address, values in drawn.items()}
        rows: list[dict[Any, Any]] = [columns]
        if all(column.dtype.kind == "f" for column in columns.values()):
            env = env.widened(count)
        else:  # numpy's arithmetic of truth values and whole numbers is another than Python's
            rows = [dict(zip(drawn, row, strict=True)) for row in zip(*drawn.values(), strict=True)]
        guide, model = self._begun(samples, env)
        guide.weigh_many((self.guide_args, dict(row)) for row in rows)
        model.weigh_many((self.args, self._both(row)) for row in rows)
        return guide, model

    def _chunk(self, env: Environment, numbers: range) -> tuple[float, GradientSum, GradientSum]:
        import numpy

        drawn = [self._draw(env) for _ in range(len(numbers) * self.samples)]
        found, objective, _ = self._signals(numpy.array([weight for _, _, weight in drawn]).reshape(-1, self.samples))
        guide, model = GradientSum(), GradientSum()
        for (trace, _, _), factor in zip(drawn, (found.guide / self.estimates).ravel().tolist(), strict=True):
            guide.add(param_gradients(trace, None, factor, "keep"))
        if self.learns_model:
            for (_, trace, _), factor in zip(drawn, self._model_factors(found).tolist(), strict=True):
                model.add(param_gradients(trace, None, factor, "keep"))
        return objective, guide, model

    def _both(self, values: dict[Any, Any]) -> dict[Any, Any]:
        both = {**self.given._values, **values}
        if len(both) < len(self.given._values) + len(values):
            raise Unfit  # an address in both
        return both

    def _draw(self, env: Environment) -> tuple[Trace, Trace, Any]:
        """A trace of the guide, the model's trace on it, and log p(observations, choices) - log q(choices)."""
        guide = self.guide.simulate(self.guide_args, env)
        constraints = merged(self.given, guide.choices)
        model, weight = self.model.generate(self.args, constraints, env)
        refuse_unused(constraints, model)
        return guide, model, weight - guide._score

    def _signals(self, weights: Any) -> tuple[Signals, float, float]:
        """What log weights say, the sum of the estimates, and the sum of the guide's factors."""
        found = self.signals(weights)
        objective = float(found.objective.sum())
        total = objective if found.guide is weights else float(found.guide.sum())
        if not isfinite(objective + total):
            raise UsageError(
                f"{self.guide!r} proposed values that {self.model!r} gives probability 0 (log weights {weights.ravel()[:4].tolist()!r:.80}), "
                "so the objective is infinite; keep the guide inside the model's support"
            )
        return found, objective, total

    def _model_factors(self, found: Signals) -> Any:
        """Per sample, the factor of the model's gradient."""
        import numpy

        if found.model is None:
            return numpy.full(found.guide.size, 1.0 / self.estimates)
        return found.model.ravel() / self.estimates


def _row(choices: Choices, row: int) -> Choices:
    return Choices.flat(
        {address: value[row].item() if getattr(value[row], "ndim", 1) == 0 else value[row] for address, value in choices.items()}
    )


def _close(alone: float, weight: Any, row: int) -> bool:
    import numpy

    together = weight[row] if getattr(weight, "ndim", 0) else weight
    return bool(numpy.isclose(alone, together, rtol=1e-9, atol=1e-9))
