"""``evaluate``: a program on data, without training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paragrad.context import Coordinate, Scope
from paragrad.executors import Threads
from paragrad.llm import BudgetLedger, use
from paragrad.protocols.data import Row
from paragrad.protocols.evidence import ItemEvidence
from paragrad.runs.figures import are_shares, figure, interval, plural
from paragrad.runs.inputs import dataset_of, metric_of, model_of, program_of
from paragrad.trainers.evaluation import Evaluation, run_row
from paragrad.trainers.failures import late_item, refuse_outage
from paragrad.trainers.result import Pass, pass_of
from paragrad.trainers.rows import place


@dataclass(frozen=True, slots=True)
class Scored:
    """A program's scores on rows.

    Attributes:
        score: the mean. ``interval``: 95 %.
        items: one per row, in order: output, scores, feedback, what it took.
    """

    score: float
    interval: tuple[float, float]
    items: tuple[ItemEvidence, ...]
    rows: tuple[Row, ...]
    spent: dict[str, Any]
    found: Pass

    def __str__(self) -> str:
        low, high = self.interval
        calls = self.spent["calls"] + self.spent["guide_calls"]
        shares = are_shares(*self.found.scores)
        return f"{figure(self.score, shares)} {interval(low, high, shares)} on {plural(len(self.rows), 'row')} · {plural(calls, 'call')}"


def evaluate(
    program: Any,
    data: Any,
    *,
    metric: Any,
    model: Any = None,
    workers: int | None = None,
    budget: Any = None,
    seed: int = 0,
    deadline: float | None = 120.0,
) -> Scored:
    """Score a program on data; nothing is trained, recorded or written.

    Raises:
        UsageError, DataError, NotConnected: before anything is paid for.
        Outage: some row got no answer.
    """
    module = program_of(program)
    rows = dataset_of(data, module)
    bound = metric_of(metric, rows)
    answering = model_of(module, model)
    ledger = BudgetLedger.of_run(budget)
    placed = place(list(rows))[0]

    def scopes(_: int, one: Any) -> Scope:
        return Scope(Coordinate(item=one.number), seed=seed, ledger=ledger)

    from contextlib import nullcontext

    items: list[ItemEvidence] = []
    with use(answering) if answering is not None else nullcontext(), Threads(workers or 16) as threads:
        for index, outcome in threads.map(lambda p: run_row(module, p, bound), placed, deadline=deadline, scopes=scopes):
            item = outcome.value if outcome.ok else late_item(placed[index], outcome.error)
            assert item is not None
            items.append(item)
    evaluation = Evaluation(tuple(items))
    refuse_outage(items)
    found = pass_of(evaluation)
    return Scored(found.mean.value, (found.mean.low, found.mean.high), found.items, tuple(p.row for p in placed), dict(found.spent), found)
