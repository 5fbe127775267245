"""P12: scalar generative functions: the gradient of one trace, black-box VI, and GT13 to GT18 in full, with pyro in the same run.

``python -m benchmarks.p12_generative [--full]``: in full the reference cases take their minutes, else they end early and
the black-box fits are scaled up from fewer updates. "One by one" means Python floats, one sample after another: of any
body, and of one that says static=True, whose draws are replayed and whose densities are worked out together at the end.
Pyro's share needs its environment (``sh benchmarks/peers/setup.sh pyro``).
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import gen_cases as cases
from benchmarks.peers.numeric import measure as measure_peer
from paragrad import gen

PARAMETERS = 100
TARGETS = {"gradient": 1e-6, "scalar": 1.2, "batched": 0.2}


def hundred(values: list[float]) -> None:
    """A hundred choices, each with a parameter of its own."""
    for i, _ in enumerate(values):
        gen.sample(gen.normal(gen.param(f"mean{i}", 0.0), 1.0), i)


many = gen.generative(hundred)
many_static = gen.generative(static=True)(hundred)


def best(work: Callable[[], object], rounds: int) -> float:
    """Processor seconds of the fastest round, as of pyro."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def gradient(f: Any) -> tuple[float, float]:
    """Seconds per parameter: the gradient of one trace, and making that trace too (pyro does both at once)."""
    values = [0.1 * i for i in range(PARAMETERS)]
    given, context = dict(enumerate(values)), cases.fresh()
    gen.simulate(f, (values,), context)  # makes the parameters
    trace, _ = gen.generate(f, (values,), given, context)
    alone = best(lambda: gen.param_gradients(trace), 200)
    both = best(lambda: gen.param_gradients(gen.generate(f, (values,), given, context)[0]), 200)
    return alone / PARAMETERS, both / PARAMETERS


def bbvi(batched: bool, iters: int, rounds: int = 1, static: bool = False) -> tuple[float, list[float]]:
    """Processor seconds for 2000 updates of 100 samples, in the fastest round, and where the parameters ended."""
    guide, took = cases.line_guide_static if static else cases.line_guide, math.inf
    for _ in range(rounds):
        context = cases.fresh()
        started = time.process_time()
        cases.fit_line(context, iters, batched=batched, static=static, seed=1)
        took = min(took, (time.process_time() - started) * 2000 / iters)
    return took, cases.values(context, guide, *cases.LINE)


def pyro() -> dict[str, float] | None:
    """Pyro's figures in seconds, or None where it is not installed."""
    try:
        return dict(measure_peer("pyro")["numeric"])
    except SystemExit:
        return None


def reference_cases(short: bool) -> dict[str, str]:
    """GT13 to GT18: the values obtained."""
    found: dict[str, str] = {}
    early = ", ended early" if short else ""
    context = cases.fresh()
    cases.train_xor(context, 400 if short else 2000, step=0.05 if short else 0.01, seed=1)
    found[f"GT13 theta1 to theta5 (±0.2, < -5, > 5, > 5, < -5){early}"] = shown(cases.values(context, cases.student, *cases.THETAS))
    for batched in (False, True):
        context = cases.fresh()
        score, q = cases.lectured(context, 300, batched), cases.inverter_batched if batched else cases.inverter
        name = "lecture_batched" if batched else "lecture"
        found[f"GT14 {name} score, theta, log_std (-0.2150 ± 0.05, -2, -1.2040)"] = shown(
            [score, *cases.values(context, q, "theta", "log_std")]
        )
    found["GT16 geometric baselines (1.5816574, 1.3089937, 0.5816574)"] = shown(gen.geometric_baselines([0.0, 1.0, 2.0]), 7)
    found["GT16 arithmetic baselines (1.6201145, 1.4337808, 0.6201145)"] = shown(gen.arithmetic_baselines([0.0, 1.0, 2.0]), 7)
    for vimco in (False, True):
        context = cases.fresh()
        if vimco:
            fitted = cases.fit_vae(context, 300 if short else 1000, vimco=True, guide_step=3e-3 if short else 1e-3)
        else:
            fitted = cases.fit_vae(context, 300 if short else 3000)
        mean = sum(cases.XS) / len(cases.XS)
        name = "VIMCO" if vimco else "VI"
        wanted = f"({mean:.2f} ± 0.1, {cases.best_elbo():.3f} ± 10 %)"
        found[f"GT17 {name} theta, bound {wanted}{early}"] = shown(
            [*cases.values(context, cases.decoder, "theta"), sum(fitted.history[-50:]) / 50]
        )
    sampled = gen.importance_sampling(cases.hidden, (), {"y": 2.0}, 4)
    total = math.log(math.fsum(map(math.exp, sampled.log_weights)))
    found["GT18 logsumexp of the normalised weights (0 ± 1e-14)"] = f"{total:.1e}"
    return found


def shown(numbers: Any, digits: int = 4) -> str:
    """Numbers of a table."""
    return ", ".join(f"{number:.{digits}f}" for number in numbers)


def main(short: bool) -> int:
    """Print and write the figures."""
    theirs = pyro()
    found = {"static": gradient(many_static), "any body": gradient(many)}
    iters, rounds = (100, 4) if short else (2000, 1)
    scalar, ended = bbvi(False, iters, rounds)
    replayed, ended_replayed = bbvi(False, 2000, static=True)
    batched, ended_batched = bbvi(True, 2000, rounds)
    programs, ended_programs = bbvi(True, 2000, rounds, static=True)
    peer = "pyro is not installed" if theirs is None else f"pyro {theirs['gradient'] * 1e6:.0f} µs, the trace included"
    for name, (alone, both) in found.items():
        said = f"{alone * 1e6:.2f} µs (target ≤ 1; {both * 1e6:.2f} with making the trace; {peer})"
        print(f"gradient of one trace per scalar parameter, {name}: {said}")
    rows = (
        ("one by one, any body", scalar, "update", "scalar"),
        ("one by one, static", replayed, "update", "scalar"),
        ("at once, any body", batched, "update at once", "batched"),
        ("at once, static", programs, "update at once", "batched"),
    )
    for name, seconds, key, target in rows:
        peer = "pyro is not installed" if theirs is None else f"pyro {theirs[key] * 2000:.1f} s"
        print(f"black-box VI, 2000 x 100 samples, {name}: {seconds:.2f} s (target ≤ {TARGETS[target]}; {peer})")
    table = {
        "GT15 one by one, static: slope, intercept (-1, 0.5, 1, 2, each ± 0.001)": shown(ended_replayed, 5),
        f"GT15 one by one, any body, after {iters} of 2000 updates": shown(ended, 5),
        "GT15 at once: as static": shown(ended_batched, 5),
        "GT15 at once, static: the same": shown(ended_programs, 5),
        **reference_cases(short),
    }
    for name, value in table.items():
        print(f"{name.replace(': ', ', ')}: {value}")
    figures = {
        "gradient, gradient and trace": found,
        "scalar": scalar,
        "scalar static": replayed,
        "batched": batched,
        "batched static": programs,
    }
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    kept = {"figures": figures, "pyro": theirs, "targets": TARGETS, "cases": table, "short": short}
    (out / "p12.json").write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--full" not in sys.argv[1:]))
