"""Which peers run with which settings on which columns, in which environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
WAITING: dict[str, Any] = {
    "variant": "noise",
    "validation": 100,
    "budget": 2000,
    "slots": 32,
    "task_seconds": 0.05,
    "proposer_seconds": 0.2,
}  # P6
EVALUATION = {"items": 3200, "slots": 32, "task_seconds": 0.05}  # P5
STEP = {"items": 33, "task_seconds": 0.05}  # P4


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer.

    Attributes:
        package: its name on the package index, and the name of its environment.
        runner: the module that runs it.
        settings: tried on every column. ``several``: tried too where there is more than one component.
        waiting: settings whose use of the slots is measured.
        evaluates, steps: whether its evaluation (P5), its training step (P4) are measured.
        ungated: first words of settings that take every step: their current text counts, and nothing tells them to stop.
        not_comparable: its algorithms that cannot take the scripted proposer without being rewritten, and why.
        note: what a reader must know of how it takes the scripted proposer.
    """

    package: str
    runner: str
    settings: Sequence[str]
    several: Sequence[str] = ()
    waiting: Sequence[str] = ()
    ungated: Sequence[str] = ()
    evaluates: bool = False
    steps: bool = False
    not_comparable: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return HERE / f".venv-{self.package}" / "bin" / "python"

    @property
    def results(self) -> Path:
        """Its stored results."""
        return RESULTS / f"{self.package}.json"

    def tried(self, components: int) -> list[str]:
        """Settings for a column."""
        return [*self.settings, *(self.several if components > 1 else ())]


PEERS: Mapping[str, Peer] = {
    "gepa": Peer(
        "gepa",
        "benchmarks.peers.run_gepa",
        ("pareto b=3", "current_best b=3", "pareto b=9", "current_best b=9"),
        (
            "pareto b=3 merge",
            "pareto b=9 all",
            "current_best b=9 all",
            "current_best b=9 most_blamed",
            "pareto b=9 all_blamed",
            "current_best b=9 all_blamed",
        ),
        ("pareto b=3 serial", "pareto b=3", "pareto b=3 parents=4"),
        note="through an adapter with propose_new_texts; the blamed settings need a component selector of the user's own; default: pareto b=3",
    ),
    "dspy": Peer(
        "dspy",
        "benchmarks.peers.run_dspy",
        ("GEPA pareto b=3", "GEPA current_best b=9"),
        ("GEPA current_best b=9 all",),
        ("GEPA pareto b=3", "MIPROv2 light", "SIMBA"),
        evaluates=True,
        not_comparable={
            "MIPROv2": "it writes its instructions once, before any evaluation, so that the scripted proposer would see no feedback",
            "SIMBA": "it appends advice to an instruction and cannot rewrite it, so that what the proposer removes would stay",
        },
        note="dspy.GEPA through instruction_proposer, with merging as is its default",
    ),
    "textgrad": Peer(
        "textgrad",
        "benchmarks.peers.run_textgrad",
        ("step b=3", "step b=9", "revert b=3"),
        ungated=("step",),
        steps=True,
        note="with a scripted engine in every role; step: the loop of its README, no gate, the current text counts; "
        "revert: the whole validation set after every step, as in its tutorial",
    ),
    "trace-opt": Peer(
        "trace-opt",
        "benchmarks.peers.run_trace",
        ("OptoPrime b=3", "OptoPrime b=9"),
        ungated=("OptoPrime",),
        not_comparable={"MinibatchAlgorithm, BasicSearch": "the release on the package index has no trainers"},
        note="OptoPrime in the loop of its tutorials, with a scripted model; no gate, the current texts count",
    ),
    "adalflow": Peer(
        "adalflow",
        "benchmarks.peers.run_adalflow",
        ("constrained b=4", "constrained b=9", "random b=9"),
        waiting=("constrained b=4",),
        evaluates=True,
        note="its Trainer with a TextOptimizer of the user's own that rewrites every blamed component; ended from outside at the budget",
    ),
}
