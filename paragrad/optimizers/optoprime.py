"""OptoPrime: the minimal sub-graph as a readable pseudo-program, one call for all parameters.

(Cheng, Nie, Swaminathan, "Trace is the next AutoDiff", 2024.) The graph itself is the gradient, so
no critic is asked. Names are those of the program and the same in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.optimizers.asking import ask_for_values, wording
from paragrad.optimizers.base import Transform
from paragrad.optimizers.program import Program
from paragrad.optimizers.showing import parameter_text
from paragrad.protocols.evidence import Ask, Candidate, Evidence


class OptoPrime(Transform):
    """Shows a model the executed program and its feedback, and asks for new values.

    Args:
        most: how many examples' executions are shown, the worst first.
        limit: characters shown of an input or intermediate value.
        memory: how many earlier proposals are shown with how they fared.
    """

    needs = frozenset({"graph"})

    def __init__(self, parameters: Any = None, *, model: Any = None, most: int = 3, limit: int = 2000, memory: int = 3) -> None:
        super().__init__(parameters, model=model)
        self.most = most
        self.limit = limit
        self.memory = memory

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """What was tried and how it fared, in words."""
        return {"tried": []}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """One call per candidate, for all parameters together."""
        trained = {id: p for id, p in evidence.parameters.items() if p.trainable}
        program = Program.of(evidence, self.most, self.limit)
        if not program.code:
            return [], state
        parameters = "\n\n".join(parameter_text(p) for id, p in trained.items() if id in program.parameters or not program.parameters)
        prompt = (
            wording("optoprime")
            .replace("{code}", program.code)
            .replace("{documentation}", program.documentation)
            .replace("{parameters}", parameters)
            .replace("{inputs}", program.inputs)
            .replace("{outputs}", program.outputs)
            .replace("{feedback}", program.feedback + _memory(state["tried"]))
            .replace("{reply}", wording("reply"))
        )
        candidates: list[Candidate] = []
        for _ in range(n):
            proposal = ask_for_values(ask, [{"role": "user", "content": prompt}], trained, evidence.parameters)
            candidate = evidence.candidate(proposal.values, origin="OptoPrime") if proposal.values else None
            if candidate is not None and candidate.changed() and all(candidate.values != c.values for c in candidates):
                candidates.append(candidate)
        return candidates, state

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Remember how a proposal fared."""
        said = f"{candidate.diff()[:1500]}\n(mean gain {evaluation.delta:+.3f}{', taken' if evaluation.accepted else ''})"
        return {**state, "tried": [*state["tried"], said][-self.memory :]}


def _memory(tried: Sequence[str]) -> str:
    return "\n\n# Earlier proposals and how they fared\n" + "\n\n".join(tried) if tried else ""
