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
from functools import cached_property
from random import Random
from typing import Any

from paragrad.events import emit
from paragrad.trainers import pool as pools
from paragrad.trainers.ahead import Found, LookAhead
from paragrad.trainers.evaluation import all_right, mean_score
from paragrad.trainers.merging import mergeable, merged
from paragrad.trainers.racing import lead, race, stages
from paragrad.trainers.rows import Placed, by_id
from paragrad.trainers.session import Job, Session
from paragrad.trainers.state import State
from paragrad.trainers.values import from_json, to_json


class ParetoSearch(LookAhead):
    """The trainer for larger budgets.

    Class attributes: ``batch_size`` rows to reflect on; ``proposals`` children per round; ``first`` rows
    of a race's first stage; ``out`` and ``won`` standard errors that end a race; ``exploring``, the share
    of parents taken from the fronts; ``merge_every`` rounds; ``patience`` rounds without a better best.
    """

    batch_size = 8
    depth = 6
    proposals = 1
    first = 10
    out = 1.0
    won = 1.5
    exploring = 0.3
    merge_every = 5
    patience = 60
    rounds = 2000

    # --- planning ----------------------------------------------------------------------------------

    def plan(self, session: Session, state: State, number: int) -> Mapping[str, Any] | None:
        """A duel between the best and a candidate that may be better, a merge, or a reflection."""
        pool, best = _pool_of(self, state), state.more.get("best", 0)
        random = Random(f"{self.seed}/{number}")
        common = {"best": best, "theirs": pool[best]["scores"], "incumbent": pool[best]["values"]}
        return (
            self._duel(state, pool, best, common)
            or self._merge(state, pool, number, random, common)
            or self._reflect(pool, best, number, random, common)
        )

    def _duel(self, state: State, pool: pools.Pool, best: int, common: Mapping[str, Any]) -> dict[str, Any] | None:
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
            **common,
        }

    def _merge(self, state: State, pool: pools.Pool, number: int, random: Random, common: Mapping[str, Any]) -> dict[str, Any] | None:
        if number % self.merge_every or len(self.parameters) < 2 or len(pool) < 3:
            return None
        front = sorted({i for winners in pools.fronts(pool).values() for i in winners}, key=lambda i: (-mean_score(pool[i]["scores"]), i))[
            :8
        ]
        busy = [one["plan"]["parents"] for one in state.more["ahead"]["rounds"] if one["plan"]["kind"] == "merge"]
        pair = mergeable(pool, front, [*state.more.get("merged", []), *busy], random)
        if pair is None:
            return None
        a, b, root = pair
        values = merged(pool[a]["values"], pool[b]["values"], pool[root]["values"])
        return {"kind": "merge", "parents": [a, b], "values": values, **common}

    def _reflect(self, pool: pools.Pool, best: int, number: int, random: Random, common: Mapping[str, Any]) -> dict[str, Any]:
        parent = pools.from_front(pool, random) if random.random() < self.exploring else None
        parent = pools.sampled(pool, best, random) if parent is None else parent
        per_epoch = len(self.loader)
        rows = next(self.loader.epoch((number - 1) // per_epoch, (number - 1) % per_epoch))
        return {"kind": "reflect", "parents": [parent], "values": pool[parent]["values"], "rows": [row.id for row in rows], **common}

    def finished(self, session: Session, state: State) -> str:
        """Perfect, exhausted or out of patience."""
        pool, best = _pool_of(self, state), state.more.get("best", 0)
        scores = pool[best]["scores"]
        if len(scores) == len(self.validation_rows) and all(all_right(scores)):
            return "every validation row is right"
        if state.quiet >= self.patience:
            return f"{state.quiet} rounds without a better candidate"
        return f"{self.rounds} rounds" if state.step >= self.rounds else ""

    def least_rows(self) -> float:
        """The batch for parent and children, and a race over all validation rows in which the incumbent is scored too."""
        return min(self.batch_size, len(self.train_rows)) * (1 + self.proposals) + 2.0 * len(self.validation_rows)

    # --- exploring ---------------------------------------------------------------------------------

    def explore(self, session: Session, plan: Mapping[str, Any], optimizer: Any, number: int) -> Found:
        """One round."""
        if plan["kind"] == "reflect":
            return self._reflected(session, plan, optimizer, number)
        values = from_json(self.parameters, plan["values"])
        scores, theirs, verdict = self._race(session, values, plan, number, plan.get("ours", ()))
        return Found({"values": plan["values"], "scores": scores, "theirs": theirs, "verdict": verdict, "origin": plan["kind"]}, optimizer)

    def _reflected(self, session: Session, plan: Mapping[str, Any], optimizer: Any, number: int) -> Found:
        rows = [self._by_id[id] for id in plan["rows"]]
        parent = from_json(self.parameters, plan["values"])
        base = session.evaluate(parent, rows, step=number, label="reflect", learn=True)
        if all(all_right(base.scores)):
            return Found({"verdict": "nothing to learn"}, optimizer)
        proposed, optimizer = session.propose(parent, base, optimizer, step=number, n=self.proposals)
        proposed = [candidate for candidate in proposed if candidate.changed()]
        jobs = [Job(candidate.values, rows, i + 1, candidate.origin) for i, candidate in enumerate(proposed)]
        found = session.evaluate_all(jobs, step=number) if jobs else []
        news = [(c, replace(e, delta=lead(e.scores, base.scores).mean)) for c, e in zip(proposed, found, strict=True)]
        if not news:
            return Found({"verdict": "nothing proposed"}, optimizer)
        child, evaluation = max(news, key=lambda pair: pair[1].delta)
        result: dict[str, Any] = {"origin": child.origin, "batch": evaluation.delta, "verdict": "no better on the batch"}
        if evaluation.delta > 0:
            scores, theirs, verdict = self._race(session, child.values, plan, number)
            result |= {"values": to_json(self.parameters, child.values), "scores": scores, "theirs": theirs, "verdict": verdict}
            news = [(c, replace(e, accepted=c is child and verdict == "won")) for c, e in news]
        return Found(result, optimizer, news)

    def _race(self, session: Session, values: Mapping[str, Any], plan: Mapping[str, Any], number: int, ours: Sequence[Any] = ()) -> Any:
        incumbent = from_json(self.parameters, plan["incumbent"])

        def score(first: int, last: int, of: Mapping[str, Any] = values, candidate: int = 100) -> list[float | None]:
            return session.evaluate(of, self._order[first:last], step=number, candidate=candidate, label="race").scores

        def extend(first: int, last: int) -> list[float | None]:
            return score(first, last, incumbent, 200)

        at = stages(len(self._order), self.first)
        return race(score, plan["theirs"], extend, at, out=self.out, won=self.won, ours=ours)

    # --- deciding ----------------------------------------------------------------------------------

    def decide(self, session: Session, state: State, plan: Mapping[str, Any], found: Found, number: int) -> State:
        """Take what was found into the pool; the best changes when another one's lead is proven."""
        result = found.result
        pool, best = _pool_of(self, state), state.more.get("best", 0)
        if "theirs" in result:
            pool = pools.scored(pool, plan["best"], result["theirs"])
        if plan["kind"] == "duel":
            pool, place = pools.scored(pool, plan["challenger"], result["scores"]), plan["challenger"]
        elif "scores" in result:
            pool = [*pool, pools.entry(result["values"], result["scores"], parents=plan["parents"], origin=result["origin"], round=number)]
            place = len(pool) - 1
        else:
            place = best
        more = {**state.more, "pool": pool}
        if plan["kind"] == "merge":
            more["merged"] = [*more.get("merged", []), plan["parents"]]
        taken = place != best and self._better(pool, place, best)
        state = replace(state, more={**more, "best": place if taken else best}, quiet=0 if taken else state.quiet + 1)
        return self._noted(session, self._holding(state), plan, result, pool, place, best, taken, number)

    def _better(self, pool: pools.Pool, place: int, best: int) -> bool:
        """A proven lead; or, once both have all rows, any lead."""
        found = lead(pool[place]["scores"], pool[best]["scores"])
        whole = found.rows == len(self.validation_rows)
        return found.mean > 0 if whole else found.rows > 0 and found.low(self.won) > 0

    def _holding(self, state: State) -> State:
        """The state's best values and scores are those of the pool's best."""
        chosen = state.more["pool"][state.more["best"]]
        seen = {placed.number: score for placed, score in zip(self._order, chosen["scores"], strict=False)}
        return replace(state, best=from_json(self.parameters, chosen["values"]), seen=seen)

    def _noted(
        self,
        session: Session,
        state: State,
        plan: Mapping[str, Any],
        result: Mapping[str, Any],
        pool: pools.Pool,
        place: int,
        best: int,
        taken: bool,
        number: int,
    ) -> State:
        if "scores" not in result:
            return state
        found = lead(pool[place]["scores"], pool[best]["scores"])
        entry = {
            "step": number,
            "origin": result["origin"] if plan["kind"] != "duel" else f"again: {pool[place]['origin']}",
            "changed": [id for id, value in pool[place]["values"].items() if value != pool[best]["values"][id]],
            "before": mean_score(pool[best]["scores"][: found.rows]),
            "after": mean_score(pool[place]["scores"][: found.rows]),
            "delta": found.mean,
            "p": None,
            "rows": found.rows,
            "decision": "accepted" if taken else "refused" if result["verdict"] == "out" else "unproven",
        }
        session.note("decision", entry, step=number, candidate=100)
        emit("decision", **entry)
        return replace(state, history=[*state.history, entry])

    # --- the end -----------------------------------------------------------------------------------

    finalists = 3

    def conclude(self, session: Session, state: State) -> State:
        """Score the most promising candidates on all validation rows; the best mean is the winner."""
        pool, best = _pool_of(self, state), state.more.get("best", 0)
        found = pools.leads(pool, best)
        order = sorted(range(len(pool)), key=lambda i: (i != best, -found[i].mean + found[i].error, i))[: self.finalists]
        for i in order:
            known = pool[i]["scores"]
            missing = self._order[len(known) :]
            if missing and session.affords(len(missing) * state.calls_per_row):
                values = from_json(self.parameters, pool[i]["values"])
                rest = session.evaluate(values, missing, step=CLOSING, candidate=i, label="validation")
                pool = pools.scored(pool, i, [*known, *rest.scores])
        whole = [i for i in {0, *order} if len(pool[i]["scores"]) == len(self._order)]
        best = max(whole, key=lambda i: (mean_score(pool[i]["scores"]), i == best, -i))
        return self._holding(replace(state, more={**state.more, "pool": pool, "best": best}))

    def closing_rows(self, state: State) -> float:
        """What the best one lacks, and a pass for another finalist."""
        pool = _pool_of(self, state)
        total = len(self.validation_rows)
        return 2.0 * total - len(pool[state.more.get("best", 0)]["scores"]) if len(pool) > 1 else 0.0

    @cached_property
    def _order(self) -> list[Placed]:
        """Validation rows in this run's order: every candidate is scored on its first rows first."""
        return Random(f"{self.seed}/validation").sample(self.validation_rows, len(self.validation_rows))

    @cached_property
    def _by_id(self) -> dict[str, Placed]:
        return by_id(self.train_rows)


CLOSING = 900_000  # the step of the last validation


def _pool_of(algorithm: ParetoSearch, state: State) -> list[pools.Entry]:
    """The pool; at the beginning the values the run starts from."""
    known: list[pools.Entry] | None = state.more.get("pool")
    if known is not None:
        return known
    scores = [state.seen[placed.number] for placed in algorithm._order]
    return [pools.entry(to_json(algorithm.parameters, state.best), scores, origin="start")]
