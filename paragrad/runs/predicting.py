"""Answers for every row of a table: written row by row, continued where it stopped, complete or not there.

While it goes on, answers stand in ``OUT.part`` with ``OUT.part.json`` beside it, which says what they
are answers of. When the last row is done, ``OUT.part`` becomes ``OUT``.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paragrad.context import Coordinate, Scope
from paragrad.data import Dataset
from paragrad.errors import ExecutionError, UsageError
from paragrad.executors import Threads
from paragrad.llm import BudgetLedger, use
from paragrad.runs.records import write_text
from paragrad.trace.module import Module

FORMS = (".csv", ".jsonl")


@dataclass
class Sheet:
    """The answers so far, on disk.

    Args:
        path: the final file, .csv or .jsonl.
        columns: the columns of a row, in order.
        identity: what the answers depend on, part to digest.
    """

    path: Path
    columns: Sequence[str]
    identity: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.path.suffix not in FORMS:
            raise UsageError(f"-o {self.path}: the ending must be .csv or .jsonl")
        if self.path.exists():
            raise UsageError(f"{self.path} is there already and complete; nothing is overwritten, name another file")
        if not self.path.parent.is_dir():
            raise UsageError(f"{self.path}: there is no folder {self.path.parent}; make it first")
        self.part = self.path.with_name(self.path.name + ".part")
        self.note = self.path.with_name(self.path.name + ".part.json")

    def begin(self) -> int:
        """How many rows are done. A last row that was cut off is taken away.

        Raises:
            UsageError: the unfinished file is of another prompt, model or table.
        """
        if not self.part.exists() or not self.note.exists():
            write_text(self.note, json.dumps(dict(self.identity), indent=1) + "\n")
            write_text(self.part, self._line(self.columns) if self.path.suffix == ".csv" else "")
            return 0
        before = json.loads(self.note.read_text("utf-8"))
        other = sorted(name for name in {*before, *self.identity} if before.get(name) != self.identity.get(name))
        if other:
            raise UsageError(f"{self.part} holds answers of another {' and '.join(other)}; name another -o, or remove it")
        data = self.part.read_bytes()
        ends = record_ends(data, quoted=self.path.suffix == ".csv")
        if not ends or ends[-1] != len(data):
            with self.part.open("r+b") as file:
                file.truncate(ends[-1] if ends else 0)
        return len(ends) - (self.path.suffix == ".csv")

    def add(self, row: Mapping[str, Any]) -> None:
        """One more row, in one write that reaches the disk."""
        if self.path.suffix == ".csv":
            text = self._line([row[name] for name in self.columns])
        else:
            text = json.dumps({name: row[name] for name in self.columns}, ensure_ascii=False, default=str) + "\n"
        held = os.open(self.part, os.O_WRONLY | os.O_APPEND)
        try:
            data = text.encode()
            if os.write(held, data) != len(data):
                raise OSError(28, "No space left on device", str(self.part))
        finally:
            os.close(held)

    def finish(self) -> None:
        """The whole file under its name."""
        with self.part.open("rb") as file:
            os.fsync(file.fileno())
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)

    def _line(self, cells: Sequence[Any]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(["" if cell is None else cell for cell in cells])
        return text.getvalue()


def record_ends(data: bytes, *, quoted: bool) -> list[int]:
    """Where the complete records of a file end; in CSV a line break between quotes ends none."""
    ends, inside = [], False
    for place, byte in enumerate(data):
        if quoted and byte == 34:
            inside = not inside
        elif byte == 10 and not inside:
            ends.append(place + 1)
    return ends


def predict(
    program: Module,
    rows: Dataset,
    sheet: Sheet,
    *,
    model: Any = None,
    answer: str = "answer",
    workers: int | None = None,
    budget: Any = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Answer the rows that are not answered yet, in order.

    A row the program fails on gets an empty answer and the reason in the column ``error``.

    Returns:
        Counts: rows, before, failed, calls, tokens.

    Raises:
        Outage: the model went away; what was answered is kept.
        UsageError: another process is at the same file.
    """
    ledger = BudgetLedger.of_run(budget)
    with _alone(sheet):
        before = failed = sheet.begin()
        failed = 0
        told(before, len(rows))
        todo = [rows[index] for index in range(before, len(rows))]
        with use(model) if model is not None else nullcontext(), Threads(workers or 16) as threads:
            found = threads.map(
                lambda row: program.predict(**dict(row.inputs)),
                todo,
                scopes=lambda index, _: Scope(Coordinate(item=before + index), ledger=ledger),
            )
            for index, outcome in found:
                if outcome.error is not None and not isinstance(outcome.error, ExecutionError):
                    raise outcome.error
                failed += outcome.error is not None
                sheet.add(_row(rows, before + index, answer, outcome))
                told(before + index + 1, len(rows))
        sheet.finish()
    total = ledger.total
    return {
        "rows": len(rows),
        "before": before,
        "failed": failed,
        "calls": total.calls,
        "tokens": total.tokens,
        "usd": total.usd,
        "cached": total.cached_calls,
    }


@contextmanager
def _alone(sheet: Sheet) -> Iterator[None]:
    """Hold the sheet's lock; it dies with the process."""
    import fcntl

    lock = sheet.part.with_name(sheet.part.name + ".lock")
    held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
        lock.unlink(missing_ok=True)
    except BlockingIOError as error:
        raise UsageError(f"another process is writing {sheet.part}; wait for it, or name another -o") from error
    finally:
        os.close(held)


def _row(rows: Dataset, index: int, answer: str, outcome: Any) -> dict[str, Any]:
    row = rows[index]
    values: dict[str, Any] = {**row.meta, **row.inputs}
    error = None if outcome.error is None else " ".join(str(outcome.error).split())[:300]
    return {**values, answer: None if error is not None else outcome.value, "error": error}
