"""Pyro's share of P12, run in its own environment: the same programs as benchmarks/gen_cases.py, float64 torch scalars."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable

import pyro
import torch
from pyro.infer import SVI, Trace_ELBO

PARAMETERS, STEPS, PARTICLES = 100, 20, 100


class ScoreNormal(pyro.distributions.Normal):  # type: ignore[misc]
    """A normal whose samples have no gradient path, so that its gradient is the score function's."""

    has_rsample = False


def best(work: Callable[[], object], rounds: int = 5) -> float:
    """Processor seconds of the fastest of some rounds."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def many(values: list[float]) -> None:
    """A hundred choices, each with a parameter of its own."""
    for i, value in enumerate(values):
        mean = pyro.param(f"mean{i}", torch.tensor(0.0))
        pyro.sample(f"x{i}", pyro.distributions.Normal(mean, 1.0), obs=torch.tensor(value))


def gradient() -> float:
    """Seconds per parameter of one trace's log density and its gradient."""
    values = [0.1 * i for i in range(PARAMETERS)]

    def once() -> None:
        trace = pyro.poutine.trace(many).get_trace(values)
        pyro.poutine.util.prune_subsample_sites(trace)
        trace.log_prob_sum().backward()

    return best(once) / PARAMETERS


def line() -> None:
    """Two independent normals."""
    pyro.sample("slope", ScoreNormal(torch.tensor(-1.0), math.exp(0.5)))
    pyro.sample("intercept", ScoreNormal(torch.tensor(1.0), math.exp(2.0)))


def guide() -> None:
    """The same family, with parameters."""
    for name in ("slope", "intercept"):
        mean, log_std = pyro.param(f"{name}_mu", torch.tensor(0.0)), pyro.param(f"{name}_log_std", torch.tensor(0.0))
        pyro.sample(name, ScoreNormal(mean, log_std.exp()))


def fit(vectorized: bool) -> float:
    """Seconds per update of 100 samples."""
    pyro.clear_param_store()
    loss = Trace_ELBO(num_particles=PARTICLES, vectorize_particles=vectorized, max_plate_nesting=0)
    svi = SVI(line, guide, pyro.optim.SGD({"lr": 0.01}), loss)
    svi.step()
    return best(lambda: [svi.step() for _ in range(STEPS)], 3 if vectorized else 1) / STEPS


def main() -> None:
    """Measure and print."""
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    pyro.set_rng_seed(0)
    figures = {"gradient": gradient(), "update": fit(False), "update at once": fit(True)}
    print(json.dumps({"version": pyro.__version__, "numeric": figures}))


if __name__ == "__main__":
    main()
