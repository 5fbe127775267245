"""PoolSearch: what searches share that keep many candidates: the pool, its best, decisions on record, the last validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import Any

from paragrad.errors import BudgetExceeded
from paragrad.events import emit
from paragrad.trainers import pool as pools
from paragrad.trainers.ahead import LookAhead
from paragrad.trainers.evaluation import all_right, mean_score
from paragrad.trainers.racing import lead
from paragrad.trainers.rows import Placed, by_id
from paragrad.trainers.session import Session
from paragrad.trainers.state import State
from paragrad.trainers.values import from_json, to_json

CLOSING = 900_000  # the step of the last validation


class PoolSearch(LookAhead):
    """A search over a pool of candidates.

    Class attributes: ``patience`` rounds without a better best, at most ``rounds`` rounds, ``finalists`` that
    the last validation scores on every row, ``won`` standard errors by which a lead is proven.
    """

    patience = 60
    rounds = 2000
    finalists = 3
    won = 1.5

    # --- the pool ----------------------------------------------------------------------------------

    def pool(self, state: State) -> list[pools.Entry]:
        """The candidates; at the beginning the values the run starts from."""
        known: list[pools.Entry] | None = state.more.get("pool")
        if known is not None:
            return known
        scores = [state.seen[placed.number] for placed in self.order]
        return [pools.entry(to_json(self.parameters, state.best), scores, origin="start")]

    @staticmethod
    def best(state: State) -> int:
        """The place of the best candidate."""
        return int(state.more.get("best", 0))

    @cached_property
    def order(self) -> list[Placed]:
        """Validation rows in this run's order: every candidate is scored on its first rows first."""
        return Random(f"{self.seed}/validation").sample(self.validation_rows, len(self.validation_rows))

    def rows(self, ids: Sequence[str]) -> list[Placed]:
        """Training rows by id."""
        return [self._by_id[id] for id in ids]

    @cached_property
    def _by_id(self) -> dict[str, Placed]:
        return by_id(self.train_rows)

    def batch(self, index: int) -> list[str]:
        """The ids of the rows of a batch, in the loader's order."""
        rows = next(self.loader.epoch(index // len(self.loader), index % len(self.loader)))
        return [row.id for row in rows]

    # --- deciding ----------------------------------------------------------------------------------

    def better(self, pool: pools.Pool, place: int, best: int) -> bool:
        """A proven lead; or, once both have all rows, any lead."""
        found = lead(pool[place]["scores"], pool[best]["scores"])
        whole = found.rows == len(self.validation_rows)
        return found.mean > 0 if whole else found.rows > 0 and found.low(self.won) > 0

    def holding(self, state: State, pool: pools.Pool, best: int) -> State:
        """The state with this pool; its best values and scores are those of the best candidate."""
        chosen = pool[best]
        seen = {placed.number: score for placed, score in zip(self.order, chosen["scores"], strict=False)}
        return replace(
            state, best=from_json(self.parameters, chosen["values"]), seen=seen, more={**state.more, "pool": list(pool), "best": best}
        )

    def noted(self, session: Session, state: State, number: int, place: int, against: int, origin: str, verdict: str) -> State:
        """Put a decision on record: the candidate at ``place`` against the one that was best."""
        pool = state.more["pool"]
        found = lead(pool[place]["scores"], pool[against]["scores"])
        entry = {
            "step": number,
            "origin": origin,
            "changed": [id for id, value in pool[place]["values"].items() if value != pool[against]["values"][id]],
            "before": mean_score(pool[against]["scores"][: found.rows]),
            "after": mean_score(pool[place]["scores"][: found.rows]),
            "delta": found.mean,
            "p": None,
            "rows": found.rows,
            "decision": verdict,
        }
        session.note("decision", entry, step=number, candidate=100)
        emit("decision", **entry)
        return replace(state, history=[*state.history, entry])

    def finished(self, session: Session, state: State) -> str:
        """Perfect, exhausted or out of patience."""
        scores = self.pool(state)[self.best(state)]["scores"]
        if len(scores) == len(self.validation_rows) and all(all_right(scores)):
            return "every validation row is right"
        if state.quiet >= self.patience:
            return f"{state.quiet} rounds without a better candidate"
        return f"{self.rounds} rounds" if state.step >= self.rounds else ""

    # --- the end -----------------------------------------------------------------------------------

    def conclude(self, session: Session, state: State) -> State:
        """Score the most promising candidates on all validation rows; the best mean is the winner."""
        pool, best = self.pool(state), self.best(state)
        found = pools.leads(pool, best)
        promising = sorted(range(len(pool)), key=lambda i: (i != best, -found[i].mean + found[i].error, i))[: self.finalists]
        for i in promising:
            pool = self._completed(session, state, pool, i)
        whole = [i for i in {0, *promising} if len(pool[i]["scores"]) == len(self.order)]
        winner = max(whole, key=lambda i: (mean_score(pool[i]["scores"]), i == best, -i))
        state = self.holding(state, pool, winner)
        return (
            state
            if winner == best
            else self.noted(session, state, CLOSING, winner, best, f"validation: {pool[winner]['origin']}", "accepted")
        )

    def _completed(self, session: Session, state: State, pool: list[pools.Entry], place: int) -> list[pools.Entry]:
        known = pool[place]["scores"]
        missing = self.order[len(known) :]
        if not missing or not session.affords(len(missing) * state.calls_per_row):
            return pool
        values: Mapping[str, Any] = from_json(self.parameters, pool[place]["values"])
        try:
            rest = session.evaluate(values, missing, step=CLOSING, candidate=place, label="validation")
        except BudgetExceeded:  # rounds that were not decided have spent more than was planned
            return pool
        return pools.scored(pool, place, [*known, *rest.scores])

    def closing_rows(self, state: State) -> float:
        """What the best candidate lacks."""
        return float(len(self.validation_rows) - len(self.pool(state)[self.best(state)]["scores"]))
