"""Teaching: a teacher's runs on the rows that the student did not get right, as evidence for demos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from paragrad.context import Coordinate
from paragrad.llm import as_model, use
from paragrad.protocols.evidence import Candidate, ItemEvidence
from paragrad.trace.module import Module
from paragrad.trace.overlay import Overlay
from paragrad.trace.state import within
from paragrad.trainers.evaluation import Evaluation, all_right, run_row
from paragrad.trainers.failures import late_item, refuse_outage
from paragrad.trainers.rows import Placed

if TYPE_CHECKING:
    from paragrad.trainers.session import Session

TEACHER = 10_000  # the candidate under whose number a teacher's effects are recorded


def taught(
    session: Session, teacher: Any, base: Evaluation, rows: Mapping[Any, Placed], *, step: int, part: int = 0
) -> tuple[ItemEvidence, ...]:
    """The student's rows, with the teacher's run in place of every one that leaves something to wish for.

    A teacher uses no trainable Parameter and records no graph. Its calls count like the program's own, in a phase
    "teacher"; the rows that the student got right cost nothing.

    Args:
        teacher: a program; values by Parameter id; or a model (its name, or itself) that answers in place of the run's.
        rows: every row that was evaluated, by number.

    Raises:
        Outage: a row got no answer; nothing was decided.
    """
    assert session.threads is not None
    asked = [i for i, fine in enumerate(all_right(base.scores)) if not fine and base.items[i].item in rows]
    placed = [rows[base.items[i].item] for i in asked]
    program = teacher if isinstance(teacher, Module) else session.program

    def run(row: Placed) -> ItemEvidence:
        with _as_teacher(session, teacher):
            return run_row(program, row, session.metric)

    found = session.threads.map(
        run,
        placed,
        deadline=session.deadline,
        lookahead=max(1, len(placed)),
        scopes=lambda _, row: session._scope(Coordinate(step, TEACHER + part, row.number, phase="teacher")),
    )
    items = list(base.items)
    made: list[ItemEvidence] = []
    for index, outcome in found:
        made.append(outcome.value if outcome.ok and outcome.value is not None else late_item(placed[index], outcome.error))
        items[asked[index]] = made[-1]
    session.calls += Evaluation(tuple(made)).asked
    refuse_outage(made)
    return tuple(items)


@contextmanager
def _as_teacher(session: Session, teacher: Any) -> Iterator[None]:
    values = teacher.values if isinstance(teacher, Candidate) else teacher if isinstance(teacher, Mapping) else {}
    own = session.overlay({id: value for id, value in values.items() if id in session.parameters})
    with within(overlay=Overlay(own, trainable=False, label="teacher"), record=False):
        if isinstance(teacher, (Module, Mapping, Candidate)):
            yield
        else:
            with use(as_model(teacher)):
                yield
