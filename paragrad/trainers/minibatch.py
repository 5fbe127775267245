"""MinibatchAlgorithm: propose on a minibatch, halve, and let the validation rows decide.

Each step proposes several candidates, scores them on the same training rows as the current values,
drops the worse half and scores the rest on more rows. The most promising ones then meet the
validation rows, where a paired sequential test decides, row by row in a fixed order: accepted,
refused, or not proven. Only what is proven is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

from paragrad.events import emit
from paragrad.protocols.evidence import Candidate, ItemEvidence
from paragrad.trainers.base import AlgorithmBase
from paragrad.trainers.evaluation import Evaluation, all_right, mean_score
from paragrad.trainers.jobs import Job
from paragrad.trainers.rows import Placed, by_id
from paragrad.trainers.session import Session
from paragrad.trainers.state import State
from paragrad.trainers.statistics import compare


class MinibatchAlgorithm(AlgorithmBase):
    """The default trainer for small budgets.

    Class attributes set the sizes: ``candidates`` per step, ``finalists`` that meet the validation
    rows, ``alpha`` of the gate, ``patience`` steps without a gain, at most ``steps`` steps.
    """

    candidates = 12
    finalists = 2
    alpha = 0.05
    patience = 5
    steps = 40

    def step(self, session: Session, state: State) -> State:
        """One minibatch: propose, halve, decide."""
        step = state.step + 1
        batch = self._batch(state.step)
        needed = state.calls_per_row * self.least_rows() + state.more.get("asked", 0)
        reason = self._finished(session, state, needed)
        if reason:
            return replace(state, done=reason)
        base = self._on_base(session, state, batch, step)
        asked = session.asked
        proposed, optimizer = session.propose(state.best, base, state.optimizer, step=step, n=self.candidates)
        state = replace(state, more={**state.more, "asked": max(state.more.get("asked", 0), session.asked - asked)})
        proposed = [c for c in proposed if c.changed()]
        if not proposed:
            settled = session.asked == asked and not all(all_right(base.scores))  # the same evidence gives the same answer again
            return replace(
                state, optimizer=optimizer, quiet=state.quiet + 1, done="the optimizer has nothing more to propose" if settled else ""
            )
        ranked = self._halved(session, proposed, base, batch, step)
        for candidate, evaluation in ranked:
            optimizer = session.optimizer.observe(optimizer, candidate, evaluation)
        state = replace(state, optimizer=optimizer, seen={**state.seen, **{int(i.item): i.score for i in base.items}})
        return self._decide(session, state, ranked, step)

    def least_rows(self) -> float:
        """One batch for the base and the halving, and the validation rows for one finalist."""
        size = min(self.loader.batch_size, len(self.train_rows))
        return size * (1 + 0.625 * min(self.candidates, self.optimizer.per_step or self.candidates)) + len(self.validation_rows)

    # --- parts of a step ---------------------------------------------------------------------------

    def _batch(self, step: int) -> list[Placed]:
        """The next rows in the loader's order."""
        rows = by_id(self.train_rows)
        per_epoch = len(self.loader)
        batches = self.loader.epoch(step // per_epoch, step % per_epoch)
        return [rows[row.id] for row in next(batches)]

    def _finished(self, session: Session, state: State, needed: float) -> str:
        scores = [state.seen[p.number] for p in self.validation_rows]
        if all(all_right(scores)):
            return "every validation row is right"
        if state.quiet >= self.patience:
            return f"{state.quiet} steps without a proven gain"
        if state.step >= self.steps:
            return f"{self.steps} steps" + (", and the last one still gained" if state.quiet == 0 else "")
        if not session.affords(needed):
            return f"budget: {session.calls} calls used, the next step may take {needed:.0f} of {session.limit} for the search"
        return ""

    def _on_base(self, session: Session, state: State, batch: Sequence[Placed], step: int) -> Evaluation:
        """The current values on the minibatch: what optimizers learn from."""
        return session.evaluate(state.best, batch, step=step, candidate=0, label="batch", learn=True)

    def _halved(
        self, session: Session, proposed: list[Candidate], base: Evaluation, batch: list[Placed], step: int
    ) -> list[tuple[Candidate, Evaluation]]:
        """Successive halving (Jamieson and Talwalkar, 2016): a few rows for all, more rows for the better half; best first."""
        items: list[tuple[ItemEvidence, ...]] = [() for _ in proposed]
        alive = list(range(len(proposed)))
        for first, last in self._rungs(len(batch)):
            jobs = [Job(proposed[i].values, batch[first:last], i + 1, f"{len(alive)} candidates") for i in alive]
            for i, found in zip(alive, session.evaluate_all(jobs, step=step), strict=True):
                items[i] += found.items
            alive.sort(key=lambda i: (-_gain(items[i], base.items[: len(items[i])]), i))
            alive = alive[: max(1, (len(alive) + 1) // 2)]
        evaluations = [Evaluation(found, delta=_gain(found, base.items[: len(found)])) for found in items]
        return sorted(zip(proposed, evaluations, strict=True), key=lambda pair: -_promise(pair[1]))

    def _rungs(self, size: int) -> list[tuple[int, int]]:
        """Slices of the batch: a quarter, a quarter, a half."""
        edges = sorted({0, max(1, size // 4), max(1, size // 2), size})
        return list(pairwise(edges))

    def _decide(self, session: Session, state: State, ranked: list[tuple[Candidate, Evaluation]], step: int) -> State:
        """The finalists on the validation rows, until one is accepted."""
        gained = False
        optimizer = state.optimizer
        for place, (candidate, evaluation) in enumerate(ranked[: self.finalists]):
            if evaluation.delta <= 0 or not session.affords(len(self.validation_rows) * state.calls_per_row):
                break
            entry, scores = self._gate(session, state, candidate, step, 100 + place)
            state = replace(state, history=[*state.history, entry])
            session.note("decision", entry, step=step, candidate=100 + place)
            emit("decision", **entry)
            if entry["decision"] == "accepted":
                optimizer = session.optimizer.observe(optimizer, candidate, replace(evaluation, accepted=True, delta=entry["delta"]))
                state = replace(state, best=dict(candidate.values), seen=scores)
                gained = True
                break
        return replace(state, optimizer=optimizer, quiet=0 if gained else state.quiet + 1)

    def _gate(self, session: Session, state: State, candidate: Candidate, step: int, number: int) -> tuple[dict[str, Any], dict[int, Any]]:
        """Paired on the validation rows, in two halves: the second only if the first did not speak against it."""
        rows = self._ordered(step)
        half = len(rows) // 2 if len(rows) >= 20 else len(rows)
        found: list[ItemEvidence] = []
        for part in (rows[:half], rows[half:]):
            if not part:
                continue
            found += session.evaluate(candidate.values, part, step=step, candidate=number, label=candidate.origin).items
            before = [state.seen[int(item.item)] for item in found]
            comparison = compare(before, [item.score for item in found], alpha=self.alpha, seed=self.seed)
            if comparison.delta < 0 or (comparison.delta <= 0 and len(found) < len(rows)):
                break
        whole = len(found) == len(rows)
        accepted = whole and comparison.significant
        entry = {
            "step": step,
            "origin": candidate.origin,
            "changed": candidate.changed(),
            "before": mean_score(before),
            "after": mean_score([item.score for item in found]),
            "delta": comparison.delta,
            "p": comparison.p,
            "rows": len(found),
            "decision": "accepted" if accepted else "refused" if comparison.delta <= 0 else "unproven",
        }
        return entry, {int(item.item): item.score for item in found}

    def _ordered(self, step: int) -> list[Placed]:
        """Validation rows in an order of this step's own, so that no half is always the first."""
        return Random(self.seed * 1_000_003 + step).sample(self.validation_rows, len(self.validation_rows))


def _gain(items: Sequence[ItemEvidence], base: Sequence[ItemEvidence]) -> float:
    pairs = [(a.score, b.score) for a, b in zip(items, base, strict=True) if a.score is not None and b.score is not None]
    return sum(a - b for a, b in pairs) / len(pairs) if pairs else 0.0


def _promise(evaluation: Evaluation) -> float:
    """Gain, with few rows counted for less."""
    n = len(evaluation.items)
    return evaluation.delta * n / (n + 2)
