"""MindSpore's side of P8 and of the costs of a Parameter; runs in MindSpore's own environment and prints one JSON object.

    benchmarks/peers/.venv-mindspore/bin/python -m benchmarks.peers.numeric_mindspore

Units are microseconds: per Parameter, or per optimizer step over 1,000 parameters. Best of several rounds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import mindspore
import numpy
from mindspore import Parameter, Tensor, nn
from mindspore.common.initializer import initializer

PARAMETERS = 1_000
ROUNDS = 5


def best(work: Callable[[], Any]) -> float:
    """Microseconds of the fastest round; the first, which compiles, is not counted."""
    work()
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took) * 1e6


def step(rule: Callable[[list[Parameter]], Any], size: int) -> float:
    """One update of 1,000 parameters of ``size`` floats."""
    parameters = [Parameter(Tensor(numpy.zeros(size, numpy.float32)), name=f"{rule.__name__}{size}.{n}") for n in range(PARAMETERS)]
    optimizer = rule(parameters)
    gradients = tuple(Tensor(numpy.ones(size, numpy.float32)) for _ in parameters)
    return best(lambda: optimizer(gradients))


def sgd(parameters: list[Parameter]) -> Any:
    """Plain descent."""
    return nn.SGD(parameters, learning_rate=0.1)


def adam(parameters: list[Parameter]) -> Any:
    """Adam with MindSpore's defaults."""
    return nn.Adam(parameters, learning_rate=0.001)


def main() -> None:
    """Measure and print."""
    source = Tensor(numpy.zeros((8, 8), numpy.float32))
    figures = {
        "make": best(lambda: [Parameter(source) for _ in range(PARAMETERS)]) / PARAMETERS,
        "make deferred": best(lambda: [Parameter(initializer("zeros", [8, 8], mindspore.float32)) for _ in range(PARAMETERS)]) / PARAMETERS,
    }
    for size in (1, 64):
        figures[f"sgd {size}"] = step(sgd, size)
        figures[f"adam {size}"] = step(adam, size)
    print(json.dumps({"version": mindspore.__version__, "numeric": figures}))


if __name__ == "__main__":
    main()
