"""Successes and failures: ``bernoulli``, ``binomial``, ``geometric``, ``neg_binomial`` and ``poisson``."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions import counting
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.special import (
    INF,
    choose,
    digamma,
    floor,
    is_array,
    is_count,
    lgamma,
    log,
    over,
    require_count,
    require_positive,
    require_probability,
)


class Bernoulli(Family):
    """True with probability ``p``; a value may also be 0 or 1."""

    __slots__ = ()
    kind = "bernoulli"
    names = ("p",)

    @staticmethod
    def draw(rng: Any, p: Any) -> Any:
        require_probability(p, "bernoulli", "p")
        return rng.random() < p

    @staticmethod
    def log_density(value: Any, p: Any) -> Any:
        require_probability(p, "bernoulli", "p")
        return choose(value == 1, log(p), choose(value == 0, log(1.0 - p), -INF))

    @staticmethod
    def log_density_grad(value: Any, p: Any) -> Gradient:
        require_probability(p, "bernoulli", "p")
        return None, (choose(value == 1, over(1.0, p), choose(value == 0, over(1.0, p - 1.0), 0.0)),)


class Binomial(Family):
    """Successes among ``n`` independent trials with probability ``p``."""

    __slots__ = ()
    kind = "binomial"
    names = ("n", "p")

    @staticmethod
    def draw(rng: Any, n: Any, p: Any) -> Any:
        _check("binomial", n, p)
        return counting.binomial(rng, n, p)

    @staticmethod
    def log_density(value: Any, n: Any, p: Any) -> Any:
        _check("binomial", n, p)
        ways = lgamma(n + 1.0) - lgamma(value + 1.0) - lgamma(n - value + 1.0)
        return choose(is_count(value) & (value <= n), ways + _times(value, log(p)) + _times(n - value, log(1.0 - p)), -INF)

    @staticmethod
    def log_density_grad(value: Any, n: Any, p: Any) -> Gradient:
        _check("binomial", n, p)
        return None, (None, choose(is_count(value) & (value <= n), _ratio(value, p) - _ratio(n - value, 1.0 - p), 0.0))


class Geometric(Family):
    """Failures before the first success with probability ``p`` in (0, 1]."""

    __slots__ = ()
    kind = "geometric"
    names = ("p",)

    @staticmethod
    def draw(rng: Any, p: Any) -> Any:
        _check_success("geometric", p)
        if not is_array(p) and p == 1:
            return 0 * floor(rng.random())
        return floor(log(1.0 - rng.random()) / log(1.0 - p))

    @staticmethod
    def log_density(value: Any, p: Any) -> Any:
        _check_success("geometric", p)
        return choose(is_count(value), log(p) + _times(value, log(1.0 - p)), -INF)

    @staticmethod
    def log_density_grad(value: Any, p: Any) -> Gradient:
        _check_success("geometric", p)
        return None, (choose(is_count(value), 1.0 / p - _ratio(value, 1.0 - p), 0.0),)


class NegBinomial(Family):
    """Failures before the ``r``-th success (r > 0, not only integers) with probability ``p`` in (0, 1]."""

    __slots__ = ()
    kind = "neg_binomial"
    names = ("r", "p")

    @staticmethod
    def draw(rng: Any, r: Any, p: Any) -> Any:
        require_positive(r, "neg_binomial", "r")
        _check_success("neg_binomial", p)
        return counting.poisson(rng, rng.gammavariate(r, 1.0) * (1.0 - p) / p)

    @staticmethod
    def log_density(value: Any, r: Any, p: Any) -> Any:
        require_positive(r, "neg_binomial", "r")
        _check_success("neg_binomial", p)
        ways = lgamma(value + r) - lgamma(value + 1.0) - lgamma(r)
        return choose(is_count(value), ways + r * log(p) + _times(value, log(1.0 - p)), -INF)

    @staticmethod
    def log_density_grad(value: Any, r: Any, p: Any) -> Gradient:
        require_positive(r, "neg_binomial", "r")
        _check_success("neg_binomial", p)
        inside = is_count(value)
        d_r = digamma(value + r) - digamma(r) + log(p)
        return None, (choose(inside, d_r, 0.0), choose(inside, r / p - _ratio(value, 1.0 - p), 0.0))


class Poisson(Family):
    """Events at ``rate`` > 0 in one unit of time."""

    __slots__ = ()
    kind = "poisson"
    names = ("rate",)

    @staticmethod
    def draw(rng: Any, rate: Any) -> Any:
        require_positive(rate, "poisson", "rate")
        return counting.poisson(rng, rate)

    @staticmethod
    def log_density(value: Any, rate: Any) -> Any:
        require_positive(rate, "poisson", "rate")
        return choose(is_count(value), value * log(rate) - rate - lgamma(value + 1.0), -INF)

    @staticmethod
    def log_density_grad(value: Any, rate: Any) -> Gradient:
        require_positive(rate, "poisson", "rate")
        return None, (choose(is_count(value), value / rate - 1.0, 0.0),)


def _check(kind: str, n: Any, p: Any) -> None:
    require_count(n, kind, "n")
    require_probability(p, kind, "p")


def _check_success(kind: str, p: Any) -> None:
    require_probability(p, kind, "p")
    if not ((p > 0).all() if is_array(p) else p > 0):
        raise UsageError(f"{kind}: p is {p!r:.60}; it must be above 0")


def _times(count: Any, logarithm: Any) -> Any:
    """``count * logarithm``, 0 where the count is 0 even if the logarithm is -inf."""
    if not is_array(count) and not is_array(logarithm):
        return count * logarithm if count else 0.0
    import numpy

    with numpy.errstate(invalid="ignore"):
        return numpy.where(count == 0, 0.0, count * logarithm)


def _ratio(count: Any, p: Any) -> Any:
    """``count / p``, 0 where the count is 0."""
    return choose(count == 0, 0.0, over(count, p))
