"""P8: one numeric step over 1,000 small parameters of 1 and of 64 floats, and a whole scalar step beside torch.

Steps: the fastest of many short rounds, in microseconds; with torch (one thread, so that it does not wait for cores that
others use) foreach, fused and one flat tensor in the same process, and MindSpore as it was measured in its own
environment. The whole step (forward, backward, update) is a sum of squares over 1,000 scalars.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import paragrad as pg
from benchmarks.peers.stored import measured
from paragrad import rules

COUNT = 1000
LIMITS = {"FixedStep": (5.0, 30.0), "SGD": (5.0, 30.0), "Adam": (15.0, 100.0)}
RULES: dict[str, Any] = {
    "FixedStep": rules.FixedStepGradientDescent(0.01, maximize=False),
    "SGD": rules.SGD(0.01),
    "Adam": rules.Adam(0.01),
}
SHELLS: dict[str, Any] = {"SGD": pg.optimizers.SGD, "Adam": pg.optimizers.Adam}


def fastest(step: Callable[[], Any], calls: int = 20, seconds: float = 0.5) -> float:
    """Microseconds per call in the fastest round; as many rounds as fit, but at least three."""
    best, begun, rounds = float("inf"), time.perf_counter(), 0
    step()
    while rounds < 3 or time.perf_counter() - begun < seconds:
        rounds += 1
        started = time.perf_counter()
        for _ in range(calls):
            step()
        best = min(best, time.perf_counter() - started)
    return best / calls * 1e6


def values(width: int) -> list[Any]:
    """What the parameters start from."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=width).astype("float32") for _ in range(COUNT)]


def store_step(rule: Any, width: int) -> float:
    """``apply_update`` over ids of a memory store."""
    store = pg.stores.open("memory:")
    ids = [f"p{i}" for i in range(COUNT)]
    for id, value in zip(ids, values(width), strict=True):
        store.init_parameter(id, value)
    optimizer = pg.init_optimizer(rule, ids, store)
    for id, value in zip(ids, values(width), strict=True):
        store.increment_gradient(id, value)
    return fastest(lambda: pg.apply_update(optimizer))


def shell_step(kind: Any, width: int) -> float:
    """``optimizer.step()`` over private Parameters whose gradients are there."""
    parameters: list[Any] = [pg.Parameter(value) for value in values(width)]
    optimizer = kind(parameters, lr=0.001)
    for parameter, value in zip(parameters, values(width), strict=True):
        parameter._accumulator().add_number(value)
    return fastest(optimizer.step)


def torch_step(kind: str, width: int) -> dict[str, float]:
    """torch's own optimizers, and one flat tensor."""
    made = {"FixedStep": torch.optim.SGD, "SGD": torch.optim.SGD, "Adam": torch.optim.Adam}[kind]
    found = {}
    for way in ("foreach", "fused"):
        weights = [torch.tensor(value, requires_grad=True) for value in values(width)]
        for weight in weights:
            weight.grad = weight.detach().clone()
        found[way] = fastest(made(weights, lr=0.001, **{way: True}).step, 2, 0.3)
    flat, slope = (torch.tensor(np.concatenate(values(width))) for _ in range(2))
    found["flat add_"] = fastest(lambda: flat.add_(slope, alpha=-0.001), seconds=0.2)
    return found


def whole_step() -> dict[str, float]:
    """Forward, backward and update of a sum of squares over 1,000 scalars."""
    parameters: list[Any] = [pg.Parameter(float(n)) for n in range(COUNT)]
    optimizer = pg.optimizers.SGD(parameters, lr=0.001)
    weights = [torch.tensor(float(n), requires_grad=True) for n in range(COUNT)]
    twin = torch.optim.SGD(weights, lr=0.001, foreach=True)

    def step(own: Any, members: list[Any]) -> None:
        own.zero_grad()
        loss = members[0] * members[0]
        for member in members[1:]:
            loss = loss + member * member
        loss.backward()
        own.step()

    return {"ours": fastest(lambda: step(optimizer, parameters), 1, 1.5), "torch": fastest(lambda: step(twin, weights), 1, 1.5)}


def main() -> int:
    """Print and write the figures."""
    torch.set_num_threads(1)
    stored = measured("numeric")
    figures: dict[str, Any] = {}
    for name, limits in LIMITS.items():
        for width, limit in zip((1, 64), limits, strict=True):
            ours = {"store": store_step(RULES[name], width)}
            if name in SHELLS:
                ours["shell"] = shell_step(SHELLS[name], width)
            peers = torch_step(name, width)
            theirs = {f"torch {way}": found for way, found in peers.items()}
            kind = "adam" if name == "Adam" else "sgd"
            theirs |= {peer: found[f"{kind} {width}"] for peer, found in stored.items() if f"{kind} {width}" in found}
            figures[f"{name} {width}"] = {**ours, **theirs}
            shown = ", ".join(f"{way} {found:.1f}" for way, found in {**ours, **theirs}.items())
            print(f"{name}, {COUNT} parameters of {width} floats, µs per step: {shown} (target ≤ {limit:g})")
    whole = figures["whole"] = whole_step()
    print(
        f"whole step over {COUNT} scalars, ms: ours {whole['ours'] / 1e3:.2f}, torch {whole['torch'] / 1e3:.2f} (target: less than torch)"
    )
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p08.json").write_text(json.dumps({"figures": figures, "limits": LIMITS}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
