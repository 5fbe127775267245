"""Distributions: ``gen.normal(0.0, 1.0)`` and its relatives, with analytic densities and gradients.

``sample``, ``logpdf`` and ``logpdf_grad`` work on floats; families with ``batches`` also on arrays,
one entry per sample. A new one is a subclass of :class:`Family` with three static functions.
"""

from paragrad.gen.distributions.base import Distribution, Family
from paragrad.gen.distributions.beta import Beta, BetaUniform, Dirichlet
from paragrad.gen.distributions.categorical import Categorical
from paragrad.gen.distributions.completion import Completion
from paragrad.gen.distributions.delta import Delta
from paragrad.gen.distributions.gamma import Exponential, Gamma, InvGamma
from paragrad.gen.distributions.heavy import Cauchy, Laplace
from paragrad.gen.distributions.mixture import Mixture
from paragrad.gen.distributions.mvnormal import BroadcastedNormal, MvNormal
from paragrad.gen.distributions.normal import LogNormal, Normal
from paragrad.gen.distributions.trials import Bernoulli, Binomial, Geometric, NegBinomial, Poisson
from paragrad.gen.distributions.uniform import PiecewiseUniform, Uniform, UniformDiscrete
from paragrad.gen.distributions.wrapped import Torch

bernoulli, beta, beta_uniform, binomial = Bernoulli, Beta, BetaUniform, Binomial
broadcasted_normal, categorical, cauchy, completion, delta = BroadcastedNormal, Categorical, Cauchy, Completion, Delta
dirichlet, exponential, gamma, geometric = Dirichlet, Exponential, Gamma, Geometric
inv_gamma, laplace, lognormal, mixture = InvGamma, Laplace, LogNormal, Mixture
mvnormal, neg_binomial, normal, piecewise_uniform = MvNormal, NegBinomial, Normal, PiecewiseUniform
poisson, torch, uniform, uniform_discrete = Poisson, Torch, Uniform, UniformDiscrete

__all__ = [
    "Distribution",
    "Family",
    "bernoulli",
    "beta",
    "beta_uniform",
    "binomial",
    "broadcasted_normal",
    "categorical",
    "cauchy",
    "completion",
    "delta",
    "dirichlet",
    "exponential",
    "gamma",
    "geometric",
    "inv_gamma",
    "laplace",
    "lognormal",
    "mixture",
    "mvnormal",
    "neg_binomial",
    "normal",
    "piecewise_uniform",
    "poisson",
    "torch",
    "uniform",
    "uniform_discrete",
]
