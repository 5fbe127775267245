"""P13: the embedded model's load time, one 50-token answer, and tokens per second at batch 32, on one core."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

OUT = Path(__file__).parent / "out" / "p13.json"
LOAD = """
import time, numpy
begin = time.perf_counter()
from paragrad.llm.embedded.engine import Engine
from paragrad.llm.embedded.network import Network
from paragrad.llm.embedded.tokenizer import Tokenizer
from paragrad.llm.embedded.weights import load
weights = load(); Engine(Network(weights), Tokenizer(weights.vocabulary).user)
print(time.perf_counter() - begin)
"""


def load_seconds() -> float:
    """Median time to import the runtime and load the weights in a fresh process; numpy's own import is not counted."""
    times = [float(subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True).stdout) for _ in range(5)]
    return statistics.median(times)


def writer(rows: int, tokens: int) -> Callable[[], float]:
    """A function that times writing ``tokens`` tokens for each of ``rows`` prompts of about 60 tokens, reading included."""
    import numpy as np

    from paragrad.llm.embedded.network import Network
    from paragrad.llm.embedded.weights import load

    network = Network(load())
    prompt = np.tile(np.arange(300, 360), (rows, 1))
    one = np.ones(rows, np.intp)

    def run() -> float:
        begin = time.perf_counter()
        cache = network.cache(rows, 60 + tokens)
        logits = network.extend(cache, prompt, np.full(rows, 60))
        for _ in range(tokens - 1):
            logits = network.extend(cache, logits.argmax(1)[:, None], one)
        return time.perf_counter() - begin

    return run


def best_and_median(run: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Fastest and median time after one warm-up."""
    run()
    times = [run() for _ in range(repeats)]
    return min(times), statistics.median(times)


def main() -> None:
    """Prints the figures and writes them as JSON."""
    load = load_seconds()
    fast, answer = best_and_median(writer(1, 50), 30)
    batch_fast, batch = best_and_median(writer(32, 50), 7)
    figures = {
        "load_s": load,
        "answer_50_tokens_ms": 1000 * answer,
        "answer_50_tokens_best_ms": 1000 * fast,
        "tokens_per_s_batch_32": 1600 / batch,
        "tokens_per_s_batch_32_best": 1600 / batch_fast,
    }
    targets = {"load_s": "≤ 0.15", "answer_50_tokens_ms": "≤ 25", "tokens_per_s_batch_32": "≥ 6000"}
    for name, value in figures.items():
        print(f"{name}: {value:.4g} (target {targets.get(name, '-')})")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"id": "P13", "figures": figures, "targets": targets}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
