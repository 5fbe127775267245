"""TextGrad: textual gradients operation by operation, then a rewrite per parameter. (Yuksekgonul et al., "TextGrad", 2024.)

The critic is asked once per operation of the user's, for all its arguments together; independent
operations at once; operations that lead to no trained parameter, and perfect examples, never.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.optimizers.asking import ask_for_values, wording
from paragrad.optimizers.base import Transform
from paragrad.optimizers.showing import LIMIT, fenced, parameter_text, peers_text
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ItemEvidence, ParameterEvidence


class TextGrad(Transform):
    """Rewrites every parameter that feedback reached.

    Args:
        momentum: how many earlier values, with what was said of them, are shown.
        most: how many examples' feedback is shown per parameter.
        critic: ``critic(record, feedback)``; None: the default critic on the optimizer's model.
    """

    needs = frozenset({"gradients"})

    def __init__(self, parameters: Any = None, *, model: Any = None, momentum: int = 2, most: int = 12, critic: Any = None) -> None:
        super().__init__(parameters, model=model)
        self.momentum = momentum
        self.most = most
        self.critic = critic

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """Per parameter: earlier values as shown, with the feedback they got."""
        return {"history": {}}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """One rewrite per blamed parameter and candidate; parameters without feedback keep their values."""
        blamed = [p for p in evidence.parameters.values() if p.trainable and p.gradients]
        candidates: list[Candidate] = []
        for _ in range(n):
            changes: dict[str, Any] = {}
            for parameter in blamed:
                proposal = ask_for_values(ask, self._messages(parameter, evidence, state), {parameter.id: parameter}, evidence.parameters)
                changes.update(proposal.values)
            candidate = evidence.candidate(changes, origin=f"TextGrad rewrites {', '.join(changes)}") if changes else None
            if candidate is not None and candidate.changed() and all(candidate.values != c.values for c in candidates):
                candidates.append(candidate)
        return candidates, self._remembered(state, blamed)

    def _messages(self, parameter: ParameterEvidence, evidence: Evidence, state: Any) -> list[dict[str, str]]:
        peers = [evidence.parameters[id] for id in parameter.peers if id in evidence.parameters]
        items = {item.item: item for item in evidence.items}
        feedback = [_contribution(g, items.get(g.item)) for g in parameter.gradients[: self.most]]
        prompt = (
            wording("textgrad")
            .replace("{parameter}", parameter_text(parameter))
            .replace("{peers}", peers_text(peers))
            .replace("{feedback}", "\n\n".join(feedback))
            .replace("{history}", "\n\n".join(state["history"].get(parameter.id, [])) or "(none)")
            .replace("{reply}", wording("reply"))
        )
        return [{"role": "user", "content": prompt}]

    def _remembered(self, state: Any, blamed: Sequence[ParameterEvidence]) -> Any:
        if not self.momentum:
            return state
        history = dict(state["history"])
        for parameter in blamed:
            said = "\n".join(f"- {str(g.value)[:400]}" for g in parameter.gradients[:4])
            entry = f"{fenced(parameter.space.show(parameter.value, LIMIT))}\nfeedback it got:\n{said}"
            history[parameter.id] = [*history.get(parameter.id, []), entry][-self.momentum :]
        return {**state, "history": history}


def _contribution(gradient: Any, item: ItemEvidence | None) -> str:
    """One example's feedback for one parameter, with what the program was asked and answered."""
    lines = []
    if item is not None:
        lines += [f"{name}: {str(value)[:LIMIT]}" for name, value in item.inputs.items()]
        lines.append(f"→ {str(item.output)[:LIMIT]}")
    lines.append(f"feedback: {gradient.value}")
    return "\n".join(lines)
