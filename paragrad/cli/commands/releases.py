"""``paragrad releases``."""

from __future__ import annotations

from datetime import datetime

import click

from paragrad.cli.common import Command, Shell
from paragrad.cli.storing import opened, store_option
from paragrad.cli.tabular import tabulated
from paragrad.runs.figures import safe
from paragrad.runs.lines import labelled


@click.command(cls=Command)
@click.argument("name", required=False)
@store_option
@click.pass_obj
def command(shell: Shell, name: str | None, url: str | None) -> None:
    """List the releases of a store, oldest first; NAME: of that name only.

    A release is a numbered set of parameter versions that never changes.
    """
    with opened(shell, url) as store:
        found = store.releases(name)
        current = {
            str(r): all(not store.diff(id, store.get_entry(id).version, version) for id, version in r.versions.items()) for r in found
        }
    rows = [{"release": str(r), "tags": list(r.tags), "time": r.time, "note": r.note, "versions": dict(r.versions)} for r in found]
    for row in rows:
        row["current"] = current[row["release"]]
    shell.give({"releases": rows})
    if not rows:
        shell.show([labelled("", "no releases yet")])
        return
    cells = [
        [
            (safe(r["release"]), "strong"),
            ", ".join(map(safe, r["tags"])),
            _when(r["time"]),
            f"{len(r['versions'])}",
            "current" if r["current"] else "",
            safe(r["note"] or ""),
        ]
        for r in rows
    ]
    shell.show(tabulated(("release", "tags", "made", "params", "", "note"), cells, right=("params",)))


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%d %b %H:%M")
