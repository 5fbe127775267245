"""``paragrad runs``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from paragrad.cli.closing import near
from paragrad.cli.common import Command, Shell
from paragrad.cli.tabular import tabulated
from paragrad.journal.runs import RunFolder, Runs
from paragrad.runs.figures import are_shares, change, duration, figure, safe
from paragrad.runs.lines import labelled
from paragrad.runs.records import recorded
from paragrad.runs.starting import state_of


@click.command(cls=Command)
@click.pass_obj
def command(shell: Shell) -> None:
    """List the runs, the newest last."""
    rows = [_row(folder) for folder in Runs(shell.home).all()]
    shell.give({"home": str(shell.home), "runs": rows})
    if not rows:
        shell.show([labelled("", f"no runs in {near(shell.home)} yet; begin with  paragrad demo")])
        return
    names = ("run", "status", "started", "with", "before", "after", "gain", "calls", "time")
    shell.show(tabulated(names, [_cells(row) for row in rows], right=("before", "after", "gain", "calls")))


def _row(folder: RunFolder) -> dict[str, Any]:
    """One run as data."""
    info = folder.info()
    status = state_of(folder)
    started = info.get("started") or {}
    row = {"run": folder.id, "status": status, "created": info.get("created"), "with": _with(started), "reason": info.get("reason")}
    record = recorded(folder.path)
    if record is None:
        return row
    shown = record["test"] or {"before": record["baseline"], "after": record["score"]}
    gain = (record["test"] or {}).get("gain", {}).get("score", record["score"]["score"] - record["baseline"]["score"])
    return row | {
        "before": shown["before"]["score"], "after": shown["after"]["score"], "gain": gain, "significant": record["significant"],
        "held_out": record["test"] is not None, "calls": record["spent"]["calls"], "seconds": record["spent"].get("seconds"),
    }  # fmt: skip


def _with(started: dict[str, Any]) -> str:
    names = [str(started.get("command", "python"))]
    names += [str(started[key]) for key in ("file", "data") if started.get(key)]
    return " ".join(name.rpartition("/")[2] for name in names)


def _cells(row: dict[str, Any]) -> list[Any]:
    """One run as cells; a proven gain is green."""
    style = {"finished": "", "running": "accent"}.get(row["status"], "bad")
    cells: list[Any] = [safe(row["run"]), (row["status"], style), _when(row["created"]), safe(row["with"])]
    if "before" not in row:
        return [*cells, "", "", "", "", ""]
    shares = are_shares(row["before"], row["after"])
    gain = (change(row["gain"], shares) + (" ✓" if row["significant"] else "  "), "good" if row["significant"] else "dim")
    return [*cells, figure(row["before"], shares), figure(row["after"], shares), gain, f"{row['calls']:,}", duration(row["seconds"] or 0)]


def _when(created: str | None) -> str:
    return datetime.fromisoformat(created).astimezone().strftime("%d %b %H:%M") if created else ""
