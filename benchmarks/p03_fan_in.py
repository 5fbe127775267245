"""P3: many gradients on one parameter, ladders of diamonds, text along many operations."""

from __future__ import annotations

import gc
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paragrad.protocols.gradient import Feedback
from paragrad.trace import Parameter, Variable, backward, bundle

ROUNDS = 7


@bundle(effects=())
def answer(instruction: str, question: int) -> str:
    return "answer"


def best(work: Callable[[], Callable[[], Any]]) -> float:
    """CPU seconds of what ``work`` returns; the preparation is not counted."""
    seconds = math.inf
    for _ in range(ROUNDS):
        timed = work()
        started = time.process_time()
        timed()
        seconds = min(seconds, time.process_time() - started)
    return seconds


def fan_in(feedback: Callable[[int], Any], value: Any = "be brief", count: int = 8_000) -> Callable[[], Callable[[], Any]]:
    """One sweep over ``count`` outputs of one Parameter."""

    def prepare() -> Callable[[], Any]:
        p: Parameter[Any] = Parameter(value)
        outs = [p * float(i) for i in range(count)] if isinstance(value, float) else [answer(p, i) for i in range(count)]
        said = [feedback(i) for i in range(count)]

        def sweep() -> None:
            backward(outs, said)
            assert p.grad

        return sweep

    return prepare


def ladder(levels: int, value: Any) -> Callable[[], Callable[[], Any]]:
    """Diamonds one after the other: two edges up and two edges down per level."""

    def prepare() -> Callable[[], Any]:
        def run() -> None:
            x = Variable(value, requires_grad=True)
            y: Any = x
            for _ in range(levels):
                y = y * 0.5 + y * 0.5 if isinstance(value, float) else (y.upper() + y.lower())[:8]
            y.backward()
            assert len(x.grad) == (1 if isinstance(value, float) else 2)

        return run

    return prepare


def text_length(k: int) -> int:
    """Characters of gradient that reach a leaf through ``k`` additions."""
    p = Parameter("p")
    y: Any = p
    for i in range(k):
        y = y + str(i % 10)
    y.backward("feedback")
    return sum(len(g.value) for g in p.grad)


def main() -> None:
    gc.disable()
    figures: dict[str, float] = {
        "8000_numbers": best(fan_in(lambda i: None, 1.0)),
        "8000_texts": best(fan_in(lambda i: f"words {i}")),
        "8000_scores_texts_episodes": best(fan_in(lambda i: Feedback(i / 8000, f"words {i}"))),
    }
    edges = {"float": 4, "text": 5}
    for kind, value in (("float", 1.0), ("text", "abcdefgh")):
        for levels in (1_000, 25_000):
            figures[f"{kind}_ladder_{levels}_us_per_edge"] = best(ladder(levels, value)) / (levels * edges[kind]) * 1e6
    for k in (64, 4_096):
        figures[f"text_length_along_{k}"] = text_length(k)
    for name, value in figures.items():
        target = (
            "0.05 s, goal 0.02"
            if name.startswith("8000")
            else "2 us, goal 0.6"
            if "ladder" in name
            else "O(k) in all: the feedback's own 8"
        )
        print(f"P3 {name}: {value:.4g} (target {target})")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p03_fan_in.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
