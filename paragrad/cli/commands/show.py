"""``paragrad show``."""

from __future__ import annotations

from typing import Any

import click

from paragrad.cli.closing import saved_line, summary
from paragrad.cli.common import Command, Shell
from paragrad.journal.runs import RunFolder, Runs
from paragrad.runs.figures import percent, plural, safe
from paragrad.runs.lines import Line, facts, labelled
from paragrad.runs.records import recorded
from paragrad.runs.starting import state_of
from paragrad.runs.table import answers, table_lines
from paragrad.runs.watching import Watch

MOST = 20


@click.command(cls=Command)
@click.argument("run", required=False)
@click.option("--broken", is_flag=True, help="The held-out rows that got worse, with both answers.")
@click.pass_obj
def command(shell: Shell, run: str | None, broken: bool) -> None:
    """Show what a run came to; without RUN, the latest.

    RUN is a number, or a name as `paragrad runs` lists it.
    """
    runs = Runs(shell.home)
    folder = runs.find(run) if run else runs.latest()
    record = recorded(folder.path)
    if record is None:
        _unfinished(shell, folder)
    elif broken:
        _broken(shell, record)
    else:
        history = [line for entry in record["history"] for line in Watch().hear({"event": "decision", **entry})]
        shell.show([_head(record), *history, *table_lines(record), saved_line(record, shell.home)])
        shell.give(summary(record))


def _head(record: dict[str, Any]) -> Line:
    models = " · ".join(safe(f"{name} {role.replace('_', ' ')}") for role, name in record["models"].items())
    return facts(
        "run", ((safe(record["run_id"]), "strong"), models, "simulated answers" if record["simulated"] else None, _stopped(record))
    )


def _stopped(record: dict[str, Any]) -> str | None:
    return f"ended because {safe(record['stopped'])}" if record.get("stopped") else None


def _unfinished(shell: Shell, folder: RunFolder) -> None:
    """A run without a result: where it stands, and how to go on."""
    info = folder.info()
    status = state_of(folder)
    shell.give({"run_id": folder.id, "status": status, "reason": info.get("reason")})
    lines = [facts("run", ((safe(folder.id), "strong"), "is running" if status == "running" else f"was {status}"))]
    if info.get("reason"):
        reason = safe(info["reason"]).rstrip(": ")
        lines.append(labelled("why", "Ctrl-C" if reason == "KeyboardInterrupt" else reason))
    if status == "stopped":
        lines.append(labelled("NEXT", (f"paragrad resume {folder.number}", "accent")))
    shell.show(lines)


def _broken(shell: Shell, record: dict[str, Any]) -> None:
    """Rows whose score went down."""
    worse = [row for row in record["rows"] if (row["after"]["score"] or 0) < (row["before"]["score"] or 0)]
    shell.give({"run_id": record["run_id"], "broken": worse})
    share = percent(len(worse) / len(record["rows"]), 1) if record["rows"] else "0 %"
    lines = [labelled("BROKEN", f"{plural(len(worse), 'held-out row')} of {len(record['rows'])} got worse ({share})")]
    for row in worse[:MOST]:
        lines += answers(row, f"row {safe(row['id'])}"[:8])
    if len(worse) > MOST:
        lines.append(labelled("", (f"… {len(worse) - MOST} more: --json has them all", "dim")))
    shell.show(lines)
