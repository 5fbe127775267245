"""``tune``: a prompt file and a table of examples, made into a training task; and what it writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from paragrad.data import Dataset, read
from paragrad.data.describing import label_counts
from paragrad.errors import DataError, UsageError
from paragrad.guides.binding import bind_metric
from paragrad.optimizers import BootstrapFewShot, EditSearch, partition
from paragrad.registry import optimizers
from paragrad.runs.fitting import Task
from paragrad.runs.promptfile import Prompt, Prompted, bound, read_prompt, save
from paragrad.runs.records import write_text

SHARES = (0.5, 0.25, 0.25)
LONG = 40  # characters: a longer target is prose, and is judged by its words
ASKING = ("reflect", "optoprime", "textgrad", "opro")  # optimizers that ask a model, best first


@dataclass(frozen=True)
class Job:
    """A tuning job whose data and prompt fit together.

    Attributes:
        parts: training, validation and held-out rows.
        labels: the allowed answers; empty: any text.
        metric: a name or function; ``metric_name`` for people.
        notes: what looks wrong with the data.
    """

    data: Dataset
    prompt: Prompt
    parts: tuple[Dataset, ...]
    metric: Any
    metric_name: str
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The allowed answers."""
        return self.prompt.labels

    def task(self, *, model: Any, demos: int, max_tokens: int | None, optimizer_model: Any = None, **options: Any) -> Task:
        """The task; ``options`` are those of :func:`paragrad.fit`."""
        program = Prompted(self.prompt, demos, **({"max_tokens": max_tokens} if max_tokens else {}))
        chosen = options.pop("optimizer", None) or searcher(program, optimizer_model)
        train, validate, test = self.parts
        return Task(
            program, train, validate, test, metric=self.metric, model=model, optimizer=chosen, optimizer_model=optimizer_model, **options
        )  # fmt: skip


def prepare(
    data: str | Path, prompt: str | Path, *, input: Sequence[str] = (), target: str | None = None, metric: Any = None, seed: int = 0
) -> Job:
    """Read data and prompt, find the columns, choose the metric, split.

    Raises:
        UsageError, DataError: what does not fit together, and what to write instead.
    """
    rows, fitting, chosen = rows_for(data, prompt, input=input, target=target, metric=metric)
    name = bind_metric(chosen).name
    return Job(rows, fitting, split(rows, fitting.labels, seed), chosen, name, notes_of(rows))


def rows_for(
    data: str | Path, prompt: str | Path, *, input: Sequence[str] = (), target: str | None = None, metric: Any = None
) -> tuple[Dataset, Prompt, Any]:
    """Rows, the prompt fitted to their columns, and the metric.

    Raises:
        UsageError, DataError: what does not fit together, and what to write instead.
    """
    found = read_prompt(prompt)
    table = read(data)
    inputs = tuple(input) or found.names
    for name in input:
        table.column(name)
    if found.names:
        bound(found, table.columns, (), table.source)
    goal = target_of(table, inputs, target or found.target)
    inputs = inputs or tuple(name for name in table.columns if name != goal and not is_id(name))
    fitting = bound(found, table.columns, inputs, table.source)
    rows = read(data, input=list(fitting.names), target=goal)
    _refuse_missing(rows, goal)
    labels = found.labels or labels_of(rows, metric)
    return rows, replace(fitting, labels=labels, target=goal), metric or ("exact_match" if labels else default_metric(rows, goal))


def target_of(table: Dataset, inputs: Sequence[str], named: str | None) -> str:
    """The column of the wanted answer: as named, "target", or the only one that is left.

    Raises:
        UsageError: there is none, or more than one may be meant.
    """
    if named is not None:
        table.column(named)
        return named
    left = [name for name in table.columns if name not in inputs]
    if "target" in left:
        return "target"
    likely = [name for name in left if not is_id(name)] or left
    if len(likely) == 1 and inputs:
        return likely[0]
    if not likely:
        raise UsageError(
            f"every column of {table.source} is an input, so there is no wanted answer to learn from; columns: {', '.join(table.columns)}"
        )
    raise UsageError(
        f"which column holds the wanted answer? add --target {likely[-1]} (or {', '.join(likely[:-1]) or 'write {column} in the prompt'})"
    )


def is_id(name: str) -> bool:
    """Whether a column only names rows."""
    return name.lower() in ("id", "uuid", "index") or name.lower().endswith("_id")


def labels_of(rows: Dataset, metric: Any = None) -> tuple[str, ...]:
    """The targets as labels, when they are few and short and no numbers; the most common first."""
    values = [row.target for row in rows]
    if metric not in (None, "exact_match") or all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return ()
    return tuple(label for label, _ in label_counts(rows).most_common())


def default_metric(rows: Dataset, target: str) -> str:
    """For targets that are no labels: numbers by value, short texts exactly, prose by its words."""
    values = [row.target for row in rows]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "numeric"
    return "exact_match" if all(len(str(value)) <= LONG for value in values) else "f1"


def split(rows: Dataset, labels: Sequence[str], seed: int) -> tuple[Dataset, ...]:
    """Training, validation and held-out rows; equal inputs on one side, labels spread evenly.

    Raises:
        DataError: too few rows.
    """
    if len(rows) < 12:
        raise DataError(f"{rows.source} has {len(rows)} rows; at least 12 are needed to train, validate and test, and 100 to prove much")
    return rows.split(*SHARES, seed=seed, stratify="target" if labels else None)


def notes_of(rows: Dataset) -> tuple[str, ...]:
    """What looks wrong with the data."""
    return tuple(line.removeprefix("! ") for line in rows.describe().splitlines() if line.startswith("! "))


def bank() -> tuple[str, ...]:
    """General phrases a search may put into an instruction; a text file of this package."""
    return tuple(line for line in (files("paragrad.runs") / "phrases.txt").read_text("utf-8").splitlines() if line.strip())


def searcher(program: Prompted, optimizer_model: Any) -> Any:
    """The optimizer: one that asks ``optimizer_model`` for texts when there is one, else edits by phrases.

    Raises:
        UsageError: no optimizer of this version asks a model.
    """
    writer: Any = EditSearch(bank=bank())
    if optimizer_model is not None:
        named = next((name for name in ASKING if name in optimizers), None)
        if named is None:
            raise UsageError(
                "no optimizer of this version asks a model; leave --optimizer-model out: prompts are then edited phrase by phrase"
            )
        writer = optimizers.get(named)()
    return partition({"text": writer, "demos": BootstrapFewShot()}) if program.answer.demos is not None else writer


def write(result: Any, job: Job, folder: Path) -> list[Path]:
    """Write the tuned prompt, and the held-out rows that got worse; for a proven gain only.

    Raises:
        UsageError: a file cannot be written; each is whole or not there.
    """
    about = {
        "run": result.run_id, "seed": result.seed, "metric": job.metric_name, "models": dict(result.models),
        "held_out": result.to_json()["test"], "sha256": result.sha256,
    }  # fmt: skip
    prompt = replace(
        job.prompt, instruction=result.best.values["instruction"], demos=tuple(result.best.values.get("demos") or job.prompt.demos)
    )
    written = save(prompt, folder, about)
    broken = folder / "broken.csv"
    rows = _broken(result)
    if rows:
        write_text(broken, table_text(rows))
        written.append(broken)
    else:
        broken.unlink(missing_ok=True)
    return written


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _broken(result: Any) -> list[dict[str, Any]]:
    """Held-out rows with a lower score than before."""
    if result.test is None:
        return []
    pairs = list(zip(result.rows, result.test.before.items, result.test.after.items, strict=True))
    worse = [pairs[i] for i in result.test.comparison.broken]
    return [{"id": row.id, **row.inputs, "wanted": row.target, "before": a.output, "after": b.output} for row, a, b in worse]


def _refuse_missing(rows: Dataset, target: str) -> None:
    empty = [i for i, row in enumerate(rows) if row.target is None or row.target == ""]
    if empty:
        raise DataError(
            f"{len(empty)} of {len(rows)} rows have no {target!r}, the first is {rows.where(empty[0])}; fill them in or take the rows out"
        )
