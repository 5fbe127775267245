"""P4: one training step, batch 33, 50 ms per model call, 64 in flight: wall over critical path, and calls made."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.stored import measured
from paragrad.llm import stack, use
from paragrad.llm.fake import Fake
from paragrad.modules import Generator
from paragrad.propagators import Text
from paragrad.trace import Module, Variable, backward, bundle
from paragrad.trace.variable import Variable as AnyVariable

OUT = Path(__file__).parent / "out" / "p04.json"
BATCH, SECONDS, WIDTH, REPEATS = 33, 0.05, 64, 5


class TwoHops(Module):
    """A plan, a search, an answer."""

    def __init__(self, plan: Any = "Plan.") -> None:
        self.plan: Any = Generator(plan, inputs=["question"])
        self.answer: Any = Generator("Answer.", inputs=["passages"])

    def forward(self, question: Any) -> Any:
        """Two model calls, one after the other."""
        return self.answer(passages=searched(self.plan(question=question)))


@bundle(effects=())
def searched(plan: str) -> str:
    """A tool without a model."""
    return f"passages for {plan}"


@searched.pullback("text")
def handed_on(gradient: Any, *_: Any) -> Any:
    """Words pass the tool as they are."""
    return gradient


class Critic:
    """Answers after a while, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, record: Any, feedback: Any) -> Any:
        self.calls += 1
        time.sleep(SECONDS)
        return [f"{record.op.name}: {feedback}" for _ in record.wanted]


def forward(program: Module, model: Any) -> tuple[list[AnyVariable[Any]], float]:
    """Outputs of the batch, and the seconds it took."""
    with use(model):
        started = time.perf_counter()
        outputs = program.map([(f"q{i}",) for i in range(BATCH)], workers=WIDTH)
        return outputs, time.perf_counter() - started


def sweep(outputs: list[AnyVariable[Any]], feedbacks: list[Any]) -> tuple[int, float]:
    """One backward over the outputs with feedback: critic calls and seconds."""
    critic = Critic()
    spoken = [(out, said) for out, said in zip(outputs, feedbacks, strict=True) if said is not None]
    started = time.perf_counter()
    if spoken:
        backward([out for out, _ in spoken], [said for _, said in spoken], propagators=[Text(critic)])
    return critic.calls, time.perf_counter() - started


def case(program: Any, wrong: int) -> dict[str, float]:
    """Medians over repeats; ``wrong`` samples have feedback, the others were perfect."""
    wire = Fake(lambda request: (time.sleep(SECONDS), "fine")[1])
    model = stack(wire, cache=False, concurrency=WIDTH)
    forwards, backwards, calls = [], [], 0
    for _ in range(REPEATS + 1):
        outputs, seconds = forward(program, model)
        forwards.append(seconds)
        calls, seconds = sweep(outputs, ["wrong" if i < wrong else None for i in range(BATCH)])
        backwards.append(seconds)
        for parameter in program.parameters():
            parameter.zero_grad()
    return {"forward": statistics.median(forwards[1:]), "backward": statistics.median(backwards[1:]), "calls": calls}


def main() -> None:
    """Measure, print, write JSON."""
    both = case(TwoHops(), BATCH)
    fixed = case(TwoHops(Variable("Plan.")), BATCH)
    few, none = case(TwoHops(), 2), case(TwoHops(), 0)
    path = 2 * SECONDS
    figures = {
        "forward": both["forward"] / path,
        "backward": both["backward"] / path,
        "step": (both["forward"] + both["backward"]) / (2 * path),
        "calls": both["calls"], "calls_fixed_plan": fixed["calls"], "calls_two_wrong": few["calls"], "calls_all_perfect": none["calls"],
    }  # fmt: skip
    print(f"forward, wall ÷ critical path: {figures['forward']:.3f} (target ≤ 1.15, goal 1.05; prototype 1.07)")
    print(f"backward, wall ÷ critical path: {figures['backward']:.3f} (target ≤ 1.15, goal 1.05; prototype 1.05; peer textgrad 27)")
    print(f"whole step, wall ÷ critical path: {figures['step']:.3f} (target ≤ 1.15)")
    print(f"critic calls, two trained prompts, 33 wrong: {both['calls']} (needed {2 * BATCH})")
    print(f"critic calls, first prompt fixed, 33 wrong: {fixed['calls']} (needed {BATCH})")
    print(f"critic calls, 2 wrong of 33: {few['calls']} (needed 4; peer textgrad 51 where 2 are needed)")
    print(f"critic calls, all perfect: {none['calls']} (target 0)")
    for peer, found in measured("step").items():
        print(
            f"peer {peer}: forward {found['forward']:.0f}×, backward {found['backward']:.0f}× its path; {found['calls_two_wrong']} calls, 2 wrong"
        )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
