"""``paragrad diff``."""

from __future__ import annotations

import click

from paragrad.cli.common import Command, Shell
from paragrad.runs.diffing import differences, side
from paragrad.runs.figures import safe
from paragrad.runs.lines import Line, diff_parts, labelled, line


@click.command(cls=Command)
@click.argument("a")
@click.argument("b")
@click.pass_obj
def command(shell: Shell, a: str, b: str) -> None:
    """Show what differs between A and B: runs, prompt files or saved folders.

    A finished run stands for its best values; `3:start` for the values run 3 started from.
    """
    found = differences(side(a, shell.home), side(b, shell.home))
    shell.give({"a": a, "b": b, "differences": found})
    if not found:
        shell.show([labelled("SAME", "no difference")])
    for name, text in found.items():
        shell.show([line((safe(name), "strong")), *(_row(row) for row in safe(text).split("\n"))])


def _row(text: str) -> Line:
    style = "good" if text.startswith("+") else "bad" if text.startswith("-") else "accent" if text.startswith("@@") else ""
    return line("  ", (text, style), indent=4) if style else line("  ", *diff_parts(text), indent=2)
