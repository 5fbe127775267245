"""OptoPrime: the minimal sub-graph as a readable pseudo-program, one call for all Parameters.

The graph itself is the gradient, so no critic is asked. Names are those of the program, the same in
every run. (Cheng, Nie, Swaminathan, "Trace is the next AutoDiff", 2024.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from paragrad.optimizers.asking import ask_all, ask_for_values, wording
from paragrad.optimizers.base import WRITABLE, Transform
from paragrad.optimizers.program import Program, program_of, starts_of
from paragrad.optimizers.showing import LIMIT, counts_text, effect_text, fenced, ideas, peers_of, ranked, sections, words_of
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ItemEvidence, ParameterEvidence


class OptoPrime(Transform):
    """Shows a model the executed program with its feedback, and asks for new values of all Parameters in it.

    Examples that ran the same calls are shown as one program with a list of values per example.
    Candidates differ: the first sees all examples, each other one a random part of them and another idea
    of how to change the values.

    Args:
        parameters: Parameters to bind to, or None.
        model: who proposes.
        most: how many examples are shown, the worst first.
        budget: characters of all values and feedback together; long ones are shortened.
        memory: how many earlier proposals are shown with what they brought.
    """

    kinds = WRITABLE
    needs = frozenset({"graph"})
    per_step = 4

    def __init__(self, parameters: Any = None, *, model: Any = None, most: int = 12, budget: int = 24_000, memory: int = 4) -> None:
        super().__init__(parameters, model=model)
        self.most, self.budget, self.memory = most, budget, memory

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """What was tried and what it brought."""
        return {"tried": []}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """One call per candidate, for all Parameters of the shown program together; all at once."""
        shown = [item for item in ranked(evidence.items) if starts_of(item)]
        requests = []
        for number, idea in enumerate(ideas(n)):
            program = program_of(_part(shown, evidence) if number else shown, evidence, self.most, self.budget)
            known = [evidence.parameters[id] for id in program.parameters if id in evidence.parameters]
            wanted = {p.id: p for p in known if p.trainable and self.serves(p)}
            if wanted:
                messages = [{"role": "user", "content": _prompt(program, wanted, evidence, state["tried"], idea)}]
                requests.append(partial(ask_for_values, ask, messages, wanted, evidence.parameters))
        candidates: list[Candidate] = []
        for proposal in ask_all(requests):
            candidate = evidence.candidate(proposal.values, origin=f"OptoPrime changes {', '.join(proposal.values)}")
            if candidate.changed() and all(candidate.values != other.values for other in candidates):
                candidates.append(candidate)
        return candidates, state

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Remember what a proposal brought."""
        diff = candidate.diff()[:LIMIT]
        others = [entry for entry in state["tried"] if entry[0] != diff]
        tried = [*others, [diff, float(evaluation.delta), bool(evaluation.accepted)]]
        return {**state, "tried": tried[-self.memory :] if self.memory else []}


def _prompt(program: Program, wanted: Mapping[str, ParameterEvidence], evidence: Evidence, tried: Sequence[Any], idea: str) -> str:
    others = [evidence.parameters[id] for id in program.parameters if id in evidence.parameters and id not in wanted]
    beside = [p for p in peers_of(wanted.values(), evidence.parameters) if p.id not in program.parameters]
    values = {
        "code": program.code,
        "documentation": program.documentation,
        "variables": "\n\n".join(map(_variable, wanted.values())),
        "constraints": "\n".join(line for p in wanted.values() for line in _constraints(p)),
        "fixed": "\n\n".join(_variable(p, LIMIT) for p in (*others, *beside)),
        "shared": program.shared,
        "counts": counts_text(evidence.items),
        "examples": program.examples,
        "tried": "\n\n".join(f"{fenced(diff)}\n{effect_text(gain, accepted)}" for diff, gain, accepted in tried),
        "idea": idea,
        "reply": wording("reply"),
    }
    return sections("optoprime", values)


def _part(items: Sequence[ItemEvidence], evidence: Evidence) -> list[ItemEvidence]:
    """About half of the examples, drawn anew for every candidate, in their order."""
    chosen = sorted(evidence.random.sample(range(len(items)), (len(items) + 1) // 2))
    return [items[i] for i in chosen]


def _variable(parameter: ParameterEvidence, limit: int | None = None) -> str:
    """Name, role and value."""
    role = f" ({parameter.role})" if parameter.role else ""
    return f"## {parameter.id}{role}\n{fenced(parameter.space.show(parameter.value, limit))}"


def _constraints(parameter: ParameterEvidence) -> list[str]:
    """What a value must be: its kind with the bounds of its space, then its rules."""
    told = {name: value for name, value in parameter.space.spec().items() if name != "kind" and value not in (None, (), [], False)}
    bounds = "".join(f"; {name}: {value}" for name, value in told.items())
    return [f"{parameter.id}: a {parameter.kind}{bounds}", *(f"{parameter.id}: {rule}" for rule in words_of(parameter))]
