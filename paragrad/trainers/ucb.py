"""UCBSearch: a small buffer of candidates; the one with the highest upper confidence bound is worked on next.

(Auer, Cesa-Bianchi and Fischer, "Finite-time analysis of the multiarmed bandit problem", 2002; Trace's UCBSearch.)
A round under way counts as a visit, so that rounds that overlap do not all take the same candidate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paragrad.trainers import pool as pools
from paragrad.trainers.ahead import Found
from paragrad.trainers.climbing import climb
from paragrad.trainers.evaluation import mean_score
from paragrad.trainers.pooled import PoolSearch
from paragrad.trainers.session import Session
from paragrad.trainers.state import State
from paragrad.trainers.values import from_json, to_json


class UCBSearch(PoolSearch):
    """One round: a gated step from the chosen candidate, its child on a sample, the chosen one on some more rows.

    Class attributes: ``buffer`` candidates that compete; ``sample`` validation rows per visit;
    ``curiosity``, the weight of the bound; ``patience`` rounds without a better best.
    """

    batch_size = 8
    depth = 4
    proposals = 2
    buffer = 10
    sample = 12
    curiosity = 0.3
    patience = 40

    def plan(self, session: Session, state: State, number: int, rows: float) -> Mapping[str, Any]:
        """Visit the candidate with the highest bound."""
        pool = self.pool(state)
        place = max(self._members(state), key=lambda i: (self._bound(state, i), -i))
        known = pool[place]["scores"]
        return {
            "parent": place,
            "values": pool[place]["values"],
            "known": len(known),
            "batch": self.batch(number - 1),
            "rows": self.least_rows(),
        }

    def _members(self, state: State) -> list[int]:
        members: list[int] = state.more.get("members", [0])
        return members

    def _bound(self, state: State, place: int) -> float:
        visits: dict[str, int] = state.more.get("visits", {})
        under_way = sum(one["plan"]["parent"] == place for one in state.more["ahead"]["rounds"])
        mine = 1 + visits.get(str(place), 0) + under_way
        total = 2 + sum(visits.values()) + len(state.more["ahead"]["rounds"])
        return mean_score(self.pool(state)[place]["scores"]) + self.curiosity * math.sqrt(math.log(total) / mine)

    def explore(self, session: Session, plan: Mapping[str, Any], optimizer: Any, number: int) -> Found:
        """A gated step; the child, if there is one, and the parent on a sample of validation rows."""
        values = from_json(self.parameters, plan["values"])
        reached = climb(session, values, [self.rows(plan["batch"])], optimizer, step=number, proposals=self.proposals)
        more = self.order[plan["known"] : plan["known"] + self.sample]
        rest = session.evaluate(values, more, step=number, candidate=200, label="sample").scores if more else []
        result: dict[str, Any] = {"more": rest}
        if reached.origins:
            scores = session.evaluate(reached.values, self.order[: self.sample], step=number, candidate=100, label="sample").scores
            result |= {"values": to_json(self.parameters, reached.values), "scores": scores, "origin": reached.origins[0]}
        return Found(result, reached.optimizer, reached.news)

    def decide(self, session: Session, state: State, plan: Mapping[str, Any], found: Found, number: int) -> State:
        """Take the child in; the candidate with the lowest mean leaves a full buffer."""
        result, best = found.result, self.best(state)
        parent = plan["parent"]
        pool = pools.scored(self.pool(state), parent, [*self.pool(state)[parent]["scores"][: plan["known"]], *result["more"]])
        visits = {**state.more.get("visits", {}), str(parent): state.more.get("visits", {}).get(str(parent), 0) + 1}
        members = self._members(state)
        fresh = "scores" in result and all(result["values"] != one["values"] for one in pool)
        if fresh:
            pool = [*pool, pools.entry(result["values"], result["scores"], parents=[parent], origin=result["origin"], round=number)]
            members = [*members, len(pool) - 1]
        if len(members) > self.buffer:
            members = sorted(members, key=lambda i: (-mean_score(pool[i]["scores"]), i))[: self.buffer]
        state = replace(state, more={**state.more, "visits": visits, "members": sorted(members)})
        challengers = [i for i in sorted({parent, *members[-1:]}) if i != best and self.better(pool, i, best)]
        top = max(challengers, key=lambda i: (mean_score(pool[i]["scores"]), -i), default=best)
        state = replace(self.holding(state, pool, top), quiet=0 if top != best else state.quiet + 1)
        if not fresh and top == best:
            return state
        place = top if top != best else len(pool) - 1
        return self.noted(session, state, number, place, best, pool[place]["origin"], "accepted" if top != best else "unproven")

    def least_rows(self) -> float:
        """A gated step, and two samples."""
        crossing = self.proposals > 1 and len(self.parameters) > 1
        sample = min(self.sample, len(self.validation_rows))
        return float(min(self.batch_size, len(self.train_rows)) * (1 + self.proposals + crossing) + 2 * sample)
