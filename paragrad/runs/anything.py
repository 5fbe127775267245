"""``optimize_anything``: better values of anything, for a function that evaluates them."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paragrad.context import current_scope
from paragrad.data import read
from paragrad.errors import UsageError
from paragrad.executors import run_coroutine
from paragrad.guides.binding import metric_digest
from paragrad.guides.guide import as_feedback
from paragrad.protocols.data import Row
from paragrad.protocols.gradient import Feedback
from paragrad.runs.fitting import Task, algorithm_of, budget_of
from paragrad.runs.subject import Subject
from paragrad.trace.failure import PASSING, failure_of
from paragrad.trace.values import thaw
from paragrad.trainers.auto import algorithm_for, asks_a_model, searching
from paragrad.trainers.base import AlgorithmBase
from paragrad.trainers.choosing import trained
from paragrad.trainers.greedy import PASSED, GreedySearch
from paragrad.trainers.intake import bound_rows
from paragrad.trainers.objective import FAR, Objective
from paragrad.trainers.result import Result

WORDS = 4000
"""Characters of what a failing or telling evaluation says."""


def optimize_anything(
    initial: Any,
    evaluate: Callable[..., Any],
    *,
    train: Any = None,
    validate: Any = None,
    objective: Any = None,
    constraint: Any = None,
    optimizer: Any = "auto",
    optimizer_model: Any = None,
    budget: Any = "auto",
    run: str | None = None,
    seed: int = 0,
    space: Any = None,
    algorithm: Any = "auto",
    workers: int = 1,
    **options: Any,
) -> Result:
    """Search for better values, scored by a function.

    Args:
        initial: where to start: a text, a number, a Parameter, any value with a space of its own; a dict of named
            ones, or a list of Parameters and spaces (a space stands for its first option, or the middle of its range).
        evaluate: ``evaluate(candidate)``, or ``evaluate(candidate, row)`` with data; gets what has the form of ``initial``
            and returns what a metric may, or (score, dict of anything worth knowing); higher is better. An exception is feedback
            and ranks below every score; errors of the world (``pg.errors.Outage``, ConnectionError, TimeoutError) stop the run, to be resumed.
        train, validate: rows, when a candidate is to do well on many; without ``validate`` the training rows decide.
        objective: prose for the model that writes proposals, or a :class:`paragrad.Objective`.
        constraint: words, or a function of the candidate that returns True or why not; for a dict also {name: constraint}.
        optimizer: a name or value. "auto": with ``optimizer_model`` reflection on what ``evaluate`` says; without one, choices
            and numbers jointly by TPE (extra ``tpe``), numbers and arrays by evolution, texts by edits.
        budget: every evaluation counts as one call, model calls inside it and of the optimizer count too.
        space: of a single ``initial`` value, when its type does not say.
        workers: evaluations at once; the function must then be safe in threads.
        **options: others of :func:`paragrad.fit`: home, journal, progress, callbacks, deadline, ...

    Returns:
        ``best.values`` by name (a single one: "candidate"). Without data ``significant`` says that the best was better: one number is exact.

    Raises:
        UsageError: before anything was evaluated. Outage: parked; called again with the same ``run``, it goes on.
    """
    words, goal = (objective, None) if isinstance(objective, str) else (None, objective)
    if goal is not None and not isinstance(goal, Objective):
        raise UsageError(f"objective={goal!r:.80}: write prose for the optimizer, or pg.Objective(...)")
    subject = Subject(initial, words=words, constraint=constraint, space=space)
    judge = Evaluator(evaluate, subject, with_rows=train is not None)
    if validate is not None and train is None:
        raise UsageError("validate= without train=: give the rows that are learnt from as train=")
    options = {
        "deadline": None,
        "optimizer_model": optimizer_model,
        "budget": budget,
        "run": run,
        "seed": seed,
        "workers": workers,
        **options,
    }
    task = Task(subject, train, validate, metric=judge, objective=goal, optimizer=optimizer, **options)
    return task.run(_trainer(task, judge, algorithm), task.options)


def _trainer(task: Task, judge: Evaluator, algorithm: Any) -> AlgorithmBase:
    """The trainer of such a task; nothing is evaluated yet."""
    given, subject = task.options, task.program
    parameters = trained(subject, given.parameters)
    optimizer = given.optimizer
    if optimizer == "auto" and given.optimizer_model is None:
        optimizer = searching(parameters)
    budget = budget_of(given.budget, None)
    rows, held = ([Row("candidate", {})], None) if task.train is None else (_rows(task.train, subject), task.validate)
    deciding = rows if held is None else _rows(held, subject)
    why = ""
    if algorithm == "auto" and task.train is None:
        kind: type[AlgorithmBase] = GreedySearch
    else:
        if algorithm == "auto":
            asks = asks_a_model(optimizer, given.optimizer_model)
            algorithm, why = algorithm_for(validation=len(deciding), held_out=0, calls=budget.calls, per_row=1, asks=asks)
        kind = algorithm_of(algorithm)
    made = kind(
        subject, optimizer, rows, judge, validate=None if held is None else deciding, budget=budget, run=given.run, seed=given.seed,
        workers=given.workers, parameters=given.parameters, optimizer_model=_model(given.optimizer_model), deadline=given.deadline,
        home=given.home, journal=given.journal, apply=given.apply, resume=False if given.fork else given.resume, store=given.store,
        objective=given.objective,
    )  # fmt: skip
    made.reasons = [*([why] if why else []), *made.reasons]
    return made


def _rows(data: Any, subject: Subject) -> Any:
    return bound_rows(read(data) if isinstance(data, str) or hasattr(data, "__fspath__") else data, subject)


def _model(given: Any) -> Any:
    from paragrad.llm import as_model

    return None if given is None else as_model(given)


class Evaluator:
    """The user's function as a metric that never stops at a candidate, and whose every use counts as one call."""

    calls = 1

    def __init__(self, evaluate: Callable[..., Any], subject: Subject, *, with_rows: bool) -> None:
        if not callable(evaluate):
            raise UsageError(f"evaluate={evaluate!r:.60} is no function; write evaluate(candidate) -> score")
        self.evaluate, self.subject = evaluate, subject
        self.takes_row = _takes_row(evaluate)
        if self.takes_row and not with_rows:
            raise UsageError("evaluate takes a row, and there are none; give train=, or write evaluate(candidate)")
        self.code = metric_digest(evaluate)
        self.__name__ = str(getattr(evaluate, "__name__", type(evaluate).__name__))

    def __call__(self, output: Any, row: Row) -> Feedback:
        """The function's feedback; a failure ranks below every score."""
        value = self.subject.shaped(thaw(output))
        refused = self.subject.refused(value)
        if refused:
            return Feedback(-FAR, f"Refused: {refused}")
        scope = current_scope()
        ledger = scope.ledger if scope is not None else None
        admitted = ledger.reserve(phase="guide", tokens=0, usd=0.0) if ledger is not None else None
        try:
            return _feedback(self._asked(value, row), self.__name__)
        except PASSING:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's function raises says something of the candidate
            return Feedback(-FAR, f"The evaluation failed: {failure_of(error)}"[:WORDS])
        finally:
            if ledger is not None:
                ledger.settle(admitted, tokens=0, usd=0.0)
            if scope is not None:
                scope.spent.add(input_tokens=0, output_tokens=0, usd=0.0)

    def _asked(self, value: Any, row: Row) -> Any:
        answer = self.evaluate(value, row) if self.takes_row else self.evaluate(value)
        return run_coroutine(answer) if inspect.iscoroutine(answer) else answer


def _feedback(answer: Any, who: str) -> Feedback:
    """A metric's answer, or (score, {name: anything}): numbers become metrics, the rest words."""
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping):
        score, told = answer
        numbers = {
            str(k): float(v) for k, v in told.items() if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)
        }
        words = [f"{name}: {_text(value)}" for name, value in told.items()]
        answer = Feedback(score, "\n".join(words)[:WORDS] or None, **{k: v for k, v in numbers.items() if k not in ("score", "text")})
    if isinstance(answer, bool):
        return Feedback(float(answer), **{PASSED: float(answer)})
    score = answer.score if isinstance(answer, Feedback) else answer[0] if isinstance(answer, tuple) and answer else answer
    if isinstance(score, float) and not math.isfinite(score):
        return Feedback(-FAR, f"The evaluation returned {score}, which is no finite score.")
    return as_feedback(answer, who)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _takes_row(evaluate: Callable[..., Any]) -> bool:
    """Whether it wants a row beside the candidate."""
    try:
        parameters: Sequence[inspect.Parameter] = list(inspect.signature(evaluate).parameters.values())
    except (TypeError, ValueError):
        return False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
    if not any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters):
        raise UsageError(f"evaluate{inspect.signature(evaluate)} takes no candidate; write evaluate(candidate) or evaluate(candidate, row)")
    if len(places) > 2:
        raise UsageError(f"evaluate{inspect.signature(evaluate)}: write evaluate(candidate) or evaluate(candidate, row)")
    return len(places) == 2


__all__ = ["Evaluator", "optimize_anything"]
