"""AlgorithmBase: what every trainer does around its search.

Baseline, search step by step with a checkpoint after each, held-out test once at the end, result.
A subclass says what one step is; it owns no optimizer's algorithm and works with every one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from paragrad import registry
from paragrad.context import Coordinate
from paragrad.data import DataLoader
from paragrad.errors import BudgetExceeded, ExecutionError, NothingToTrain, UsageError
from paragrad.events import emit
from paragrad.guides.binding import bind_metric
from paragrad.journal import RunJournal, Runs
from paragrad.llm import Budget, BudgetLedger
from paragrad.trace.module import module_of
from paragrad.trainers.auto import optimizer_for
from paragrad.trainers.baseline import baseline
from paragrad.trainers.choosing import trained
from paragrad.trainers.delivery import deliver, resumed
from paragrad.trainers.evaluation import Evaluation, mean_score
from paragrad.trainers.finishing import finish, spent_by
from paragrad.trainers.fronts import Measures
from paragrad.trainers.header import header_of
from paragrad.trainers.intake import bound_loader, bound_rows
from paragrad.trainers.objective import objective_of
from paragrad.trainers.preflight import asked_again, preflight
from paragrad.trainers.result import Result
from paragrad.trainers.rows import place
from paragrad.trainers.session import Session
from paragrad.trainers.state import State
from paragrad.trainers.statistics import Comparison
from paragrad.trainers.values import from_json, to_json

AUTO_CALLS = 2000
ALPHA = 0.05  # one in twenty: the level of every verdict
FINAL = 1_000_000  # the step under which the held-out test is recorded


class AlgorithmBase:
    """A trainer.

    Args:
        agent: the program: a Module, prompt, bundle or function.
        optimizer: a name, class or value; "auto" chooses by the kinds of the Parameters.
        loader: a DataLoader, or rows; its batches are trained on.
        guide: metric or AutoGuide.
        validate: rows that decide what is accepted; None: the loader's own.
        test: rows looked at once, at the end.
        budget: hard limits; "auto": at most 2,000 calls.
        run: a name; a run of that name that was interrupted is continued.
        objective: what is maximised, when it is more than the metric's score.
        journal: False records nothing (and nothing can be resumed).
    """

    batch_size = 12
    paired = True  # candidates are compared row by row, so that rows say what can be proven

    def __init__(
        self,
        agent: Any,
        optimizer: Any = "auto",
        loader: Any = None,
        guide: Any = None,
        *,
        validate: Any = None,
        test: Any = None,
        budget: Any = "auto",
        run: str | None = None,
        seed: int = 0,
        workers: int | None = None,
        parameters: Sequence[Any] | None = None,
        model: Any = None,
        optimizer_model: Any = None,
        deadline: float | None = 120.0,
        home: Any = None,
        journal: bool = True,
        apply: bool = True,
        resume: Any = "auto",
        store: Any = None,
        objective: Any = None,
    ) -> None:
        _check(workers=workers, deadline=deadline, seed=seed)
        self.program = module_of(agent)
        if loader is None or guide is None:
            raise UsageError(f"{type(self).__name__} needs data and a metric: {type(self).__name__}(agent, optimizer, loader, guide)")
        self.loader = self._loader(loader, seed)
        self.metric = bind_metric(guide)
        self.objective = objective_of(objective)
        chosen = optimizer_for(optimizer, trained(self.program, parameters), asks=optimizer_model is not None)
        self.optimizer, self.parameters, self.frozen = chosen.optimizer, chosen.parameters, chosen.frozen
        self.reasons = list(chosen.reasons)  # why what was not named was chosen, for people
        self.budget = Budget(calls=AUTO_CALLS) if budget == "auto" else Budget.of(budget)
        others = [None if part is None else bound_rows(part, self.program) for part in (validate, test)]
        self.train_rows, self.validation_rows, self.test_rows = place(self.loader.dataset, *others)
        if validate is None:
            self.validation_rows = self.train_rows
        self.run, self.seed, self.workers, self.deadline = run, seed, workers or 16, deadline
        self.model, self.optimizer_model = model, optimizer_model
        self.home, self.recorded, self.apply, self.resume, self.store = home, journal, apply, resume, store
        self.about: dict[str, Any] = {}  # how it was started: kept in the run's status, so that it can be started again

    def _loader(self, given: Any, seed: int) -> DataLoader:
        """Batches of rows that are bound to the program's inputs."""
        own = bound_loader(given, self.program)
        return DataLoader(bound_rows(given, self.program), self.batch_size, shuffle=True, seed=seed) if own is None else own

    # --- what subclasses write ---------------------------------------------------------------------

    def step(self, session: Session, state: State) -> State:
        """One step of the search: the next state. Sets ``state.done`` to end it."""
        raise NotImplementedError(f"{type(self).__name__} must say what a step is: def step(self, session, state)")

    def begun(self, state: State, found: Evaluation) -> State:
        """The state before the first step; ``found``: what the start did on the validation rows."""
        return state

    def told(self, state: State) -> dict[str, float]:
        """Means of the metric's further values at the best candidate, as far as they were kept."""
        return {}

    def least_rows(self) -> float:
        """Rows that one step evaluates at most; a budget that cannot pay for one is refused at once."""
        return float(self.loader.batch_size)

    def proves(self, comparison: Comparison, among: int) -> bool:
        """Whether a gain is proven.

        Args:
            among: how many candidates the winner was the best of, on these very rows; the level is shared among them
                (Bonferroni), so that the luckiest of many is not taken for a gain.
        """
        return comparison.delta > 0 and comparison.p <= ALPHA / among

    # --- the run -----------------------------------------------------------------------------------

    def train(self) -> Result:
        """Run to the end (or go on where an interrupted run of this name stopped).

        Raises:
            Outage: the model went away; the run is parked and can be resumed.
            Diverged: a run of this name was begun with another program, data or metric.
        """
        if not self.recorded:
            return self._train(None, None)
        header = header_of(self)
        folder = self._folder(Runs(self.home))
        with folder.lock(), RunJournal(folder.journal, resumed(self, header, folder.journal)) as journal:
            try:
                result = self._train(journal, folder.id)
            except BaseException as error:
                refused = isinstance(error, (UsageError, NothingToTrain, ExecutionError)) and journal.last_checkpoint() is None
                folder.set_status("parked", reason=f"{type(error).__name__}: {error}"[:500], refused=refused)
                raise
            registry.facets.get("keep")(folder.path, result)
            folder.set_status("finished", sha256=result.sha256)
            return result

    def _folder(self, runs: Runs) -> Any:
        """The unfinished run of this name, or a new one."""
        if self.run is not None and self.resume is not False:
            for folder in reversed(runs.all()):
                if self.run in (folder.name, folder.id, str(folder.number)) and _unfinished(folder):
                    emit("resumed", run=folder.id)
                    return self._described(folder)
        name = self.run if self.run is not None and not self.run.isdigit() else None
        return self._described(runs.create(name))

    def _described(self, folder: Any) -> Any:
        """The folder, with how the run was started in its status."""
        if self.about:
            folder.set_status("unfinished", **self.about)
        return folder

    def _train(self, journal: RunJournal | None, run_id: str | None) -> Result:
        started = time.monotonic()
        checkpoint = journal.last_checkpoint() if journal is not None else None
        saved = checkpoint[1] if checkpoint is not None else None
        ledger = BudgetLedger.of_run(self.budget, saved["ledger"] if saved else None)
        session = Session(
            self.program, self.parameters, self.metric, self.optimizer, self.seed, self.workers, self.deadline,
            self.model, self.optimizer_model, journal, ledger, objective=self.objective,
        )  # fmt: skip
        if self.objective is not None:
            numbers = [placed.number for placed in self.validation_rows]
            session.measures = Measures.over(self.objective, numbers, saved["measures"] if saved else ())
        if self.reasons:
            emit("plan", reasons=list(self.reasons), frozen=list(self.frozen))
        emit(
            "run", id=run_id, parameters=list(self.parameters), optimizer=self.optimizer.describe(), rows=self._sizes(), seed=self.seed,
            model=str(getattr(self.model, "name", "")), budget=str(self.budget), calls=self.budget.calls, resumed=saved is not None,
            done=saved["state"]["calls"] if saved else 0, step=saved["state"]["step"] if saved else 0, tokens=ledger.total.tokens,
            curve=[mean_score(saved["baseline"])] + [e["after"] for e in saved["state"]["history"] if e["decision"] == "accepted"] if saved else [],
        )  # fmt: skip
        with session.open():
            before = from_json(self.parameters, saved["before"]) if saved else session.values()
            state = State.from_json(self.parameters, saved["state"]) if saved else self._baseline(session, before)
            scores = saved["baseline"] if saved else [state.seen[p.number] for p in self.validation_rows]
            session.calls = state.calls
            self._limit(session, state)
            state = self._search(session, state, before, scores)
            result = finish(self, session, state, before, scores, run_id)
            versions = session.versions()
        result.spent = {**result.spent, "seconds": round(time.monotonic() - started, 1)}
        if result.significant:
            deliver(self, result, versions, journal)
        emit("done", result=result)
        return result

    def _sizes(self) -> dict[str, int]:
        return {"train": len(self.train_rows), "validation": len(self.validation_rows), "test": len(self.test_rows)}

    def _baseline(self, session: Session, values: dict[str, Any]) -> State:
        """Score the values the run starts from on the validation rows."""
        found = baseline(self, session, values)
        seen = {int(item.item): item.score for item in found.items}
        state = State(0, dict(values), seen, self.optimizer.init(list(self.parameters.values())))
        state.calls = session.calls
        calls = session.calls / max(1, len(self.validation_rows))
        state.calls_per_row = max(1.0, calls) if calls else 0.0  # rows are free where only proposals ask a model
        scores = [seen[p.number] for p in self.validation_rows]
        again = asked_again(self, session, values, scores, state.calls_per_row)
        state.more, state.calls = ({"again": again} if again else {}), session.calls
        checked = preflight(scores, again)
        session.note("preflight", checked.to_json(), step=0)
        emit("baseline", score=found.score, items=found.items[:1], spent=spent_by(session), preflight=checked if self.paired else None)
        return self._saved(session, self.begun(state, found), values, scores)

    def _limit(self, session: Session, state: State) -> None:
        """The search's share of the calls: what the budget has, less one pass of the test for start and winner."""
        session.calls_per_row = state.calls_per_row
        if self.budget.calls is not None:
            session.limit = self.budget.calls - int(2 * len(self.test_rows) * state.calls_per_row + 0.999)

    def _search(self, session: Session, state: State, before: dict[str, Any], scores: list[float | None]) -> State:
        while not state.done:
            try:
                after = self.step(session, state)
            except BudgetExceeded as error:
                state.done = f"budget: {error}"
                break
            after.step, after.calls = state.step + 1, session.calls
            state = self._saved(session, after, before, scores)
            emit(
                "step",
                step=state.step,
                score=mean_score(state.scores([p.number for p in self.validation_rows])),
                calls=state.calls,
                limit=session.limit,
                spent=spent_by(session),
            )
        return state

    def _saved(
        self, session: Session, state: State, before: dict[str, Any], scores: list[float | None], ledger: dict[str, Any] | None = None
    ) -> State:
        """Checkpoint, and go on with exactly what a resumed run would read.

        Args:
            ledger: the ledger's state; None: as it is now.
        """
        data = state.to_json(self.parameters)
        if session.journal is not None:
            ledger = ledger or session.ledger.state()  # type: ignore[union-attr]
            whole = {"state": data, "before": to_json(self.parameters, before), "baseline": scores, "ledger": ledger}
            if session.measures is not None:
                whole["measures"] = session.measures.state()
            session.journal.checkpoint(whole, Coordinate(state.step, phase="checkpoint"))
        return State.from_json(self.parameters, data)


def _check(workers: Any, deadline: Any, seed: Any) -> None:
    """Plain numbers, named when they are wrong."""
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise UsageError(f"workers={workers!r}: write how many rows may run at once, 1 or more, or None")
    if deadline is not None and (isinstance(deadline, bool) or not isinstance(deadline, (int, float)) or not deadline > 0):
        raise UsageError(f"deadline={deadline!r}: write how many seconds a row may take, or None")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UsageError(f"seed={seed!r}: write a whole number")


def _unfinished(folder: Any) -> bool:
    """Whether a run can be gone on with: not finished, and not refused before its first checkpoint."""
    info = folder.info()
    return info["status"] != "finished" and not info.get("refused")
