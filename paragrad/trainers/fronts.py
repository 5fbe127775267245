"""Fronts: what an objective measured of every candidate on the validation rows, and the candidates that none beats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paragrad.protocols.evidence import Candidate, ItemEvidence
from paragrad.trainers.objective import Objective
from paragrad.trainers.values import Parameters, from_json, to_json


@dataclass
class Measures:
    """Sums of the named quantities over the validation rows that each candidate was scored on; plain data.

    Of a row that a candidate was scored on twice the first time counts.

    Attributes:
        known: values in JSON to ``{"values", "origin", "rows" (one bit each), "sums"}``.
    """

    objective: Objective
    places: Mapping[int, int]
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[Mapping[str, Any], str, int, list[float]]] | None = None

    @classmethod
    def over(cls, objective: Objective, numbers: Sequence[int], state: Sequence[Any] = ()) -> Measures:
        """For these validation rows; ``state``: what :meth:`state` gave."""
        made = cls(objective, {number: place for place, number in enumerate(numbers)})
        for one in state:
            made.known[_key(one["values"])] = {**one, "rows": int(one["rows"], 16)}
        return made

    def fresh(self) -> Measures:
        """For a part of the run that goes on beside others: what it notes is added when the part is done."""
        return Measures(self.objective, self.places, log=[])

    def note(self, parameters: Parameters, values: Mapping[str, Any], items: Sequence[ItemEvidence], origin: str = "") -> None:
        """Add what rows of a candidate came to; rows of other parts are left out."""
        encoded = to_json(parameters, values)
        for item in items:
            if int(item.item) in self.places:
                found = self.objective.of(item)
                self._add(encoded, origin, 1 << self.places[int(item.item)], [found[name] for name in self.objective.names])

    def absorb(self, other: Measures) -> None:
        """Add what another part of the run measured, as far as its rows are new here."""
        for one in other.log or ():
            self._add(*one)

    def _add(self, values: Mapping[str, Any], origin: str, row: int, found: list[float]) -> None:
        if self.log is not None:
            self.log.append((values, origin, row, found))
            return
        nothing = {"values": dict(values), "origin": origin, "rows": 0, "sums": [0.0] * len(self.objective.names)}
        entry = self.known.setdefault(_key(values), nothing)
        if not entry["rows"] & row:
            entry["rows"] |= row
            entry["sums"] = [a + b for a, b in zip(entry["sums"], found, strict=True)]

    def state(self) -> list[dict[str, Any]]:
        """JSON-like, for a checkpoint."""
        return [{**one, "rows": f"{one['rows']:x}"} for one in self.known.values()]

    def means(self, parameters: Parameters, values: Mapping[str, Any]) -> dict[str, float] | None:
        """What a candidate came to on all validation rows; None when it was not scored on all of them."""
        return self._means(self.known.get(_key(to_json(parameters, values))))

    def _means(self, entry: Mapping[str, Any] | None) -> dict[str, float] | None:
        whole = (1 << len(self.places)) - 1
        if entry is None or entry["rows"] != whole or not whole:
            return None
        return {name: total / len(self.places) for name, total in zip(self.objective.names, entry["sums"], strict=True)}

    def front(self, parameters: Parameters, best: Candidate) -> list[Candidate]:
        """Candidates that were scored on every validation row and that no other one beats; the best one first.

        Those that keep every limit, when there are such.
        """
        found = [(one, means) for one in self.known.values() if (means := self._means(one)) is not None]
        keeping = [(one, means) for one, means in found if not self.objective.broken([means])]
        pool = keeping or found
        top = [(one, means) for one, means in pool if not any(self._beats(other, means) for _, other in pool)]
        own = to_json(parameters, best.values)
        made = [self._candidate(parameters, one, means, best) for one, means in top if one["values"] != own]
        return [best, *made]

    def _beats(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """At least as good in every quantity, better in one."""
        pairs = [(self.objective.sign(name) * a[name], self.objective.sign(name) * b[name]) for name in self.objective.names]
        return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)

    def _candidate(self, parameters: Parameters, one: Mapping[str, Any], means: Mapping[str, float], best: Candidate) -> Candidate:
        values = from_json(parameters, one["values"])
        return Candidate(values, base=best.base, origin=one["origin"], scores=means, spaces=best.spaces, before=best.before)


def weighed(session: Any, job: Any, items: Sequence[ItemEvidence]) -> Sequence[ItemEvidence]:
    """The rows of one candidate, scored by the run's objective; without one, as they are."""
    if session.objective is None:
        return items
    found: list[ItemEvidence] = session.objective.applied(items)
    if session.measures is not None and job.repeat == 0:
        session.measures.note(session.parameters, job.values, found, job.label)
    return found


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
