"""Result: what a run came to. The numbers shown are those of the values returned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from paragrad import registry
from paragrad.protocols.data import Row
from paragrad.protocols.evidence import Candidate, ItemEvidence
from paragrad.protocols.shares import are_shares
from paragrad.trace.overlay import transaction
from paragrad.trainers.intervals import Interval, mean_interval
from paragrad.trainers.statistics import Comparison, compare
from paragrad.trainers.values import to_json


@dataclass(frozen=True, slots=True)
class Pass:
    """One program on one set of rows.

    Attributes:
        mean: with its 95 % interval. ``errors``: rows on which the program itself failed.
        spent: calls, tokens and dollars of the pass.
    """

    mean: Interval
    scores: tuple[float | None, ...]
    items: tuple[ItemEvidence, ...] = field(repr=False, default=())
    spent: Mapping[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        return sum(item.status == "error" for item in self.items)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Baseline and winner on the same rows, scored once, after the selection was frozen."""

    before: Pass
    after: Pass
    comparison: Comparison

    def __float__(self) -> float:
        return self.after.mean.value


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows by what became of them."""

    fixed: list[Row]
    broken: list[Row]
    same: list[Row]


@dataclass
class Result:
    """The outcome of a run.

    Attributes:
        program: holds ``best`` when a gain was proven, else the values it started from.
        best: the values chosen, with their scores and their diff against the start.
        score, baseline: validation means of the winner and of the start. ``interval``: of the gain.
        significant: whether the gain is proven: on the held-out test when there is one, else on validation.
        test: the held-out comparison, or None.
        spent: calls, tokens, dollars, seconds; by phase under ``phases``.
        history: one entry per decision. ``front``: candidates no other one beats.
        stopped: why the search ended.
        asked: model calls that the program, the metric and the optimizer asked for, answered from a cache or not.
        objective: in words, when it is more than the metric; ``measured``: its quantities "before" and "after", means on validation.
        preflight: what the rows could prove and how much room there was, known before anything was paid for proposals.
    """

    program: Any
    best: Candidate
    score: float
    baseline: float
    interval: tuple[float, float]
    significant: bool
    test: HeldOut | None
    spent: Mapping[str, Any]
    history: list[dict[str, Any]]
    run_id: str
    seed: int
    parameters: Mapping[str, Any] = field(repr=False, default_factory=dict)
    validation: HeldOut | None = field(repr=False, default=None)
    rows: Sequence[Row] = field(repr=False, default=())
    stopped: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    applied: bool = False
    simulated: bool = False
    asked: int = 0
    objective: str = ""
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    front_candidates: Sequence[Candidate] = field(repr=False, default=())
    preflight: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @property
    def front(self) -> list[Candidate]:
        """The best, and the other candidates that none beats in every quantity the objective names.

        Those are among the candidates that were scored on every validation row; ``scores`` holds their means.
        """
        return list(self.front_candidates) or [self.best]

    def diff(self) -> str:
        """What changed in every Parameter, for a person."""
        return self.best.diff()

    def compare(self, other: Result | None = None) -> Changes:
        """Rows fixed, broken and unchanged: against the start, or against another result on the same rows.

        Raises:
            UsageError: the other result has other rows.
        """
        mine = self.test or self.validation
        if mine is None:
            return Changes([], [], [])
        before = mine.before.scores
        if other is not None:
            theirs = other.test or other.validation
            before = theirs.after.scores if theirs is not None else before
        found = compare(before, mine.after.scores, seed=self.seed)
        pick = [[self.rows[i] for i in places] for places in (found.fixed, found.broken, found.same)]
        return Changes(*pick)

    def apply(self, candidate: Candidate | None = None, *, expect: Mapping[str, int] | None = None) -> None:
        """Write the best values (or a candidate's) into the program: all or none.

        Args:
            expect: versions that the Parameters must still have; None: whatever they hold now.

        Raises:
            Conflict: a Parameter is at another version; nothing was written.
        """
        chosen = candidate or self.best
        self._write(chosen.values, expect or {})

    def revert(self) -> None:
        """Write the values the run started from back into the program."""
        self._write(self.best.before, {})
        self.applied = False

    def _write(self, values: Mapping[str, Any], expect: Mapping[str, int]) -> None:
        checked = {id: self.parameters[id].checked(value) for id, value in values.items()}
        now, wanted = (to_json(self.parameters, part) for part in ({id: self.parameters[id].value for id in checked}, checked))
        changes = {self.parameters[id]: value for id, value in checked.items() if now[id] != wanted[id]}
        with transaction() as made:
            for parameter, value in changes.items():
                parameter.write(value)
                made.base[parameter._cell] = expect.get(parameter.id, made.base[parameter._cell])

    def save(self, path: Any) -> None:
        """Write the program's values as plain files; see ``Module.save``."""
        if not self.applied and self.significant:
            self.apply()
        registry.facets.get("save")(self.program, path)

    def publish(self, store: Any, name: str, tag: str | None = None) -> str:
        """Write the best values to a store as a release, tagged if asked; returns ``name@number``."""
        return registry.facets.get("publish")(self, store, name, tag)  # type: ignore[no-any-return]

    def report(self, path: Any) -> None:
        """Write a stand-alone HTML report."""
        registry.facets.get("report")(self, path)

    def to_json(self) -> dict[str, Any]:
        """Everything but the program, JSON-like and without the clock: the same run gives the same bytes."""
        spent = {key: value for key, value in self.spent.items() if key != "seconds"}
        data: dict[str, Any] = {
            "baseline": _pass_json(self.validation.before) if self.validation else {"score": self.baseline},
            "score": _pass_json(self.validation.after) if self.validation else {"score": self.score},
            "gain": {"low": self.interval[0], "high": self.interval[1]},
            "significant": self.significant,
            "test": _held_json(self.test),
            "parameters": self._parameters_json(),
            "history": self.history,
            "stopped": self.stopped,
            "spent": spent,
            "asked": self.asked,
            "models": dict(self.models),
            "simulated": self.simulated,
            "seed": self.seed,
        }
        if self.objective:
            front = [{"values": to_json(self.parameters, c.values), "scores": dict(c.scores)} for c in self.front]
            data |= {"objective": self.objective, "measured": self.measured, "front": front}
        plain: dict[str, Any] = json.loads(json.dumps(data, default=str))
        return plain

    def _parameters_json(self) -> dict[str, Any]:
        before, after = to_json(self.parameters, self.best.before), to_json(self.parameters, self.best.values)
        return {id: {"before": before[id], "after": after[id]} for id in after}

    @property
    def sha256(self) -> str:
        """Digest of :meth:`to_json` without ``spent``: a warm cache, a retry or an interruption changes what is paid, not what comes out."""
        data = {key: value for key, value in self.to_json().items() if key != "spent"}
        text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __str__(self) -> str:
        return str(registry.facets.get("table")(self))


def held_out(before: Pass, after: Pass, seed: int = 0, others: Iterable[float | None] = ()) -> HeldOut:
    """Two passes over the same rows, compared row by row.

    Args:
        others: further scores of the metric; one that is no share of 1 says that none is, and the intervals follow.
    """
    bounded = are_shares(*before.scores, *after.scores, *others)
    if not bounded:
        before, after = (replace(one, mean=mean_interval(one.scores, bounded=False)) for one in (before, after))
    return HeldOut(before, after, compare(before.scores, after.scores, seed=seed, bounded=bounded))


def pass_of(evaluation: Any) -> Pass:
    """An evaluation as a pass."""
    spent = {name: evaluation.total(name) for name in ("calls", "guide_calls", "input_tokens", "output_tokens", "usd")}
    return Pass(mean_interval(evaluation.scores), tuple(evaluation.scores), evaluation.items, spent)


def _pass_json(found: Pass) -> dict[str, Any]:
    return {"score": found.mean.value, "low": found.mean.low, "high": found.mean.high, "n": len(found.scores)}


def _held_json(found: HeldOut | None) -> dict[str, Any] | None:
    if found is None:
        return None
    c = found.comparison
    return {
        "before": _pass_json(found.before),
        "after": _pass_json(found.after),
        "gain": {"score": c.delta, "low": c.low, "high": c.high, "p": c.p},
        "significant": c.significant,
        "fixed": len(c.fixed),
        "broken": len(c.broken),
        "same": len(c.same),
    }
