"""ParetoSearch: a pool of candidates that are good at different rows, grown by reflection and merging, validated by racing.

Each round takes a parent (mostly by Thompson sampling over what is known of it, sometimes from the
per-row fronts), lets the optimizer learn from a few training rows, and gives a child that did better
on these rows a race against the best candidate so far, on validation rows in one fixed order; it is
stopped as soon as the outcome is clear. Rounds overlap. (Agrawal et al., "GEPA", 2025, for fronts,
reflection and merging; validation by racing instead of whole passes is what makes it cheap.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from paragrad.protocols.evidence import Candidate
from paragrad.trainers import pool as pools
from paragrad.trainers.ahead import Found
from paragrad.trainers.climbing import climb
from paragrad.trainers.evaluation import all_right, mean_score
from paragrad.trainers.merging import mergeable, merged
from paragrad.trainers.pooled import PoolSearch
from paragrad.trainers.racing import race, stages
from paragrad.trainers.session import Session
from paragrad.trainers.state import State
from paragrad.trainers.values import from_json, to_json


class ParetoSearch(PoolSearch):
    """The trainer for larger budgets.

    Class attributes: ``batch_size`` rows to learn from; ``climbs`` steps of a round while rounds succeed
    (``steady``: failed rounds after which one step is enough), ``proposals`` children per step; ``narrow`` rounds
    under way at least, ``widen`` more for every failed one, ``depth`` at most; ``first`` rows of a race's first
    stage; ``out`` and ``won`` standard errors that end a race; ``exploring``, the share of parents taken from
    the fronts; ``merge_every`` rounds; ``remembered`` candidates shown to the optimizer.
    """

    batch_size = 16
    depth = 6
    proposals = 3
    narrow = 1
    widen = 1
    climbs = 3
    steady = 2
    first = 10
    out = 1.0
    exploring = 0.3
    merge_every = 5
    remembered = 6

    # --- planning ----------------------------------------------------------------------------------

    def plan(self, session: Session, state: State, number: int, rows: float) -> Mapping[str, Any] | None:
        """The rest of a best candidate that is right so far, a duel with one that may be better, a merge, or a reflection."""
        pool, best = self.pool(state), self.best(state)
        random = Random(f"{self.seed}/{number}")
        made = (
            self._complete(state, pool, best, rows)
            or self._duel(state, pool, best)
            or self._merge(state, pool, number, random)
            or self._reflect(pool, best, self._climbs(state, rows), number, random)
        )
        climbing = self._climbing_rows(len(made.get("batches", ())))
        stops = self._stops(len(made.get("ours", ())), len(pool[best]["scores"]), rows - climbing)
        common = {"best": best, "theirs": pool[best]["scores"], "incumbent": pool[best]["values"], "stops": stops}
        racing = self._race_rows(stops[-1], len(made.get("ours", ())), len(pool[best]["scores"]))
        return {**made, **common, "rows": climbing + (len(self.order) - len(made["ours"]) if made["kind"] == "complete" else racing)}

    def _stops(self, ours: int, theirs: int, rows: float) -> list[int]:
        """The stages of a race, as far as the rows reach; always the first."""
        every = stages(len(self.validation_rows), self.first)
        return [end for end in every if self._race_rows(end, ours, theirs) <= rows] or every[:1]

    @staticmethod
    def _race_rows(end: int, ours: int, theirs: int) -> float:
        return float(max(0, end - ours) + max(0, end - theirs))

    def _climbing_rows(self, climbs: int) -> float:
        """Parent, children and their cross on every batch."""
        crossing = self.proposals > 1 and len(self.parameters) > 1
        return float(min(self.batch_size, len(self.train_rows)) * (1 + self.proposals + crossing) * climbs)

    def _climbs(self, state: State, rows: float) -> int:
        """Long climbs while they succeed, short ones later, and as many steps as the rows allow beside a race's first stages."""
        wished = self.climbs if state.quiet < self.steady else 1
        racing = self._race_rows(min(4 * self.first, len(self.validation_rows)), 0, 0)
        return next((n for n in range(wished, 1, -1) if self._climbing_rows(n) + racing <= rows), 1)

    def _complete(self, state: State, pool: pools.Pool, best: int, rows: float) -> dict[str, Any] | None:
        """Score the best candidate on every row when it was right on all it has: perhaps there is nothing left to do."""
        known = pool[best]["scores"]
        busy = any(one["plan"]["kind"] == "complete" for one in state.more["ahead"]["rounds"])
        if busy or not all(all_right(known)) or not len(known) < len(self.order) <= rows + len(known):
            return None
        return {"kind": "complete", "values": pool[best]["values"], "ours": known}

    def _duel(self, state: State, pool: pools.Pool, best: int) -> dict[str, Any] | None:
        """The candidate that leads the best one on the rows both have, while that is not settled."""
        busy = {one["plan"].get("challenger") for one in state.more["ahead"]["rounds"]}
        total = len(self.validation_rows)
        found = [
            (d.mean, -i)
            for i, d in enumerate(pools.leads(pool, best))
            if i != best and d.mean > 0 and i not in busy and len(pool[i]["scores"]) < total
        ]
        if not found:
            return None
        challenger = -max(found)[1]
        return {
            "kind": "duel",
            "challenger": challenger,
            "values": pool[challenger]["values"],
            "ours": pool[challenger]["scores"],
        }

    def _merge(self, state: State, pool: pools.Pool, number: int, random: Random) -> dict[str, Any] | None:
        if number % self.merge_every or len(self.parameters) < 2 or len(pool) < 3:
            return None
        front = sorted({i for winners in pools.fronts(pool).values() for i in winners}, key=lambda i: (-mean_score(pool[i]["scores"]), i))
        busy = [one["plan"]["parents"] for one in state.more["ahead"]["rounds"] if one["plan"]["kind"] == "merge"]
        pair = mergeable(pool, front[:8], [*state.more.get("merged", []), *busy], random)
        if pair is None:
            return None
        a, b, root = pair
        values = merged(pool[a]["values"], pool[b]["values"], pool[root]["values"])
        return {"kind": "merge", "parents": [a, b], "values": values}

    def _reflect(self, pool: pools.Pool, best: int, climbs: int, number: int, random: Random) -> dict[str, Any]:
        parent = pools.from_front(pool, random) if random.random() < self.exploring else None
        parent = pools.sampled(pool, best, random) if parent is None else parent
        batches = [self.batch(self.climbs * (number - 1) + part) for part in range(climbs)]
        history = [[one["values"], mean_score(one["scores"]), one["parents"]] for one in pool[-self.remembered :]]
        return {"kind": "reflect", "parents": [parent], "values": pool[parent]["values"], "batches": batches, "history": history}

    def width(self, state: State) -> int:
        """Few rounds at once while most of them change the best candidate, more while they fail: then nothing is lost by looking ahead."""
        return min(self.depth, self.narrow + self.widen * state.quiet)

    def least_rows(self) -> float:
        """One step of a climb, and a race's first stages in which the best candidate may have to be scored too."""
        return self._climbing_rows(1) + self._race_rows(min(2 * self.first, len(self.validation_rows)), 0, 0)

    # --- exploring ---------------------------------------------------------------------------------

    def explore(self, session: Session, plan: Mapping[str, Any], optimizer: Any, number: int) -> Found:
        """One round."""
        if plan["kind"] == "reflect":
            return self._reflected(session, plan, optimizer, number)
        values = from_json(self.parameters, plan["values"])
        if plan["kind"] == "complete":
            rest = session.evaluate(values, self.order[len(plan["ours"]) :], step=number, candidate=100, label="validation")
            return Found({"theirs": [*plan["ours"], *rest.scores], "verdict": "complete"}, optimizer)
        scores, theirs, verdict = self._race(session, values, plan, number, plan.get("ours", ()))
        return Found({"values": plan["values"], "scores": scores, "theirs": theirs, "verdict": verdict, "origin": plan["kind"]}, optimizer)

    def _reflected(self, session: Session, plan: Mapping[str, Any], optimizer: Any, number: int) -> Found:
        """Climb on training rows, a fresh batch per step; then race what came of it, if it is anything new."""
        start = from_json(self.parameters, plan["values"])
        batches = [self.rows(ids) for ids in plan["batches"]]
        history = [self._candidate(*one) for one in plan["history"]]
        reached = climb(session, start, batches, optimizer, step=number, proposals=self.proposals, history=history)
        if not reached.origins:
            return Found({"verdict": "no better on any batch"}, reached.optimizer, reached.news)
        scores, theirs, verdict = self._race(session, reached.values, plan, number)
        result = {"scores": scores, "theirs": theirs, "verdict": verdict, "origin": "; ".join(dict.fromkeys(reached.origins))}
        return Found({**result, "values": to_json(self.parameters, reached.values)}, reached.optimizer, reached.news)

    def _candidate(self, values: Mapping[str, Any], score: float, parents: Sequence[int]) -> Candidate:
        """An earlier candidate as optimizers see it."""
        spaces = {id: parameter.space for id, parameter in self.parameters.items()}
        return Candidate(from_json(self.parameters, values), parents=tuple(map(str, parents)), scores={"score": score}, spaces=spaces)

    def _race(self, session: Session, values: Mapping[str, Any], plan: Mapping[str, Any], number: int, ours: Sequence[Any] = ()) -> Any:
        incumbent = from_json(self.parameters, plan["incumbent"])

        def score(first: int, last: int, of: Mapping[str, Any] = values, candidate: int = 100) -> list[float | None]:
            return session.evaluate(of, self.order[first:last], step=number, candidate=candidate, label="race").scores

        def extend(first: int, last: int) -> list[float | None]:
            return score(first, last, incumbent, 200)

        return race(score, plan["theirs"], extend, plan["stops"], out=self.out, won=self.won, ours=ours)

    # --- deciding ----------------------------------------------------------------------------------

    def decide(self, session: Session, state: State, plan: Mapping[str, Any], found: Found, number: int) -> State:
        """Take what was found into the pool; the best changes when another one's lead is proven."""
        result, best = found.result, self.best(state)
        pool = self.pool(state)
        if plan["kind"] == "merge":
            state = replace(state, more={**state.more, "merged": [*state.more.get("merged", []), plan["parents"]]})
        pool = pools.scored(pool, plan["best"], result.get("theirs", ()))
        if "scores" not in result:
            return replace(self.holding(state, pool, best), quiet=state.quiet + 1)
        if plan["kind"] == "duel":
            place, origin = plan["challenger"], f"again: {pool[plan['challenger']]['origin']}"
            pool = pools.scored(pool, place, result["scores"])
        else:
            place, origin = len(pool), result["origin"]
            pool = [*pool, pools.entry(result["values"], result["scores"], parents=plan["parents"], origin=origin, round=number)]
        taken = place != best and self.better(pool, place, best)
        state = replace(self.holding(state, pool, place if taken else best), quiet=0 if taken else state.quiet + 1)
        verdict = "accepted" if taken else "refused" if result["verdict"] == "out" else "unproven"
        return self.noted(session, state, number, place, best, origin, verdict)
