"""OPRO: proposals from the scored history of values, best last. (Yang et al., "Large Language Models as Optimizers", 2023.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from paragrad.optimizers.asking import ask_all, ask_for_values, reply_form
from paragrad.optimizers.base import WRITABLE, Transform
from paragrad.optimizers.fingerprints import fingerprint, fresh, read, written
from paragrad.optimizers.showing import examples_text, history_text, parameter_text, sections
from paragrad.protocols.evidence import Ask, Candidate, Evidence


class OPRO(Transform):
    """Shows a model what was tried and how it scored, and asks for something better. Its calls go out at once.

    Args:
        parameters: Parameters to bind to, or None.
        model: who writes proposals; None: the run's optimizer model.
        most: how many tried values are shown, the best; each once, the best last.
        examples: how many examples are shown.
    """

    kinds = WRITABLE | {"demos"}
    per_step = 4

    def __init__(self, parameters: Any = None, *, model: Any = None, most: int = 20, examples: int = 4) -> None:
        super().__init__(parameters, model=model)
        self.most = most
        self.examples = examples

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """Values so far, the best last: ``{"score": mean, "rows": how many, "values": {id: encoded}}``, at most ``5 * most``."""
        return {"tried": []}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """One call per candidate; a proposal that was tried already is left out."""
        trained = {id: p for id, p in evidence.parameters.items() if p.trainable and self.serves(p)}
        spaces = {id: p.space for id, p in trained.items()}
        known = [*_restored(state, spaces), *evidence.history]
        prompt = sections(
            "opro",
            {
                "parameters": "\n\n".join(parameter_text(p) for p in trained.values()),
                "history": history_text([*known, *_present(evidence)], spaces, self.most),
                "examples": examples_text(evidence.items, self.examples),
                "reply": reply_form(trained),
            },
        )
        call = partial(ask_for_values, ask, [{"role": "user", "content": prompt}], trained, evidence.parameters)
        proposals = ask_all([call] * n) if trained else []
        found = [evidence.candidate(p.values, origin="OPRO") for p in proposals if p.values]
        tried = {fingerprint(c, spaces) for c in known}
        return [c for c in fresh(found) if fingerprint(c, spaces) not in tried], state

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Add the candidate and its score; of values seen before the mean over all rows; the worst are forgotten."""
        spaces = candidate.spaces
        values = {id: written(spaces[id], v) for id, v in candidate.values.items() if spaces[id].kind in self.kinds}
        rows = max(1, len(evaluation.items))
        score = float(evaluation.score)
        rest = []
        for entry in state["tried"]:
            if entry["values"] == values:
                score = (score * rows + entry["score"] * entry["rows"]) / (rows + entry["rows"])
                rows += entry["rows"]
            else:
                rest.append(entry)
        tried = sorted([*rest, {"score": score, "rows": rows, "values": values}], key=lambda entry: entry["score"])
        return {"tried": tried[-5 * self.most :]}


def _present(evidence: Evidence) -> list[Candidate]:
    """The present values with the mean score of the rows, when there are any."""
    scores = [item.score for item in evidence.items if item.score is not None]
    return [evidence.candidate({}).scored({"score": sum(scores) / len(scores)})] if scores else []


def _restored(state: Any, spaces: Mapping[str, Any]) -> list[Candidate]:
    """The state's entries as Candidates."""
    found = []
    for entry in state["tried"]:
        values = {id: read(spaces[id], text) for id, text in entry["values"].items() if id in spaces}
        found.append(Candidate(values, scores={"score": entry["score"]}, spaces=spaces))
    return found
