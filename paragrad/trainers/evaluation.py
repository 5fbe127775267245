"""One candidate on many rows: run the program, ask the metric, keep the two kinds of failure apart."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from paragrad.context import Scope, current_scope, scope
from paragrad.data.content import canonical
from paragrad.errors import DataError, ExecutionError, Outage
from paragrad.executors import run_coroutine
from paragrad.guides.binding import BoundMetric
from paragrad.guides.guide import score_of
from paragrad.protocols.data import Episode, Row, Step
from paragrad.protocols.environment import answering
from paragrad.protocols.evidence import ItemEvidence
from paragrad.protocols.gradient import Feedback
from paragrad.trace.escapes import watch
from paragrad.trace.failure import PASSING, Failure, failure_of
from paragrad.trace.module import plain
from paragrad.trace.state import within
from paragrad.trace.values import thaw
from paragrad.trainers.rows import Placed

MOST_FAILURES = 5  # of one row, told beside its feedback
FLOOR = 0.0  # the score of a row on which the program itself failed


def mean_score(scores: Sequence[float | None]) -> float:
    """The mean over rows that have a score; 0 when none has."""
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else 0.0


def all_right(scores: Sequence[float | None]) -> list[bool]:
    """Which rows leave nothing to wish for: a score of 1, on a scale that ends there (no score is higher)."""
    unit = all(score is None or score <= 1.0 for score in scores)
    return [unit and score is not None and score >= 1.0 for score in scores]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one candidate did on some rows, in the order of the rows.

    Attributes:
        delta: mean gain over the base on the same rows, once compared; else 0.
        accepted: whether the trainer took the candidate.
        gradients: Parameter id to what flowed back to it, in the order of the rows; once blamed.
        overlay: the context the rows ran in, kept while their graphs may still be asked who is to blame.
    """

    items: tuple[ItemEvidence, ...]
    delta: float = 0.0
    accepted: bool = False
    gradients: Mapping[str, tuple[Any, ...]] = field(default_factory=dict, compare=False, repr=False)
    overlay: Any = field(default=None, compare=False, repr=False)

    @property
    def scores(self) -> list[float | None]:
        """The main score of every row; None for an outage."""
        return [item.score for item in self.items]

    @property
    def score(self) -> float:
        """The mean over rows that have a score."""
        return mean_score(self.scores)

    @property
    def asked(self) -> int:
        """Model calls, those of the metric included."""
        return int(self.total("calls")) + int(self.total("guide_calls"))

    def total(self, name: str) -> Any:
        """Sum of ``spent`` over rows: "calls", "input_tokens", "output_tokens"; "usd" is None when a price is unknown."""
        values = [item.spent.get(name, 0) for item in self.items]
        return None if any(v is None for v in values) else sum(values)


def counted(items: Sequence[ItemEvidence], writer: Any) -> int:
    """Calls of a budget that rows took: those of models; where nobody in the run asks one, one per row, so that a budget ends it too.

    Args:
        writer: the model that writes proposals, or None.
    """
    asked = Evaluation(tuple(items)).asked
    return asked if asked or writer is not None else len(items)


def run_row(
    program: Any, placed: Placed, metric: BoundMetric, *, record: bool = False, reach: Any = None, timed: bool = False
) -> ItemEvidence:
    """Run one row in the current scope and context.

    Args:
        record: keep the output with its graph.
        reach: is told the output and what was read, to find out what can be trained.
        timed: measure the program's seconds too; recorded as an effect, so that a resumed run is told the same.

    Raises:
        MetricError: the metric raised or returned no score. BudgetExceeded, Diverged: the run ends.
    """
    row = placed.row
    steps: list[Step] = []
    at = current_scope()
    started = monotonic()
    try:
        with answering(row):
            output, status = _output(program, row, steps, record, reach)
            seconds = _timed(at, monotonic() - started) if timed else {}
            steps = [Step(step.component, step.input_args, step.output, row) for step in steps]
            feedback, asked = (_error_feedback(output), 0) if status == "error" else _judge(metric, placed, output, steps)
    except Outage as error:
        return ItemEvidence(placed.number, dict(row.inputs), row.target, None, {}, str(error), status="outage", spent=_spent(at))
    scores = {"score": score_of(feedback), **{name: float(value) for name, value in feedback.metrics.items()}}
    value = plain(output)
    episode = Episode(tuple(steps), value, scores["score"], placed.number)
    return ItemEvidence(
        item=placed.number,
        inputs=dict(row.inputs),
        target=row.target,
        output=str(value) if isinstance(value, Failure) else value,
        scores=scores,
        feedback=_with_failures(plain(feedback.text), scores["score"], steps),
        episodes=(episode,),
        graph=output if record else None,
        status=status,
        spent={**_spent(at), "guide_calls": asked, **seconds},
    )


def _output(program: Any, row: Row, steps: list[Step], record: bool, reach: Any) -> tuple[Any, str]:
    """The program's output, or its failure as an output."""
    with within(record=record or reach is not None, steps=steps, reads=None), watch() if reach is not None else nullcontext() as seen:
        try:
            output = program(**thaw(dict(row.inputs)))
            if inspect.isawaitable(output):
                output = run_coroutine(_awaited(output))
            if reach is not None:
                reach.note(output, seen)
            return output, "ok"
        except PASSING as error:
            if isinstance(error, (ConnectionError, TimeoutError)):
                raise Outage(f"row {row.id}: {type(error).__name__}: {error}") from error
            raise
        except ExecutionError as error:
            return error.output, "error"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any failure of the user's program is an output
            return failure_of(error), "error"


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _error_feedback(output: Any) -> Feedback:
    return Feedback(FLOOR, f"The program failed: {plain(output)}")


def _with_failures(text: str | None, score: float, steps: Sequence[Step]) -> str | None:
    """The words of the feedback; of a row that is not right, also what failed on the way (a tool that raised, say)."""
    if score >= 1.0:
        return text
    failed = {
        f"{step.component} failed: ({step.output.type}) {step.output.message}": step.output
        for step in steps
        if isinstance(step.output, Failure)
    }
    told = [line for line, failure in failed.items() if failure.message not in (text or "")]
    return "\n".join(part for part in (text, *told[:MOST_FAILURES]) if part) or None


def _judge(metric: BoundMetric, placed: Placed, output: Any, steps: Sequence[Step]) -> tuple[Feedback, int]:
    """The metric's feedback, recorded as an effect: a resumed run is told the same; and the model calls it took."""
    row, value = placed.row, plain(output)
    outer = current_scope()
    call = steps[-1] if steps else None
    if outer is None:
        return metric(row, value, trace=tuple(steps), call=call), 0
    inner = outer.child("guide")
    with scope(inner), within(steps=None, record=False):
        if inner.journal is None:
            return metric(row, value, trace=tuple(steps), call=call), inner.spent.total()["calls"]
        digest = hashlib.sha256(f"{metric.name}|{row.id}|{_content(value)}".encode()).hexdigest()
        payload, replayed = inner.journal.effect(
            inner.coordinate(), "guide", digest, lambda: _asked(metric, row, value, steps, inner), paid=False
        )
    spent = payload["spent"]
    if replayed and inner.ledger is not None and spent["calls"]:
        inner.ledger.replay(phase="guide", calls=spent["calls"], tokens=spent["input_tokens"] + spent["output_tokens"], usd=spent["usd"])
    return Feedback(payload["score"], payload["text"], **payload["metrics"]), int(spent["calls"])


def _content(value: Any) -> str:
    """What an output holds, the same in every process."""
    try:
        return canonical(value)
    except DataError:  # an object that shows no content: its text, without its address
        return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _asked(metric: BoundMetric, row: Row, value: Any, steps: Sequence[Step], inner: Scope) -> Mapping[str, Any]:
    feedback = metric(row, value, trace=tuple(steps), call=steps[-1] if steps else None)
    metrics = {name: float(plain(v)) for name, v in feedback.metrics.items()}
    return {"score": score_of(feedback), "text": plain(feedback.text), "metrics": metrics, "spent": inner.spent.total()}


def _timed(at: Scope | None, seconds: float) -> Mapping[str, Any]:
    if at is None or at.journal is None:
        return {"seconds": seconds}
    return at.journal.effect(at.child("clock").coordinate(), "clock", "", lambda: {"seconds": seconds}, paid=False)[0]


def _spent(at: Scope | None) -> Mapping[str, Any]:
    return at.spent.total() if at is not None else {}
