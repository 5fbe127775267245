"""OPRO: proposals from the scored history of values, best last. (Yang et al., "Large Language Models as Optimizers", 2023.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.optimizers.asking import ask_for_values, wording
from paragrad.optimizers.base import Transform
from paragrad.optimizers.showing import examples_text, history_text, parameter_text
from paragrad.protocols.evidence import Ask, Candidate, Evidence


class OPRO(Transform):
    """Shows a model what was tried and how it scored, and asks for something better.

    Args:
        most: how many tried values are shown; bounded, each once.
        examples: how many examples are shown.
    """

    per_step = 4

    def __init__(self, parameters: Any = None, *, model: Any = None, most: int = 20, examples: int = 4) -> None:
        super().__init__(parameters, model=model)
        self.most = most
        self.examples = examples

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """Scored values so far: ``[[score, {id: encoded value}], ...]``."""
        return {"tried": []}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """One call per candidate; a proposal that was tried already is left out."""
        trained = {id: p for id, p in evidence.parameters.items() if p.trainable}
        spaces = {id: p.space for id, p in trained.items()}
        known = [*_restored(state, spaces), *evidence.history]
        prompt = (
            wording("opro")
            .replace("{parameters}", "\n\n".join(parameter_text(p) for p in trained.values()))
            .replace("{history}", history_text(known, spaces, self.most))
            .replace("{examples}", examples_text(evidence.items, self.examples))
            .replace("{reply}", wording("reply"))
        )
        candidates: list[Candidate] = []
        for _ in range(n):
            proposal = ask_for_values(ask, [{"role": "user", "content": prompt}], trained, evidence.parameters)
            candidate = evidence.candidate(proposal.values, origin="OPRO") if proposal.values else None
            if candidate is not None and candidate.changed() and all(candidate.values != c.values for c in (*candidates, *known)):
                candidates.append(candidate)
        return candidates, state

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Add the candidate and its score; the worst are forgotten."""
        encoded = {id: candidate.spaces[id].encode(value).decode("latin-1") for id, value in candidate.values.items()}
        tried = sorted([*state["tried"], [float(evaluation.score), encoded]], key=lambda pair: pair[0])
        return {"tried": tried[-5 * self.most :]}


def _restored(state: Any, spaces: dict[str, Any]) -> list[Candidate]:
    """The state's entries as Candidates."""
    found = []
    for score, encoded in state["tried"]:
        values = {id: spaces[id].decode(text.encode("latin-1")) for id, text in encoded.items() if id in spaces}
        found.append(Candidate(values, scores={"score": score}))
    return found
