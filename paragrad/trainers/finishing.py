"""The end of a run: the held-out test, once, and the result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paragrad.errors import BudgetExceeded
from paragrad.events import emit
from paragrad.protocols.evidence import Candidate
from paragrad.trainers.intervals import mean_interval
from paragrad.trainers.preflight import preflight
from paragrad.trainers.result import HeldOut, Pass, Result, held_out, pass_of
from paragrad.trainers.session import Session
from paragrad.trainers.state import State

TEST_STEP = 1_000_000


def finish(trainer: Any, session: Session, state: State, before: dict[str, Any], baseline: list[Any], run_id: str | None) -> Result:
    """Score start and winner on the held-out rows, compare, and put the result together."""
    numbers = [placed.number for placed in trainer.validation_rows]
    seen = [*baseline, *state.scores(numbers), *_told(state)]
    best = Candidate(
        dict(state.best), base=run_id or "", origin=_origin(state), spaces={id: p.space for id, p in session.parameters.items()}, before=dict(before),
    )  # fmt: skip
    test = _test(trainer, session, state, before, bool(best.changed()), seen)
    seen += [] if test is None else [*test.before.scores, *test.after.scores]
    validation = held_out(_bare(baseline), _bare(state.scores(numbers)), trainer.seed, seen)
    best = best.scored({**trainer.told(state), "score": validation.after.mean.value})
    decided = test or validation
    checked = preflight(baseline, [tuple(pair) for pair in state.more.get("again", ())])
    rows = [p.row for p in (trainer.test_rows if test is not None else trainer.validation_rows)]
    found = Result(
        program=trainer.program,
        best=best,
        score=validation.after.mean.value,
        baseline=validation.before.mean.value,
        interval=(decided.comparison.low, decided.comparison.high),
        significant=bool(best.changed()) and trainer.proves(decided.comparison, 1 if test is not None else tried(state)),
        test=test,
        spent=spent_by(session),
        asked=session.calls,
        history=state.history,
        run_id=run_id or "",
        seed=trainer.seed,
        parameters=trainer.parameters,
        validation=validation,
        rows=rows,
        stopped=state.done,
        models=_models(trainer),
        simulated=_simulated(trainer),
        preflight=checked.to_json(),
    )
    return replace(found, **_measured(trainer, session, best, before))


def tried(state: State) -> int:
    """How many candidates were held against the validation rows: the winner is the luckiest of them."""
    return max(1, len(state.history))


def _measured(trainer: Any, session: Session, best: Candidate, before: dict[str, Any]) -> dict[str, Any]:
    """With an objective: its quantities at start and winner, and the front."""
    measures = session.measures
    if measures is None:
        return {}
    first, last = (measures.means(session.parameters, values) or {} for values in (before, best.values))
    best = best.scored({**best.scores, **last, "objective": best.scores["score"]})
    parts = {"best": best, "front_candidates": measures.front(session.parameters, best)}
    return {**parts, "objective": str(trainer.objective), "measured": {"before": first, "after": last}}


def _origin(state: State) -> str:
    """Where the winner came from: the last decision that took a candidate."""
    return next((str(entry["origin"]) for entry in reversed(state.history) if entry.get("decision") == "accepted"), "")


def _told(state: State) -> list[float | None]:
    """Means of the candidates that were tried, taken or not: they too say which scale the metric has."""
    means = (entry.get(name) for entry in state.history for name in ("before", "after"))
    return [mean for mean in means if isinstance(mean, float | int)]


def _test(trainer: Any, session: Session, state: State, before: dict[str, Any], changed: bool, seen: list[Any]) -> HeldOut | None:
    if not trainer.test_rows:
        return None
    try:
        first = session.evaluate(before, trainer.test_rows, step=TEST_STEP, candidate=0, label="held out, before")
        second = session.evaluate(state.best, trainer.test_rows, step=TEST_STEP, candidate=1, label="held out, after") if changed else first
    except BudgetExceeded as error:
        emit("warning", text=f"the held-out test was not finished: {error}")
        return None
    found = held_out(pass_of(first), pass_of(second), trainer.seed, seen)
    emit("test", held_out=found)
    return found


def _bare(scores: list[Any]) -> Pass:
    return Pass(mean_interval(scores), tuple(scores))


def spent_by(session: Session) -> dict[str, Any]:
    """Calls asked for, tokens and dollars, by phase too."""
    ledger: Any = session.ledger
    total = ledger.total
    phases = {name: {"calls": t.calls, "tokens": t.tokens, "usd": t.usd} for name, t in ledger.spent.items()}
    return {"calls": total.calls, "tokens": total.tokens, "usd": total.usd, "cached": total.cached_calls, "phases": phases}


def _models(trainer: Any) -> dict[str, str]:
    named = {"model": trainer.model, "optimizer_model": trainer.optimizer_model}
    return {role: str(getattr(model, "name", model)) for role, model in named.items() if model is not None}


def _simulated(trainer: Any) -> bool:
    return any(bool(getattr(getattr(m, "wire", m), "simulated", False)) for m in (trainer.model, trainer.optimizer_model) if m is not None)
