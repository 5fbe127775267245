"""LookAhead: a search whose rounds overlap, and whose result does not depend on timing.

A round is planned from what is known, as plain data; explored in a thread of its own, at coordinates
of its own; and decided on in the order of the rounds. How many rounds may be under way is a property of
the algorithm and never of the machine, so one worker and sixty-four come to the same bytes. Checkpoints
hold the plans under way, and a resumed run explores them again, answered from the journal.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, replace
from threading import Thread
from time import monotonic
from typing import Any

from paragrad.errors import BudgetExceeded
from paragrad.events import emit
from paragrad.llm.share import Share, plus
from paragrad.protocols.evidence import Candidate
from paragrad.trainers import lanes
from paragrad.trainers.base import AlgorithmBase
from paragrad.trainers.evaluation import Evaluation, mean_score
from paragrad.trainers.finishing import spent_by
from paragrad.trainers.jobs import Halted
from paragrad.trainers.observations import observed
from paragrad.trainers.session import Session
from paragrad.trainers.state import State, plain_state

MARGIN = 1.25  # what a round may take beyond its plan
GRACE = 5.0  # seconds an ending run waits for answers that are on their way


@dataclass(frozen=True)
class Round:
    """One round under way; plain data.

    Attributes:
        number: of the round, its step in every coordinate. ``lane``: whose optimizer state it has.
        plan: what the algorithm planned. ``optimizer``: the lane's state at the start.
        allotted: calls it may take at most; None: not limited.
    """

    number: int
    lane: int
    plan: Any
    optimizer: Any
    allotted: int | None = None


@dataclass(frozen=True)
class Found:
    """What a round came to.

    Attributes:
        result: for the algorithm's ``decide``. ``optimizer``: the optimizer's state after it.
        news: candidates and their evaluations, told to every lane.
        calls, asked: model calls, and those of them that optimizer and critic asked for; filled in by the engine.
        barren: whether the optimizer was asked for candidates and gave none; filled in by the engine.
    """

    result: Any
    optimizer: Any
    news: Sequence[tuple[Candidate, Evaluation]] = ()
    calls: int = 0
    asked: int = 0
    barren: bool = False


class LookAhead(AlgorithmBase):
    """What algorithms with overlapping rounds write: ``plan``, ``explore``, ``decide``.

    Class attributes: ``depth``, how many rounds may be under way at once; ``barren``, rounds in a row for which the
    optimizer may have no candidate before the search is given up.
    """

    depth = 6
    barren = 5

    def plan(self, session: Session, state: State, number: int, rows: float) -> Mapping[str, Any] | None:
        """What the round is to do, as plain data with all that it needs; None: nothing until a round is decided.

        Args:
            rows: how many rows it may evaluate; at least ``least_rows()``. The plan says under "rows" how many it will at most.
        """
        raise NotImplementedError(f"{type(self).__name__} must plan its rounds: def plan(self, session, state, number, rows)")

    def explore(self, session: Session, plan: Mapping[str, Any], optimizer: Any, number: int) -> Found:
        """Do it. Runs beside other rounds: everything comes from the arguments, and effects go through ``session``."""
        raise NotImplementedError(f"{type(self).__name__} must explore: def explore(self, session, plan, optimizer, number)")

    def decide(self, session: Session, state: State, plan: Mapping[str, Any], found: Found, number: int) -> State:
        """The state after a round; called in the order of the rounds."""
        raise NotImplementedError(f"{type(self).__name__} must decide: def decide(self, session, state, plan, found, number)")

    def finished(self, session: Session, state: State) -> str:
        """Why no further round is worth it, or ""."""
        return ""

    def conclude(self, session: Session, state: State) -> State:
        """The state after the last round; here validation may be completed."""
        return state

    def width(self, state: State) -> int:
        """How many rounds may be under way now, at most ``depth``."""
        return self.depth

    def closing_rows(self, state: State) -> float:
        """Rows that ``conclude`` may score; kept back from the search."""
        return 0.0

    # --- the engine --------------------------------------------------------------------------------

    def _search(self, session: Session, state: State, before: dict[str, Any], scores: list[float | None]) -> State:
        if "ahead" not in state.more:
            state = replace(
                state,
                more={**state.more, "ahead": {"rounds": [], "next": 1, "asked": 0, "lanes": lanes.opened(state.optimizer, self.depth)}},
            )
        settled = session.ledger.state()  # type: ignore[union-attr]
        line = Line(self, session)
        try:
            for saved in state.more["ahead"]["rounds"]:
                line.start(Round(**saved))
            while True:
                state = self._filled(line, session, state)
                if not line:
                    break
                current, found, share = line.next()
                session.calls += found.calls
                settled = plus(settled, share)
                state = self._saved(session, self._decided(session, state, current, found), before, scores, settled)
                known = [state.seen.get(p.number) for p in self.validation_rows]
                emit("step", step=state.step, score=mean_score(known), calls=state.calls, limit=session.limit, spent=spent_by(session))
        except BudgetExceeded as error:
            state = replace(state, done=f"budget: {error}")
        finally:
            line.stop()
        if not state.more["ahead"].get("concluded"):
            state = self.conclude(session, state)
            ahead = {**state.more["ahead"], "rounds": [], "concluded": True}
            state = self._saved(
                session, replace(state, step=state.step + 1, calls=session.calls, more={**state.more, "ahead": ahead}), before, scores
            )
        return state

    def _filled(self, line: Line, session: Session, state: State) -> State:
        """Start rounds until the look-ahead is full, the budget is spoken for, or nothing is left to do."""
        while not state.done and len(line) < (1 if state.more["ahead"].get("barren") else self.width(state)):
            reason = self.finished(session, state) or self._given_up(state)
            rows = self._room(session, state)
            if not reason and rows < self.least_rows():
                if line:
                    break
                needed = self.least_rows() * state.calls_per_row
                reason = f"budget: {session.calls} calls used, the next round may take {needed:.0f} of {session.limit} for the search"
            number = state.more["ahead"]["next"]
            plan = self.plan(session, state, number, rows) if not reason else None
            if plan is None:
                done = reason or ("" if line else "there is nothing more to try")
                return replace(state, done=done)
            state = self._started(line, state, number, plain_state(plan), self._allotted(session, state, plan))
        return state

    def _given_up(self, state: State) -> str:
        rounds = state.more["ahead"].get("barren", 0)
        return f"the optimizer had nothing to propose in {rounds} rounds" if rounds >= self.barren else ""

    def _left(self, session: Session, state: State) -> float:
        """Calls that are left beside the rounds under way and the conclusion."""
        if session.limit is None:
            return math.inf
        spoken_for = sum(one["allotted"] for one in state.more["ahead"]["rounds"]) + self.closing_rows(state) * state.calls_per_row
        return float(session.limit - session.calls - spoken_for)

    def _room(self, session: Session, state: State) -> float:
        """Rows that fit what is left, with as much asking as the round that asked most."""
        left = self._left(session, state) - state.more["ahead"]["asked"]
        return left / state.calls_per_row if state.calls_per_row else math.inf if left > 0 else 0.0

    def _allotted(self, session: Session, state: State, plan: Mapping[str, Any]) -> int | None:
        """Calls that a round may take at most: more than planned while there is plenty, so that rounds never meet at the ledger's end."""
        left = self._left(session, state)
        if left == math.inf:
            return None
        planned = plan["rows"] * state.calls_per_row + state.more["ahead"]["asked"]
        return int(min(left, max(MARGIN * planned, left / (2 * self.depth))))

    def _started(self, line: Line, state: State, number: int, plan: Any, allotted: int | None) -> State:
        ahead = state.more["ahead"]
        taken = {one["lane"] for one in ahead["rounds"]}
        lane = next(i for i in range(self.depth) if i not in taken)
        optimizer, opened = lanes.take(ahead["lanes"], lane, self.optimizer, self.parameters)
        current = Round(number, lane, plan, plain_state(optimizer), allotted)
        line.start(current)
        rounds = [*ahead["rounds"], vars(current)]
        return replace(state, more={**state.more, "ahead": {**ahead, "rounds": rounds, "next": number + 1, "lanes": opened}})

    def _decided(self, session: Session, state: State, current: Round, found: Found) -> State:
        ahead = state.more["ahead"]
        news = [observed(self.parameters, candidate, evaluation) for candidate, evaluation in found.news]
        rounds = [one for one in ahead["rounds"] if one["number"] != current.number]
        opened = lanes.told(ahead["lanes"], current.lane, found.optimizer, news)
        barren = ahead.get("barren", 0) + 1 if found.barren else 0 if found.news else ahead.get("barren", 0)
        ahead = {**ahead, "rounds": rounds, "asked": max(ahead["asked"], found.asked), "barren": barren, "lanes": opened}
        state = replace(state, step=state.step + 1, calls=session.calls, more={**state.more, "ahead": ahead})
        return self.decide(session, state, current.plan, found, current.number)


class Line:
    """Rounds under way, oldest first, each in its own thread."""

    def __init__(self, algorithm: LookAhead, session: Session) -> None:
        self.algorithm = algorithm
        self.session = session
        self._waiting: deque[tuple[Round, Session, Future[Found], Thread]] = deque()
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self, current: Round) -> None:
        """Begin a round."""
        share = Share(self.session.ledger, current.allotted)
        branch = self.session.branch(share)
        future: Future[Found] = Future()
        context = copy_context()
        thread = Thread(target=context.run, args=(self._explore, current, branch, future), daemon=True, name=f"round-{current.number}")
        self._waiting.append((current, branch, future, thread))
        thread.start()

    def next(self) -> tuple[Round, Found, Share]:
        """The oldest round, once it is done; its error is raised."""
        current, branch, future, _ = self._waiting[0]
        try:
            found = future.result()
        except Halted:
            raise self._error from None  # type: ignore[misc]
        self._waiting.popleft()
        if self.session.measures is not None and branch.measures is not None:
            self.session.measures.absorb(branch.measures)
        return current, found, branch.ledger  # type: ignore[return-value]

    def stop(self) -> None:
        """Let rounds that are still under way have no further effect, and wait a little until answers on their way are recorded."""
        self.session.halted.set()
        for _, branch, _, _ in self._waiting:
            branch.within.close()  # type: ignore[union-attr]
        end = monotonic() + GRACE
        for _, _, _, thread in self._waiting:
            thread.join(max(0.0, end - monotonic()))
        self._waiting.clear()
        self.session.halted.clear()

    def _explore(self, current: Round, branch: Session, future: Future[Found]) -> None:
        try:
            found = self.algorithm.explore(branch, current.plan, current.optimizer, current.number)
            barren = branch.sought > 0 and branch.proposed == 0
            future.set_result(replace(found, calls=branch.calls, asked=branch.asked, barren=barren))
        except BaseException as error:  # noqa: BLE001 - raised when the round's turn comes
            if not isinstance(error, BudgetExceeded):  # rounds before it may still be paid for, and count
                self._error = self._error or error
                self.session.halted.set()
            future.set_exception(error)
