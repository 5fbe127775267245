"""P2: recording and sweeping back one operation: time, bytes, growth; calls of operations; reading a Parameter."""

from __future__ import annotations

import contextlib
import gc
import json
import math
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paragrad.trace import Parameter, Variable, bundle, op, overlay

SIZES = (1_000, 10_000, 100_000, 1_000_000)
CALLS, ROUNDS = 2_000, 15


def floats(n: int) -> Variable[float]:
    """A chain ``x * w``, both tracked."""
    x: Any = Variable(1.0, requires_grad=True)
    w = Variable(1.0000001, requires_grad=True)
    for _ in range(n):
        x = x * w
    return x  # type: ignore[no-any-return]


def constants(n: int) -> Variable[float]:
    """A chain ``x * 1.0000001``."""
    x: Any = Variable(1.0, requires_grad=True)
    for _ in range(n):
        x = x * 1.0000001
    return x  # type: ignore[no-any-return]


def texts(n: int) -> Variable[str]:
    """A chain of operations on a text of fixed size."""
    x: Any = Variable("a text of a fixed size", requires_grad=True)
    for _ in range(n // 2):
        x = x.upper()
        x = x.lower()
    return x  # type: ignore[no-any-return]


def torch_chain(n: int) -> Any:
    """Torch's eager chain of tensor times tensor."""
    import torch

    x = torch.tensor(1.0, requires_grad=True)
    w = torch.tensor(1.0000001, requires_grad=True)
    for _ in range(n):
        x = x * w
    return x


def per_op(build: Callable[[int], Any], n: int) -> float:
    """Microseconds per operation, record and backward; the best of a few rounds."""
    best = math.inf
    for _ in range(max(2, min(ROUNDS, 400_000 // n))):
        started = time.process_time()
        build(n).backward()
        best = min(best, (time.process_time() - started) / n * 1e6)
    return best


def bytes_per_op(build: Callable[[int], Any], n: int = 100_000) -> float:
    """Python memory a recorded operation keeps."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = build(n)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return (after - before) / n


def exponent(times: dict[int, float]) -> float:
    """Growth of the total cost from the smallest to the largest size: 1 is linear."""
    small, large = min(times), max(times)
    return 1 + math.log(times[large] / times[small]) / math.log(large / small)


def per_call(fn: Callable[[], Any]) -> float:
    """Microseconds per call, the best of some rounds."""
    best = math.inf
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(CALLS):
            fn()
        best = min(best, (time.process_time() - started) / CALLS * 1e6)
    return best


@op
def double(x: float) -> float:
    return x * 2


@bundle(effects=())
def nested(a: float, items: list[Any], key: tuple[Any, ...]) -> float:
    return 1.0


def chains() -> dict[str, Any]:
    """Microseconds per operation for every chain and size, with the collector off and on."""
    built = {"floats": floats, "constants": constants, "texts": texts}
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
        built["torch"] = torch_chain
    found: dict[str, Any] = {}
    for collector in ("off", "on"):
        (gc.disable if collector == "off" else gc.enable)()
        for name, build in built.items():
            found[f"{name}_gc_{collector}"] = {n: per_op(build, n) for n in SIZES}
            gc.collect()
    return found


def calls() -> dict[str, float]:
    """Calls of operations, and reading a Parameter through overlays."""
    x, y, p = Variable(1.5, requires_grad=True), Variable(2.0), Parameter(2.0)
    items = [y, {"k": x}]
    figures = {"op_call": per_call(lambda: double(x)), "nested_call": per_call(lambda: nested(x, items, key=(p, 1)))}
    for depth in (0, 8):
        with contextlib.ExitStack() as stack:
            for i in range(depth):
                stack.enter_context(overlay({p: float(i)}))
            figures[f"value_under_{depth}"] = per_call(lambda: p.value)
    return figures


def show(found: dict[str, Any], figures: dict[str, float]) -> None:
    """Print every figure with its target."""
    for name, times in found.items():
        peer = found.get(f"torch_gc_{name.rpartition('_')[2]}")
        for n, value in times.items():
            ratio = f"; {value / peer[n]:.2f}x torch's {peer[n]:.2f} us in this run" if peer and not name.startswith("torch") else ""
            print(f"P2 {name} at {n}: {value:.2f} us per operation (target 2.5, goal 1.0{ratio})")
        print(f"P2 {name} growth exponent: {exponent(times):.3f} (target {'1.08' if name.endswith('off') else '1.15'})")
    targets = {"op_call": "2.5", "nested_call": "8", "value_under_0": "0.3", "value_under_8": "0.3"}
    for name, value in figures.items():
        print(
            f"P2 {name}: {value:.2f}"
            + (f" us (target {targets[name]})" if name in targets else " bytes per operation (target 160, goal 115)")
        )


def main() -> None:
    found = chains()
    gc.disable()
    figures = {**calls(), "float_bytes": bytes_per_op(floats), "text_bytes": bytes_per_op(lambda n: constant_texts(n))}
    show(found, figures)
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p02_graph.json").write_text(json.dumps({**found, **figures, "python": sys.version.split()[0]}, indent=1), encoding="utf-8")


def constant_texts(n: int) -> Variable[bool]:
    """A chain whose values take no memory of their own: what is left is the graph."""
    x: Any = Variable("a", requires_grad=True)
    for _ in range(n):
        x = x.strip()
    return x  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
