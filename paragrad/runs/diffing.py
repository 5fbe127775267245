"""What differs between two runs, two prompt files or two saved folders; and two runs compared row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paragrad.data.reading import decode
from paragrad.errors import UsageError
from paragrad.journal.runs import Runs
from paragrad.runs.records import recorded, shares_of
from paragrad.spaces import from_spec
from paragrad.spaces.wording import diff_text
from paragrad.trainers.statistics import Comparison, compare

Record = Mapping[str, Any]

START = "start"


def side(which: str, home: Path) -> dict[str, Any]:
    """One side of a difference: a file's text, a folder's texts, or a finished run's values (``RUN:start``: those before).

    Raises:
        UsageError: it is none of these.
    """
    path = Path(which)
    if path.is_file():
        return {path.name: decode(path)}
    if path.is_dir():
        return {file.name: decode(file) for file in sorted(path.iterdir()) if file.suffix in (".md", ".txt", ".json", ".jsonl", ".py")}
    name, _, stage = which.partition(":")
    if not Runs(home).all() or "/" in which or "." in which:
        raise UsageError(f"{which[:80]!r} is no file, no folder and no run; looked in {Path.cwd()} and {home}")
    record = finished(name, home)
    return values_of(record, START if stage == START else "after")


def finished(which: str | None, home: Path) -> dict[str, Any]:
    """The record of a finished run; None: the latest one.

    Raises:
        UsageError: the run is not finished.
        UnknownName: no such run.
    """
    runs = Runs(home)
    if which is None:
        done = [run for run in runs.all() if run.status == "finished"]
        if not done:
            raise UsageError(f"there is no finished run in {home}; begin with  paragrad demo")
        folder = done[-1]
    else:
        folder = runs.find(which)
    record = recorded(folder.path)
    if record is None:
        raise UsageError(f"run {folder.id} is {folder.status}, so it has no result yet; go on with it:  paragrad resume {folder.number}")
    return record


def values_of(record: Record, stage: str = "after") -> dict[str, Any]:
    """Parameter id to (value, space)."""
    found = {}
    for id, both in record["parameters"].items():
        space = from_spec(record["specs"][id])
        stored = both["before" if stage == START else "after"]
        found[id] = (space.decode(stored.encode() if isinstance(stored, str) else _base64(stored)), space)
    return found


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, str]:
    """Name to difference, for what both have and for what only one has. Two single texts are compared whatever they are called."""
    if len(a) == len(b) == 1 and set(a) != set(b):
        (first, one), (second, other) = next(iter(a.items())), next(iter(b.items()))
        a, b = {f"{first} → {second}": one}, {f"{first} → {second}": other}
    found = {}
    for name in [*a, *(n for n in b if n not in a)]:
        text = _difference(a.get(name), b.get(name))
        if text:
            found[name] = text
    return found


def compared(a: Record, b: Record) -> tuple[Comparison, list[tuple[Record, Record]]]:
    """Two finished runs on the held-out rows both have, and those rows, in pairs.

    Raises:
        UsageError: they share no held-out row.
    """
    first = {_key(row): row for row in a.get("rows") or ()}
    pairs = [(first[_key(row)], row) for row in b.get("rows") or () if _key(row) in first]
    if not pairs:
        raise UsageError(
            f"runs {a['run_id']} and {b['run_id']} share no held-out row, so they cannot be compared; use the same data and seed"
        )
    bounded = shares_of(a) and shares_of(b)
    return compare([x["after"]["score"] for x, _ in pairs], [y["after"]["score"] for _, y in pairs], bounded=bounded), pairs


def _key(row: Record) -> str:
    return json.dumps([row["inputs"], row["target"]], sort_keys=True, default=str)


def _difference(a: Any, b: Any) -> str:
    if a is None or b is None:
        return "only in the first" if b is None else "only in the second"
    if isinstance(a, tuple) and isinstance(b, tuple):
        (old, before), (new, after) = a, b
        return str(after.diff(old, new)) if before.kind == after.kind else f"{before.kind} → {after.kind}"
    return diff_text(_words(a), _words(b))


def _words(value: Any) -> str:
    return value if isinstance(value, str) else str(value[1].show(value[0]))


def _base64(stored: Mapping[str, str]) -> bytes:
    import base64

    return base64.b64decode(stored["base64"])
