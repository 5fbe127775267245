"""BeamSearch: the few best candidates of a generation, each with several children, scored on the same sample of rows.

(Pryzant et al., "Automatic Prompt Optimization with 'Gradient Descent' and Beam Search", 2023; Trace's BeamSearch.)
Every sample goes on where the last one ended in the validation rows' order, so a beam is not chosen by luck on one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paragrad.trainers import pool as pools
from paragrad.trainers.ahead import Found
from paragrad.trainers.evaluation import mean_score
from paragrad.trainers.jobs import Job
from paragrad.trainers.pooled import PoolSearch
from paragrad.trainers.session import Session
from paragrad.trainers.state import State
from paragrad.trainers.values import from_json, to_json


class BeamSearch(PoolSearch):
    """One round widens one member of the beam; when all are, the next generation is chosen.

    Class attributes: ``beam`` candidates kept; ``proposals`` children of each; ``sample`` first validation
    rows that a generation is scored on; ``patience`` rounds without a better best.
    """

    batch_size = 8
    depth = 4
    beam = 4
    proposals = 3
    sample = 24
    patience = 24

    def plan(self, session: Session, state: State, number: int, rows: float) -> Mapping[str, Any] | None:
        """Widen the next member of the beam; wait when every one of this generation is under way."""
        members, widened = self._beam(state)
        if widened >= len(members):
            return None
        place = members[widened]
        return {"parent": place, "values": self.pool(state)[place]["values"], "batch": self.batch(number - 1), "rows": self.least_rows()}

    def _beam(self, state: State) -> tuple[list[int], int]:
        """The members of this generation, and how many of them were begun."""
        members = state.more.get("beam", [0])
        under_way = len(state.more["ahead"]["rounds"])
        return members, int(state.more.get("widened", 0)) + under_way

    def explore(self, session: Session, plan: Mapping[str, Any], optimizer: Any, number: int) -> Found:
        """Children of one member, on the sample."""
        values = from_json(self.parameters, plan["values"])
        base = session.evaluate(values, self.rows(plan["batch"]), step=number, label="batch", learn=True)
        proposed, optimizer = session.propose(values, base, optimizer, step=number, n=self.proposals)
        proposed = [candidate for candidate in proposed if candidate.changed()]
        jobs = [Job(c.values, self.order[: self.sample], i, c.origin) for i, c in enumerate(proposed, 1)]
        found = session.evaluate_all(jobs, step=number) if jobs else []
        scored = [[to_json(self.parameters, c.values), e.scores, c.origin] for c, e in zip(proposed, found, strict=True)]
        return Found(scored, optimizer, list(zip(proposed, found, strict=True)))

    def decide(self, session: Session, state: State, plan: Mapping[str, Any], found: Found, number: int) -> State:
        """Take the children in; after the last member, the best of all become the next generation."""
        pool, best = self.pool(state), self.best(state)
        for values, scores, origin in found.result:
            if all(values != one["values"] for one in pool):
                pool = [*pool, pools.entry(values, scores, parents=[plan["parent"]], origin=origin, round=number)]
        members, widened = state.more.get("beam", [0]), state.more.get("widened", 0) + 1
        if widened >= len(members):
            members, widened = self._chosen(pool), 0
        top = self._chosen(pool)[0]
        taken = top != best and self._mean(pool, top) > self._mean(pool, best)
        state = replace(state, more={**state.more, "beam": members, "widened": widened})
        state = replace(self.holding(state, pool, top if taken else best), quiet=0 if taken else state.quiet + 1)
        if not found.result:
            return state
        place = top if taken else len(pool) - 1
        return self.noted(session, state, number, place, best, pool[place]["origin"], "accepted" if taken else "refused")

    def _chosen(self, pool: pools.Pool) -> list[int]:
        return sorted(range(len(pool)), key=lambda i: (-self._mean(pool, i), i))[: self.beam]

    def _mean(self, pool: pools.Pool, place: int) -> float:
        return mean_score(pool[place]["scores"][: self.sample])

    def least_rows(self) -> float:
        """The batch, and the sample per child."""
        return min(self.batch_size, len(self.train_rows)) + float(self.proposals * min(self.sample, len(self.validation_rows)))
