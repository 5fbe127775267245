"""``gen.torch``: any torch distribution, its gradients by autograd."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest

from paragrad import gen
from paragrad.errors import UsageError

torch = pytest.importorskip("torch")
D = torch.distributions


def test_it_agrees_with_the_analytic_one() -> None:
    ours, wrapped = gen.normal(0.5, 1.3), gen.torch(D.Normal, loc=0.5, scale=1.3)
    assert wrapped.logpdf(0.2) == pytest.approx(ours.logpdf(0.2), rel=1e-12)
    d_value, d_args = wrapped.logpdf_grad(0.2)
    assert (d_value, *d_args) == pytest.approx((ours.logpdf_grad(0.2)[0], *ours.logpdf_grad(0.2)[1]), rel=1e-12)
    assert repr(wrapped) == "torch(Normal, loc=0.5, scale=1.3)"


def test_a_finished_distribution_keeps_its_arguments() -> None:
    wrapped = gen.torch(D.StudentT(3.0, 1.0, 2.0))
    assert wrapped.logpdf(0.3) == pytest.approx(float(D.StudentT(3.0, 1.0, 2.0).log_prob(torch.tensor(0.3))), rel=1e-6)
    assert len(wrapped.logpdf_grad(0.3)[1]) == 3


def test_arrays_and_batch_shapes_add_up() -> None:
    wrapped = gen.torch(D.Normal, loc=np.zeros(3), scale=np.ones(3))
    assert wrapped.logpdf(np.zeros(3)) == pytest.approx(-1.5 * math.log(2 * math.pi))
    value = wrapped.sample(Random(0))
    assert value.shape == (3,)
    assert not value.flags.writeable
    np.testing.assert_allclose(wrapped.logpdf_grad(np.ones(3))[1][0], np.ones(3))


def test_discrete_values_have_no_derivative() -> None:
    d_value, (d_probs,) = gen.torch(D.Bernoulli, probs=0.3).logpdf_grad(1.0)
    assert d_value is None
    assert d_probs == pytest.approx(1 / 0.3)


def test_draws_depend_on_the_generator_alone() -> None:
    wrapped = gen.torch(D.StudentT, df=3.0)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    assert wrapped.sample(Random(1)) == wrapped.sample(Random(1))
    assert wrapped.sample(Random(1)) != wrapped.sample(Random(2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_outside_the_support_and_wrong_arguments() -> None:
    assert gen.torch(D.Exponential, rate=1.0).logpdf(-1.0) == -math.inf
    with pytest.raises(UsageError, match=r"torch\(Normal, loc=0.0, scale=-1.0\)"):
        gen.torch(D.Normal, loc=0.0, scale=-1.0).logpdf(0.0)
    with pytest.raises(UsageError, match="give its class instead"):
        gen.torch(D.Normal(0.0, 1.0), loc=1.0)
