"""``paragrad rollback``."""

from __future__ import annotations

import click

from paragrad.cli.common import Command, Shell
from paragrad.cli.storing import opened, store_option
from paragrad.runs.figures import one_line, safe
from paragrad.runs.lines import diff_parts, labelled


@click.command(cls=Command)
@click.argument("release")
@store_option
@click.pass_obj
def command(shell: Shell, release: str, url: str | None) -> None:
    """Make the values of RELEASE current again, e.g. `paragrad rollback answer@1`: all of them or none.

    Nothing is lost: the values are written as new versions, and every release stays as it is.
    """
    with opened(shell, url) as store:
        view = store.resolve_release(release)
        entries = {id: store.get_entry(id) for id in view.versions}
        values = {id: view.entry(id).value for id in view.versions}
        diffs = {id: store.diff(id, entries[id].version, version) for id, version in view.versions.items()}
        changed = {id: value for id, value in values.items() if diffs[id]}
        if changed:
            store.publish(changed, {id: entries[id].version for id in changed})
        tags = [str(r) + " " + ", ".join(r.tags) for r in store.releases(view.name) if r.tags]
    shell.give({"release": str(view), "changed": {id: diffs[id] for id in changed}})
    lines = [labelled("CURRENT", (safe(view), "strong"), "" if changed else " (it was already: nothing was changed)")]
    for id in changed:
        first, *more = safe(diffs[id]).split("\n")
        lines.append(labelled("", (safe(id), "strong"), "  ", *diff_parts(first.replace(" -> ", " → "))))
        lines += [labelled("", "  ", one_line(row, 84, middle=True)) for row in more[:6]]
    if tags:
        lines.append(labelled("", ("tags stay where they are: " + "; ".join(map(safe, tags)), "dim")))
    shell.show(lines)
