"""Records: what a finished run leaves in its folder for people, beside the journal: ``result.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paragrad.checkpoints.atomic import put, replacing
from paragrad.errors import JournalError
from paragrad.protocols.data import Row
from paragrad.protocols.evidence import ItemEvidence
from paragrad.protocols.shares import are_shares
from paragrad.trainers.result import HeldOut, Result

FILE = "result.json"


def record_of(result: Result) -> dict[str, Any]:
    """A result as JSON-like data: ``Result.to_json`` with the clock, the digest, every diff, and every row."""
    spaces = result.best.spaces
    diffs = {id: spaces[id].diff(result.best.before[id], result.best.values[id]) for id in result.best.changed()}
    specs = {id: parameter.space.spec() for id, parameter in result.parameters.items()}
    whole = result.to_json() | {
        "run_id": result.run_id,
        "sha256": result.sha256,
        "spent": dict(result.spent),
        "diffs": diffs,
        "specs": specs,
        "preflight": dict(result.preflight),
        "rows": _rows(result.test, result.rows) if result.test is not None else [],
    }
    plain: dict[str, Any] = json.loads(json.dumps(whole, default=str))
    return plain


def keep(folder: Path, result: Result) -> None:
    """Write the record into the run's folder: all of it or nothing."""
    write_text(folder / FILE, json.dumps(record_of(result), ensure_ascii=False, indent=1) + "\n")


def recorded(folder: Path) -> dict[str, Any] | None:
    """The record of a finished run, None where there is none yet.

    Raises:
        JournalError: the file is damaged.
    """
    file = folder / FILE
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise JournalError(f"{file} cannot be read: {error}; the run's folder was damaged") from error
    return dict(found) if isinstance(found, dict) else None


def write_text(path: Path, text: str) -> None:
    """Write a text file: the new content or the old one, never half.

    Raises:
        DataError: it cannot be written.
    """
    with replacing(path) as file:
        put(file, text.encode())


def shares_of(record: Mapping[str, Any]) -> bool:
    """Whether a run's scores are shares of 1: those of its rows, and the means of everything it tried."""
    test = record.get("test") or {}
    passes = [record.get("baseline"), record.get("score"), test.get("before"), test.get("after")]
    means = [entry.get(name) for entry in record.get("history") or () for name in ("before", "after")]
    rows = [row[name]["score"] for row in record.get("rows") or () for name in ("before", "after")]
    known = [*(one["score"] for one in passes if one), *rows, *(mean for mean in means if isinstance(mean, float | int))]
    return are_shares(*known)


def _rows(test: HeldOut, rows: Any) -> list[dict[str, Any]]:
    """The held-out rows with both answers."""
    return [_row(row, a, b) for row, a, b in zip(rows, test.before.items, test.after.items, strict=True)]


def _row(row: Row, before: ItemEvidence, after: ItemEvidence) -> dict[str, Any]:
    inputs: dict[str, Any] = dict(row.inputs)
    return {"id": row.id, "inputs": inputs, "target": row.target, "before": _answer(before), "after": _answer(after)}


def _answer(item: ItemEvidence) -> dict[str, Any]:
    return {"output": item.output, "score": item.score, "feedback": item.feedback}
