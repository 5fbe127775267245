"""GreedySearch: every candidate once on every row, the best one kept; for evaluators that are exact and dear."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from paragrad.events import emit
from paragrad.protocols.evidence import Candidate
from paragrad.trace.accumulator import Contribution
from paragrad.trainers.base import AlgorithmBase
from paragrad.trainers.evaluation import Evaluation, all_right
from paragrad.trainers.jobs import Job
from paragrad.trainers.objective import FAR
from paragrad.trainers.observations import observed, restored
from paragrad.trainers.session import Session
from paragrad.trainers.state import State
from paragrad.trainers.statistics import Comparison
from paragrad.trainers.values import to_json

PASSED = "passed"
"""The metric by which a yes or no says that nothing is left to wish for."""


class GreedySearch(AlgorithmBase):
    """Proposes on the best candidate, evaluates each proposal once, keeps the best. What was evaluated is not evaluated again.

    There is nothing to compare row by row where there is a single row, so its number is taken as it is; with an
    evaluator that is not exact, the winner is the luckiest candidate. Used by :func:`paragrad.optimize_anything`.

    Class attributes: ``proposals`` per step; ``asked``, the same where a model writes them; ``patience`` steps without a better one.
    """

    batch_size = 1
    paired = False
    proposals = 8
    asked = 2
    patience = 30

    def begun(self, state: State, found: Evaluation) -> State:
        """Remember what the start did."""
        start = Candidate(state.best, origin="start", before=state.best)
        told = observed(self.parameters, start, found)
        more = {**state.more, "base": told, "tried": [self._mark(state.best)]}
        return replace(state, more={**more, "scale": _scale([0.0, 0.0, 0.0], [found])})

    def told(self, state: State) -> dict[str, float]:
        """What the evaluation of the best candidate gave besides its score."""
        items = [item["scores"] for item in state.more["base"]["items"]]
        names = dict.fromkeys(name for scores in items for name in scores if name != "score")
        return {name: fmean(scores[name] for scores in items if name in scores) for name in names}

    def step(self, session: Session, state: State) -> State:
        """Propose, evaluate what is new, keep the best."""
        step = state.step + 1
        reason = self._finished(session, state)
        if reason:
            return replace(state, done=reason)
        base = self._base(session, state, step)
        calls = session.asked
        proposed, optimizer = session.propose(state.best, base, state.optimizer, step=step, n=self._room(session, state))
        free = session.asked == calls
        fresh = self._fresh(session, state, proposed)
        if not fresh:
            done = "the optimizer has nothing more to propose" if free and not proposed else ""
            return replace(state, optimizer=optimizer, quiet=state.quiet + 1, done=done)
        jobs = [Job(c.values, self.validation_rows, i, c.origin) for i, c in enumerate(fresh, 1)]
        found = [replace(e, delta=e.score - base.score) for e in session.evaluate_all(jobs, step=step)]
        top = max(range(len(found)), key=lambda i: (found[i].score, -i))
        taken = found[top].score > base.score
        for i, (candidate, evaluation) in enumerate(zip(fresh, found, strict=True)):
            optimizer = session.optimizer.observe(optimizer, candidate, replace(evaluation, accepted=taken and i == top))
        tried = [*state.more["tried"], *(self._mark(c.values) for c in fresh)]
        more = {**state.more, "tried": tried, "scale": _scale(state.more["scale"], found)}
        state = replace(state, optimizer=optimizer, more=more)
        return self._decided(session, state, step, base, fresh[top], found[top], taken)

    def least_rows(self) -> float:
        """One candidate on every row."""
        return float(len(self.validation_rows))

    def proves(self, comparison: Comparison, among: int) -> bool:
        """A single row's number is taken as it is; with more rows, the paired test decides."""
        return comparison.delta > 0 if comparison.n == 1 else super().proves(comparison, among)

    # --- parts of a step ---------------------------------------------------------------------------

    def _finished(self, session: Session, state: State) -> str:
        if all(item["scores"].get(PASSED, 0.0) >= 1.0 for item in state.more["base"]["items"]):
            return "the best one passes"
        low, inside, high = state.more["scale"]
        if inside and low >= 0 and high <= 1 and all(all_right(state.scores([placed.number for placed in self.validation_rows]))):
            return "the score is 1"
        if state.quiet >= self.patience:
            return f"{state.quiet} steps without a better candidate"
        rows = len(self.validation_rows) * (1 + self._needs_graph(session))
        if not session.affords(rows * state.calls_per_row + self._asks()):
            return f"budget: {session.calls} of {session.limit} calls used"
        return ""

    def _asks(self) -> bool:
        return self.optimizer_model is not None or self.optimizer.model is not None

    def _needs_graph(self, session: Session) -> bool:
        return "graph" in session.optimizer.needs

    def _base(self, session: Session, state: State, step: int) -> Evaluation:
        """What the best values did, with its words for every Parameter; run again only where an optimizer reads graphs."""
        if self._needs_graph(session):
            return session.evaluate(state.best, self.validation_rows, step=step, label="base", learn=True)
        _, known = restored(self.parameters, state.more["base"])
        said = [(item, item.feedback) for item in known.items if item.feedback]
        items = tuple(
            replace(item, gradients={id: (item.feedback,) for id in self.parameters} if item.feedback else {}) for item in known.items
        )
        gradients = {id: tuple(Contribution(item.item, words, "candidate", id) for item, words in said) for id in self.parameters}
        return Evaluation(items, gradients=gradients)

    def _room(self, session: Session, state: State) -> int:
        """How many proposals, as far as calls are left to evaluate them."""
        most = self.asked if self._asks() else self.proposals
        rows = len(self.validation_rows) * state.calls_per_row
        left = most if session.limit is None or not rows else int((session.limit - session.calls) / rows)
        return max(1, min(most, left))

    def _fresh(self, session: Session, state: State, proposed: Sequence[Candidate]) -> list[Candidate]:
        """Proposals that were never evaluated, each once, as many as can be paid for."""
        seen = set(state.more["tried"])
        fresh: list[Candidate] = []
        for candidate in proposed:
            mark = self._mark(candidate.values)
            if mark not in seen and session.affords((len(fresh) + 1) * len(self.validation_rows) * state.calls_per_row):
                fresh.append(candidate)
            seen.add(mark)
        return fresh

    def _decided(
        self, session: Session, state: State, step: int, base: Evaluation, candidate: Candidate, found: Evaluation, taken: bool
    ) -> State:
        entry = {
            "step": step,
            "origin": candidate.origin,
            "changed": candidate.changed(),
            "before": base.score,
            "after": found.score,
            "delta": found.delta,
            "p": None,
            "rows": len(found.items),
            "decision": "accepted" if taken else "refused",
        }
        session.note("decision", entry, step=step, candidate=100)
        emit("decision", **entry)
        state = replace(state, history=[*state.history, entry], quiet=0 if taken else state.quiet + 1)
        if not taken:
            return state
        told = observed(self.parameters, candidate, found)
        seen = {**state.seen, **{int(item.item): item.score for item in found.items}}
        return replace(state, best=dict(candidate.values), seen=seen, more={**state.more, "base": told})

    def _mark(self, values: Mapping[str, Any]) -> str:
        return hashlib.sha256(json.dumps(to_json(self.parameters, values), sort_keys=True).encode()).hexdigest()[:16]


def _scale(known: Sequence[float], found: Sequence[Evaluation]) -> list[float]:
    """The lowest score, how many lie strictly between 0 and 1, and the highest: a score of 1 is the end of such a scale only."""
    scores = [score for evaluation in found for score in evaluation.scores if score is not None and score > -FAR]
    low, inside, high = known
    return [min([low, *scores]), inside + sum(0 < score < 1 for score in scores), max([high, *scores])]
