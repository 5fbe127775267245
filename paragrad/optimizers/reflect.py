"""Reflect: rewrites the components that feedback blames, from a few examples of what happened.

(Agrawal et al., "GEPA: Reflective prompt evolution can outperform reinforcement learning", 2025, for reflection and merging;
whom to blame comes from the graph and from what the feedback names, see :mod:`paragrad.optimizers.blame`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, Literal

from paragrad.errors import UsageError
from paragrad.optimizers.asking import Proposal, ask_all, ask_for_values, reply_form
from paragrad.optimizers.base import WRITABLE, Transform
from paragrad.optimizers.blame import blamed, names_owner
from paragrad.optimizers.examples import chosen, said
from paragrad.optimizers.fingerprints import fingerprint, fresh, marks
from paragrad.optimizers.showing import examples_text, history_text, ideas, parameter_text, peers_of, peers_text, sections
from paragrad.protocols.evidence import Ask, Candidate, Evidence

Components = Literal["blamed", "one", "all"]
REMEMBERED = 64


class Reflect(Transform):
    """Shows a model what went wrong and asks it to rewrite what is to blame. One call per candidate, all at once.

    Args:
        parameters: Parameters to bind to, or None.
        model: who writes proposals; None: the run's optimizer model.
        examples: rows shown per call, the worst first.
        good: how many of them are rows that went well.
        components: what one candidate may rewrite. "blamed": all that the feedback blames; where it names none of them, the
            model chooses among those it reaches. "one": one per candidate, in turn, the most blamed first. "all": every one.
        history: earlier values shown with their scores.
    """

    kinds = WRITABLE | {"demos"}
    needs = frozenset({"blame"})
    per_step = 4

    def __init__(
        self,
        parameters: Any = None,
        *,
        model: Any = None,
        examples: int = 8,
        good: int = 2,
        components: Components = "blamed",
        history: int = 3,
    ) -> None:
        super().__init__(parameters, model=model)
        if parameters is not None:
            self.needs = self.needs | {"graph"}  # a loop by hand: inputs and outputs are read off the graph
        if components not in ("blamed", "one", "all"):
            raise UsageError(f'components={components!r}: write "blamed", "one" or "all"')
        if not 0 <= good < examples:
            raise UsageError(f"examples={examples!r}, good={good!r}: at least one example is needed, and fewer good ones than examples")
        self.examples, self.good, self.components, self.history = examples, good, components, history

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """Steps so far, and fingerprints of what was proposed."""
        return {"turn": 0, "proposed": []}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """``n`` rewrites from different examples; nothing, and no call, when no row leaves anything to wish for."""
        targets = self._targets(evidence, state["turn"], n)
        idea = ideas(n)
        calls = [
            partial(self._rewrite, evidence, wanted, Random(evidence.random.getrandbits(64)), i, idea[i], ask)
            for i, wanted in enumerate(targets)
        ]
        found = [evidence.candidate(p.values, origin=_origin(p)) for p in ask_all(calls) if p.values]
        candidates = fresh(found, state["proposed"])
        proposed = [*state["proposed"], *map(fingerprint, candidates)][-REMEMBERED:]
        return candidates, {"turn": state["turn"] + 1, "proposed": proposed}

    @staticmethod
    def merge(a: Candidate, b: Candidate, ancestor: Candidate) -> Candidate | None:
        """The changes of two candidates together; see :func:`merge`."""
        return merge(a, b, ancestor)

    def _targets(self, evidence: Evidence, turn: int, n: int) -> list[list[str]]:
        """For each candidate, the ids it may rewrite."""
        own = [id for id, p in evidence.parameters.items() if p.trainable and self.serves(p)]
        order = [id for id, _ in blamed(evidence, own)]
        if not order:
            return []
        if self.components == "all":
            return [own] * n
        if self.components == "blamed":
            return [order] * n
        first = 0 if names_owner(evidence) else turn
        return [[order[(first + i) % len(order)]] for i in range(n)]

    def _rewrite(self, evidence: Evidence, wanted: Sequence[str], random: Random, place: int, idea: str, ask: Ask) -> Proposal:
        changing = {id: evidence.parameters[id] for id in wanted}
        rows = chosen(evidence, wanted, most=self.examples, good=self.good, place=place, random=random)
        prompt = sections(
            "reflect",
            {
                "parameters": "\n\n".join(parameter_text(p) for p in changing.values()),
                "peers": peers_text(peers_of(changing.values(), evidence.parameters)),
                "examples": examples_text(rows, self.examples) if rows else "",
                "said": "" if any(row.feedback for row in rows) else said(evidence, wanted),
                "history": self._tried(evidence, wanted),
                "idea": idea,
                "reply": reply_form(changing),
            },
        )
        return ask_for_values(ask, [{"role": "user", "content": prompt}], changing, evidence.parameters)

    def _tried(self, evidence: Evidence, wanted: Sequence[str]) -> str:
        scored = [c for c in evidence.history if "score" in c.scores]
        spaces = {id: evidence.parameters[id].space for id in wanted}
        return history_text(scored, spaces, self.history) if scored and self.history else ""


def merge(a: Candidate, b: Candidate, ancestor: Candidate) -> Candidate | None:
    """Two candidates that learnt different things, as one: per Parameter the value that changed since the ancestor.

    Where both changed a Parameter, the better parent's value is taken, ``a``'s when neither scored better. No model is asked.

    Returns:
        A candidate with the parents' spaces and the ancestor's values as ``before``; None when nothing new comes of it
        (it would equal a parent), or when the ancestor scored better than a parent.
    """
    old, of_a, of_b = (marks(c.values, a.spaces) for c in (ancestor, a, b))
    better = b if _score(b) > _score(a) else a
    if min(_score(a), _score(b)) < _score(ancestor):
        return None
    values = {}
    for id in a.values:
        owner = b if of_a[id] == old[id] else a if of_b[id] == old[id] else better
        values[id] = owner.values[id]
    if marks(values, a.spaces) in (of_a, of_b):
        return None
    return Candidate(values, base=ancestor.base, origin="merge", spaces=a.spaces, before=dict(ancestor.values))


def _score(candidate: Candidate) -> float:
    return float(candidate.scores.get("score", 0.0))


def _origin(proposal: Proposal) -> str:
    reason = " ".join(proposal.reasoning.split())
    return f"reflection: {reason[:120]}" if reason else "reflection"
