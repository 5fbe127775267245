"""``paragrad params``: list, history, diff, export."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from paragrad.cli.closing import near
from paragrad.cli.common import Command, Shell
from paragrad.cli.storing import known, opened, store_option
from paragrad.cli.tabular import tabulated
from paragrad.runs.figures import one_line, safe
from paragrad.runs.lines import diff_parts, labelled, line
from paragrad.runs.records import write_text


@click.group()
def command() -> None:
    """Look into a parameter store: list, history, diff, export."""


@command.command("list", cls=Command)
@click.argument("prefix", required=False, default="")
@store_option
@click.pass_obj
def list_(shell: Shell, prefix: str, url: str | None) -> None:
    """The parameters whose id starts with PREFIX, with their current values."""
    with opened(shell, url) as store:
        rows = [_row(store, id) for id in store.ids(prefix)]
    shell.give({"parameters": rows})
    cells = [[(safe(r["id"]), "strong"), r["kind"], str(r["version"]), str(r["versions"]), one_line(r["value"], 60)] for r in rows]
    shell.show(
        tabulated(("id", "kind", "version", "versions", "value"), cells, right=("version", "versions"))
        if rows
        else [labelled("", f"no parameter begins with {safe(prefix)!r}" if prefix else "no parameters")]
    )


def _row(store: Any, id: str) -> dict[str, Any]:
    entry, space = store.get_entry(id), store.space(id)
    return {"id": id, "kind": space.kind, "version": entry.version, "versions": store.versions(id), "value": space.show(entry.value)}


@command.command("history", cls=Command)
@click.argument("id")
@store_option
@click.pass_obj
def history(shell: Shell, id: str, url: str | None) -> None:
    """Every version of the parameter ID, oldest first."""
    with opened(shell, url) as store:
        space = store.space(known(store, id))
        rows = [{"version": e.version, "time": e.time, "note": e.note, "value": space.show(e.value)} for e in store.history(id)]
    shell.give({"id": id, "history": rows})
    cells = [
        [str(r["version"]), datetime.fromtimestamp(r["time"]).strftime("%d %b %H:%M:%S"), one_line(r["value"], 70), safe(r["note"] or "")]
        for r in rows
    ]
    shell.show(tabulated(("version", "written", "value", "note"), cells, right=("version",)))


@command.command("diff", cls=Command)
@click.argument("id")
@click.argument("v1", type=int)
@click.argument("v2", type=int)
@store_option
@click.pass_obj
def diff(shell: Shell, id: str, v1: int, v2: int, url: str | None) -> None:
    """What changed in the parameter ID from version V1 to version V2."""
    with opened(shell, url) as store:
        text = store.diff(known(store, id), v1, v2)
    shell.give({"id": id, "from": v1, "to": v2, "diff": text})
    rows = safe(text).split("\n") if text else ["no difference"]
    shell.show([line((safe(id), "strong"), f"  {v1} → {v2}"), *(line("  ", *diff_parts(row), indent=2) for row in rows)])


@command.command("export", cls=Command)
@click.option("-o", "--output", metavar="FILE", help="Write to this file instead of printing.")
@click.option("--release", metavar="RELEASE", help="The values of a release instead of the current ones.")
@store_option
@click.pass_obj
def export(shell: Shell, output: str | None, release: str | None, url: str | None) -> None:
    """All parameters as JSON: id to kind, version and value, as the space writes it."""
    with opened(shell, url) as store:
        view = store.resolve_release(release) if release else None
        ids = list(view.versions) if view is not None else store.ids()
        found = {id: _exported(store, id, view) for id in ids}
    text = json.dumps({"release": str(view) if view is not None else None, "parameters": found}, ensure_ascii=False, indent=1)
    if output is None:
        click.echo(text)
        return
    write_text(Path(output), text + "\n")
    shell.give({"written": output, "parameters": len(found)})
    shell.show([labelled("WROTE", near(Path(output)), f" · {len(found)} parameters")])


def _exported(store: Any, id: str, view: Any) -> dict[str, Any]:
    entry, space = (view.entry(id) if view is not None else store.get_entry(id)), store.space(id)
    data: bytes = space.encode(entry.value)
    try:
        value: Any = data.decode()
    except UnicodeDecodeError:
        import base64

        value = {"base64": base64.b64encode(data).decode()}
    return {"kind": space.kind, "spec": space.spec(), "version": entry.version, "value": value}
