"""TextGrad: textual gradients operation by operation, then a rewrite per Parameter.

A critic says what feedback means for the arguments of every operation on the way back, one call per
operation for all its arguments together; operations that lead to no trained Parameter, and perfect
examples, are never criticised. Every Parameter that words reached is then rewritten, all at once.
(Yuksekgonul, Bianchi, Boen, et al., "TextGrad", 2024; history and peers: Yin and Wang, "LLM-AutoDiff", 2025.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from paragrad.modules.excerpts import excerpts, readable
from paragrad.optimizers.asking import Proposal, ask_all, ask_for_values, wording
from paragrad.optimizers.base import WRITABLE, Transform
from paragrad.optimizers.showing import counts_text, effect_text, fenced, ideas, parameter_text, peers_of, peers_text, ranked, sections
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ItemEvidence, ParameterEvidence
from paragrad.spaces.wording import shorten
from paragrad.trace.accumulator import Contribution

SHOWN = 1200  # characters of an earlier value
SAID = 6  # pieces of feedback kept with an earlier value
Notes = Sequence[tuple[Any, Sequence[Contribution]]]


class TextGrad(Transform):
    """Rewrites every Parameter that feedback reached; the others keep their values and cost nothing.

    Candidates differ: the first follows all the feedback, each other one a random part of it and
    another idea of how to rewrite.

    Args:
        parameters: Parameters to bind to, or None.
        model: who rewrites, and who criticises when no critic is given.
        critic: ``critic(record, feedback)``; None: the default critic (:class:`paragrad.modules.Critic`).
        constraints: rules in words for every rewrite, beside those of the Parameters.
        momentum: how many earlier values are shown with what was said of them.
        tried: how many rewrites that were tried are shown with what they brought.
        in_context: texts that show what good values look like.
        most: how many examples' feedback is shown, the worst first.
        budget: characters of the examples together; long values are shortened.
    """

    kinds = WRITABLE
    needs = frozenset({"gradients"})
    per_step = 4

    def __init__(
        self,
        parameters: Any = None,
        *,
        model: Any = None,
        critic: Any = None,
        constraints: Sequence[str] = (),
        momentum: int = 2,
        tried: int = 4,
        in_context: Sequence[str] = (),
        most: int = 12,
        budget: int = 24_000,
    ) -> None:
        super().__init__(parameters, model=model)
        self.critic = critic
        self.constraints = (constraints,) if isinstance(constraints, str) else tuple(constraints)
        self.momentum, self.tried = momentum, tried
        self.in_context = tuple(in_context)
        self.most, self.budget = most, budget

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """By Parameter: earlier values with what was said of them, and rewrites with what they brought."""
        return {"history": {}, "tried": {}}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """One rewrite per blamed Parameter and candidate, all asked at once; one that fails leaves its Parameter as it is."""
        notes = {p.id: self._notes(p, evidence) for p in evidence.parameters.values() if p.trainable and self.serves(p)}
        blamed = [evidence.parameters[id] for id, found in notes.items() if found]
        if not blamed:
            return [], state
        requests = []
        for number, idea in enumerate(ideas(n)):
            for parameter in blamed:
                chosen = _part(notes[parameter.id], evidence) if number else notes[parameter.id]
                messages = [{"role": "user", "content": self._prompt(parameter, chosen, evidence, state, idea)}]
                requests.append(partial(ask_for_values, ask, messages, {parameter.id: parameter}, evidence.parameters))
        found = ask_all(requests)
        rounds = [found[at : at + len(blamed)] for at in range(0, len(found), len(blamed))]
        return _different(evidence, rounds), self._remembered(state, blamed, notes)

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Remember what a rewrite brought."""
        tried = dict(state["tried"])
        for id in candidate.changed():
            value = candidate.spaces[id].show(candidate.values[id], SHOWN)
            others = [entry for entry in tried.get(id, []) if entry[0] != value]
            tried[id] = [*others, [value, float(evaluation.delta), bool(evaluation.accepted)]][-self.tried :] if self.tried else []
        return {**state, "tried": tried}

    # --- the prompt --------------------------------------------------------------------------------

    def _notes(self, parameter: ParameterEvidence, evidence: Evidence) -> Notes:
        """What was said of a Parameter, by example: the worst first, words without an example last."""
        said: dict[Any, list[Contribution]] = {}
        for gradient in parameter.gradients:
            if isinstance(getattr(gradient, "value", None), str) and gradient.value.strip():
                said.setdefault(gradient.item, []).append(gradient)
        order = [item.item for item in ranked(evidence.items) if item.item in said]
        return [(item, said[item]) for item in [*order, *(item for item in said if item not in order)]][: self.most]

    def _prompt(self, parameter: ParameterEvidence, notes: Notes, evidence: Evidence, state: Any, idea: str) -> str:
        shown = parameter.space.show(parameter.value)
        history = [entry for entry in state["history"].get(parameter.id, []) if entry["value"] != shorten(shown, SHOWN)]
        told = [f"{fenced(e['value'])}\nfeedback on it:\n{_listed(e['said'])}" for e in history]
        tried = [f"{fenced(value)}\n{effect_text(gain, accepted)}" for value, gain, accepted in state["tried"].get(parameter.id, [])]
        values = {
            "parameter": parameter_text(parameter, rules=self.constraints),
            "peers": peers_text(peers_of([parameter], evidence.parameters)),
            "counts": counts_text(evidence.items),
            "feedback": _feedback_text(notes, {item.item: item for item in evidence.items}, self.budget),
            "history": "\n\n".join(told[-self.momentum :] if self.momentum else []),
            "tried": "\n\n".join(tried),
            "in_context": "\n\n".join(map(fenced, self.in_context)),
            "idea": idea,
            "reply": wording("reply"),
        }
        return sections("textgrad", values)

    def _remembered(self, state: Any, blamed: Sequence[ParameterEvidence], notes: Mapping[str, Notes]) -> Any:
        """The state with the present values and what was said of them; a value that stays keeps one entry."""
        if not self.momentum:
            return state
        history = dict(state["history"])
        for parameter in blamed:
            value = shorten(parameter.space.show(parameter.value), SHOWN)
            said = [str(c.value)[:SHOWN] for _, contributions in notes[parameter.id] for c in contributions][:SAID]
            earlier = [entry for entry in history.get(parameter.id, []) if entry["value"] != value]
            history[parameter.id] = [*earlier, {"value": value, "said": said}][-self.momentum - 1 :]
        return {**state, "history": history}


def _part(notes: Notes, evidence: Evidence) -> Notes:
    """About half of the examples, drawn anew for every candidate, in their order."""
    chosen = sorted(evidence.random.sample(range(len(notes)), (len(notes) + 1) // 2))
    return [notes[i] for i in chosen]


def _different(evidence: Evidence, rounds: Sequence[Sequence[Proposal]]) -> list[Candidate]:
    """One candidate per round, without those that change nothing or came before."""
    candidates: list[Candidate] = []
    for proposals in rounds:
        changes = {id: value for proposal in proposals for id, value in proposal.values.items()}
        candidate = evidence.candidate(changes)
        changed = candidate.changed()
        if changed and all(candidate.values != other.values for other in candidates):
            candidates.append(evidence.candidate(changes, origin=f"TextGrad rewrites {', '.join(changed)}"))
    return candidates


def _feedback_text(notes: Notes, items: Mapping[Any, ItemEvidence], budget: int) -> str:
    """The examples with what was said of each, all values together within the budget."""
    operations = {c.operation for _, contributions in notes for c in contributions}
    rows: list[list[tuple[str, str]]] = []
    for item, contributions in notes:
        rows.append([*_row(items.get(item)), *((_through(c, operations), str(c.value).strip()) for c in contributions)])
    short = iter(excerpts([text for row in rows for _, text in row], budget))
    lines = [[f"{label}: {next(short)}" for label, _ in row] for row in rows]
    return "\n\n".join("\n".join([f"## Example {number}", *row]) for number, row in enumerate(lines, 1))


def _row(item: ItemEvidence | None) -> list[tuple[str, str]]:
    """What an example asked and what came of it."""
    if item is None:
        return []
    found = [(name, readable(value)) for name, value in item.inputs.items()]
    if item.output is not None:
        found.append(("output", readable(item.output)))
    if item.target is not None:
        found.append(("wanted", readable(item.target)))
    return [*found, ("score", f"{item.score:g}")] if item.score is not None else found


def _through(contribution: Contribution, operations: set[str]) -> str:
    """Where a piece of feedback came through, when there are several ways."""
    return f"feedback through {contribution.operation}" if len(operations) > 1 and contribution.operation else "feedback"


def _listed(said: Sequence[str]) -> str:
    return "\n".join(f"- {words}" for words in said)
