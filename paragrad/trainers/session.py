"""Session: everything one run shares, and the ways its trainer may act on the world."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from random import Random
from threading import Event
from typing import Any

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import NotConnected, ProposalError, UsageError
from paragrad.events import emit
from paragrad.executors import Threads
from paragrad.guides.binding import BoundMetric
from paragrad.llm import as_model, use
from paragrad.optimizers.base import Transform
from paragrad.optimizers.carrying import GRAPH, carriers
from paragrad.optimizers.collected import with_peers
from paragrad.protocols.evidence import Candidate, Evidence, ItemEvidence
from paragrad.protocols.journal import Journal, Ledger
from paragrad.trace.module import Module
from paragrad.trace.overlay import Overlay, guarded, overlaid, pinned
from paragrad.trace.parameter import Parameter
from paragrad.trace.state import STATE
from paragrad.trainers.blaming import blamed
from paragrad.trainers.evaluation import Evaluation, counted, run_row
from paragrad.trainers.failures import late_item, refuse_late, refuse_outage
from paragrad.trainers.fronts import Measures, weighed
from paragrad.trainers.jobs import Halted, Job, Values
from paragrad.trainers.objective import Objective
from paragrad.trainers.rows import Placed
from paragrad.trainers.slopes import slopes_of
from paragrad.trainers.teaching import taught


@dataclass(frozen=True)
class _Run:
    job: Job
    placed: Placed
    overlay: Overlay


@dataclass
class Session:
    """One run in progress.

    Attributes:
        parameters: trained Parameters by id.
        calls: model calls asked for so far, answered from a cache or not; decisions depend on this
            count and never on what a cache happened to hold.
        asked: those of them that optimizer and critic asked for.
        sought, proposed: how often the optimizer was asked for candidates, and how many it gave that change anything.
        limit: how many calls the search may use, the held-out test's share taken off.
        halted: set when a part of the run failed, so that parts beside it pay for nothing more.
        placed: every row that was evaluated, by number.
        within: the scope around every effect of this part; once closed, it has no more effects.
        objective: what scores are made of, when it is more than the metric; ``measures``: what it measured so far.
    """

    program: Module
    parameters: dict[str, Parameter[Any]]
    metric: BoundMetric
    optimizer: Transform
    seed: int = 0
    workers: int = 16
    deadline: float | None = 120.0
    model: Any = None
    optimizer_model: Any = None
    journal: Journal | None = None
    ledger: Ledger | None = None
    calls: int = 0
    asked: int = 0
    sought: int = 0
    proposed: int = 0
    calls_per_row: float = 0.0
    limit: int | None = None
    base: Overlay | None = None
    threads: Threads | None = field(default=None, repr=False)
    halted: Event = field(default_factory=Event, repr=False)
    placed: dict[Any, Placed] = field(default_factory=dict, repr=False)
    within: Scope | None = field(default=None, repr=False)
    objective: Objective | None = None
    measures: Measures | None = field(default=None, repr=False)

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Pin the values the run starts from, guard the trained Parameters, start the workers."""
        _refuse_teacher()
        with ExitStack() as stack:
            if self.model is not None:
                stack.enter_context(use(self.model))
            every = [*self.program.named_parameters().values(), *self.parameters.values()]
            self.base = stack.enter_context(pinned(every, "run"))
            stack.enter_context(guarded(self.parameters.values()))
            self.threads = stack.enter_context(Threads(self.workers))
            yield self

    def values(self) -> dict[str, Any]:
        """The values the run starts from."""
        return {id: parameter.value for id, parameter in self.parameters.items()}

    def versions(self) -> dict[str, int]:
        """The versions of the trained Parameters that the run is based on."""
        assert self.base is not None
        return {id: self.base.base[parameter._cell] for id, parameter in self.parameters.items()}

    def overlay(self, values: Values) -> Overlay:
        """A context in which the program has these values."""
        made = Overlay(self.base)
        for id, value in values.items():
            parameter = self.parameters[id]
            made.set(parameter, parameter.checked(value))
        return made

    # --- effects -----------------------------------------------------------------------------------

    def evaluate(
        self, values: Values, rows: Sequence[Placed], *, step: int, candidate: int = 0, label: str = "", learn: bool = False
    ) -> Evaluation:
        """Run the program with ``values`` on ``rows``; see :meth:`evaluate_all`.

        Args:
            learn: keep what :meth:`propose` needs, when the optimizer reads graphs or gradients.
        """
        return self.evaluate_all([Job(values, rows, candidate, label, record=learn and self.learns)], step=step)[0]

    @property
    def learns(self) -> bool:
        """Whether the optimizer reads graphs or what flows back over them."""
        return bool(GRAPH & self.optimizer.needs)

    def evaluate_all(self, jobs: Sequence[Job], *, step: int) -> list[Evaluation]:
        """Run several candidates on their rows, all at once; results in the order of jobs and rows.

        Raises:
            Outage: some row got no answer; nothing was decided, and a resumed run asks for those rows only.
            BudgetExceeded: the evaluation was not finished; nothing of it counts.
            MetricError: the metric failed.
        """
        assert self.threads is not None
        self._refuse_late()
        self.placed.update((placed.number, placed) for job in jobs for placed in job.rows)
        self._admit(sum(len(job.rows) for job in jobs) * self.calls_per_row)
        overlays = [self.overlay(job.values) for job in jobs]
        tasks = [_Run(job, placed, made) for job, made in zip(jobs, overlays, strict=True) for placed in job.rows]
        found = self.threads.map(
            self._run,
            tasks,
            deadline=self.deadline,
            lookahead=max(1, len(tasks)),
            scopes=lambda _, task: self._scope(Coordinate(step, task.job.candidate, task.placed.number, task.job.repeat)),
        )
        items: list[ItemEvidence] = []
        for index, outcome in found:
            item = outcome.value if outcome.ok else late_item(tasks[index].placed, outcome.error)
            assert item is not None
            items.append(item)
            emit("row", label=tasks[index].job.label, done=len(items), of=len(tasks), score=item.score, item=item)
        self._count(counted(items, self.optimizer_model or self.optimizer.model))
        refuse_outage(items)
        cuts = list(accumulate((len(job.rows) for job in jobs), initial=0))
        kept = [made if job.record else None for job, made in zip(jobs, overlays, strict=True)]
        parts = [weighed(self, job, items[first:last]) for job, (first, last) in zip(jobs, pairwise(cuts), strict=True)]
        return [Evaluation(tuple(part), overlay=made) for part, made in zip(parts, kept, strict=True)]

    def _run(self, task: _Run) -> ItemEvidence:
        with overlaid(task.overlay):
            timed = self.objective is not None and self.objective.timed
            return run_row(self.program, task.placed, self.metric, record=task.job.record, reach=task.job.reach, timed=timed)

    def propose(
        self, values: Values, base: Evaluation, state: Any, *, step: int, n: int, part: int = 0, history: Sequence[Candidate] = ()
    ) -> tuple[list[Candidate], Any]:
        """Candidates of the optimizer on ``values``, checked against spaces and constraints.

        Args:
            base: what these values did on some rows, evaluated with ``learn=True``.
            part: which of several proposals of one step this is.
        """
        self._refuse_late()
        base = self.blamed(base, step=step, part=part)
        teacher = self._teacher(base, step, part)
        at = self._scope(Coordinate(step, part, phase="optimizer"))
        with scope(at), overlaid(self.overlay(values)):
            known = with_peers(self.parameters.values())
            parameters = {id: replace(p, trainable=id in self.parameters, gradients=base.gradients.get(id, ())) for id, p in known.items()}
            random = Random(at.at.seed(self.seed))
            evidence = Evidence(parameters, base.items, tuple(history), random, teacher)
            candidates, state = self.optimizer.propose(evidence, state, n=min(n, self.optimizer.per_step or n), ask=self._ask)
            checked = [c for c in map(self._accepted, candidates) if c is not None]
        self._count_asked(at)
        self.sought += 1
        self.proposed += sum(bool(candidate.changed()) for candidate in checked)
        return checked, state

    def _teacher(self, base: Evaluation, step: int, part: int) -> tuple[ItemEvidence, ...]:
        """A teacher's runs on the same rows, where the optimizer wants them; the student's own where it names no teacher."""
        if "teacher" not in self.optimizer.needs:
            return ()
        given = getattr(self.optimizer, "teacher", None)
        return base.items if given is None else taught(self, given, base, self.placed, step=step, part=part)

    def _count_asked(self, at: Scope) -> None:
        calls = at.spent.total()["calls"]
        self.asked += calls
        self._count(calls)

    def _count(self, calls: int) -> None:
        """Calls asked for, answered from a cache or not; a part of a run stops where its allotment ends."""
        self.calls += calls
        self._admit(0)

    def _admit(self, calls: float) -> None:
        """Refuse a stage that does not fit the allotment of this part of the run, before any of it is paid for."""
        if (check := getattr(self.ledger, "check", None)) is not None:
            check(self.calls + int(calls))

    def blamed(self, found: Evaluation, *, step: int, part: int = 0, ask: bool = True) -> Evaluation:
        """Recorded rows with what flowed back over their graphs, which are let go.

        Args:
            ask: whether a critic is asked, when the optimizer reads gradients; else words flow as they are.
        """
        if found.overlay is None:
            return found
        needs = self.optimizer.needs if ask else frozenset({"blame"})
        model = self._writer() if "gradients" in needs else None
        carried = carriers(needs, getattr(self.optimizer, "critic", None), model)
        at = self._scope(Coordinate(step, part, phase="critic"))
        with scope(at), overlaid(found.overlay):
            slopes = slopes_of(self, found) if "numbers" in needs else {}
            after = blamed(self.parameters, found, carried, every="operands" in needs, slopes=slopes)
        self._count_asked(at)
        return after

    def _accepted(self, candidate: Candidate) -> Candidate | None:
        """The candidate with checked values, or None when a space or constraint refuses it."""
        try:
            return replace(candidate, values={id: self.parameters[id].accepts(value) for id, value in candidate.values.items()})
        except ProposalError as error:
            emit("warning", text=f"a proposal was refused: {error}")
            return None

    def _ask(self, prompt: Any, **request: Any) -> str:
        return str(self._writer()(prompt, **request))

    def _writer(self) -> Any:
        """The model that writes proposals.

        Raises:
            NotConnected: none was given.
        """
        if self.optimizer_model is None and self.optimizer.model is None:
            raise NotConnected(f"{self.optimizer.describe()} asks a model to write proposals; give optimizer_model=")
        return as_model(self.optimizer_model if self.optimizer_model is not None else self.optimizer.model)

    def branch(self, ledger: Any = None) -> Session:
        """The same run for a part that goes on beside others; counts its own calls."""
        around = Scope(Coordinate(), seed=self.seed)
        measures = self.measures.fresh() if self.measures is not None else None
        return replace(
            self,
            calls=0,
            asked=0,
            sought=0,
            proposed=0,
            ledger=ledger if ledger is not None else self.ledger,
            within=around,
            measures=measures,
        )

    def _refuse_late(self) -> None:
        if self.halted.is_set():
            raise Halted
        refuse_late(self.ledger)

    def _scope(self, at: Coordinate) -> Scope:
        made = Scope(at, seed=self.seed, journal=self.journal, ledger=self.ledger)
        made.parent = self.within
        return made

    def affords(self, calls: float) -> bool:
        """Whether ``calls`` more fit the search's share."""
        return self.limit is None or self.calls + calls <= self.limit

    def note(self, kind: str, payload: Any, *, step: int, candidate: int = 0) -> None:
        """Put a decision on record."""
        if self.journal is not None:
            self.journal.note(Coordinate(step, candidate, phase=kind), kind, payload)


def _refuse_teacher() -> None:
    over = STATE.get().overlay
    while over is not None:
        if not over.trainable:
            raise UsageError("a run was started inside pg.teacher(), where nothing is trained; start it outside the block")
        over = over.outer
