"""BasicSearch: a few candidates per round, all of them on every validation row; the best one is kept. (Trace's BasicSearch.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paragrad.trainers import pool as pools
from paragrad.trainers.ahead import Found
from paragrad.trainers.jobs import Job
from paragrad.trainers.pooled import PoolSearch
from paragrad.trainers.racing import lead
from paragrad.trainers.session import Session
from paragrad.trainers.state import State
from paragrad.trainers.values import from_json, to_json


class BasicSearch(PoolSearch):
    """Simple and expensive: it pays for whole validation passes and stops at nothing earlier.

    Class attributes: ``proposals`` candidates per round; ``patience`` rounds without a better one.
    """

    batch_size = 8
    depth = 1
    proposals = 4
    patience = 8

    def plan(self, session: Session, state: State, number: int, rows: float) -> Mapping[str, Any]:
        """Propose on the best candidate, from the next batch."""
        best = self.best(state)
        return {"parent": best, "values": self.pool(state)[best]["values"], "batch": self.batch(number - 1), "rows": self.least_rows()}

    def explore(self, session: Session, plan: Mapping[str, Any], optimizer: Any, number: int) -> Found:
        """Candidates, all at once on all validation rows."""
        values = from_json(self.parameters, plan["values"])
        base = session.evaluate(values, self.rows(plan["batch"]), step=number, label="batch", learn=True)
        proposed, optimizer = session.propose(values, base, optimizer, step=number, n=self.proposals)
        proposed = [candidate for candidate in proposed if candidate.changed()]
        jobs = [Job(c.values, self.order, i, c.origin) for i, c in enumerate(proposed, 1)]
        found = session.evaluate_all(jobs, step=number) if jobs else []
        scored = [[to_json(self.parameters, c.values), e.scores, c.origin] for c, e in zip(proposed, found, strict=True)]
        return Found(scored, optimizer, list(zip(proposed, found, strict=True)))

    def decide(self, session: Session, state: State, plan: Mapping[str, Any], found: Found, number: int) -> State:
        """The best of the candidates and the best so far, by the mean over all rows."""
        pool, best = self.pool(state), self.best(state)
        for values, scores, origin in found.result:
            pool = [*pool, pools.entry(values, scores, parents=[plan["parent"]], origin=origin, round=number)]
        fresh = range(len(pool) - len(found.result), len(pool))
        if not fresh:
            return replace(self.holding(state, pool, best), quiet=state.quiet + 1)
        top = max(fresh, key=lambda i: (lead(pool[i]["scores"], pool[best]["scores"]).mean, -i))
        taken = self.better(pool, top, best)
        state = replace(self.holding(state, pool, top if taken else best), quiet=0 if taken else state.quiet + 1)
        return self.noted(session, state, number, top, best, pool[top]["origin"], "accepted" if taken else "refused")

    def least_rows(self) -> float:
        """The batch, and every validation row per candidate."""
        return min(self.batch_size, len(self.train_rows)) + float(self.proposals * len(self.validation_rows))
