"""``paragrad compare``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from paragrad.cli.common import Command, Shell
from paragrad.runs.diffing import compared, differences, finished, values_of
from paragrad.runs.figures import change, figure, one_line, p_value, safe
from paragrad.runs.lines import Line, Part, facts, labelled
from paragrad.runs.records import shares_of
from paragrad.runs.table import answer, asked

MOST = 5


@click.command(cls=Command)
@click.argument("a")
@click.argument("b")
@click.pass_obj
def command(shell: Shell, a: str, b: str) -> None:
    """Compare the best values of run A with those of run B, on the held-out rows that both have."""
    first, second = finished(a, shell.home), finished(b, shell.home)
    found, pairs = compared(first, second)
    diffs = differences(values_of(first), values_of(second))
    shell.give({"a": first["run_id"], "b": second["run_id"], "comparison": asdict(found), "differences": diffs})
    means = [sum(pair[i]["after"]["score"] or 0 for pair in pairs) / len(pairs) for i in (0, 1)]
    shares = shares_of(first) and shares_of(second)
    unit, around = " points" if shares else "", f"[{change(found.low, shares)}, {change(found.high, shares)}]"
    verdict: Part = ("proven", "good") if found.p <= 0.05 and found.delta else ("not proven", "bad")
    counts = (f"fixed {len(found.fixed)}", f"broken {len(found.broken)}", f"same {len(found.same)}")
    shell.show(
        [
            labelled(
                "HELD OUT",
                f"run {safe(first['run_id'])} ",
                (figure(means[0], shares), "strong"),
                f" → run {safe(second['run_id'])} ",
                (figure(means[1], shares), "strong"),
            ),
            labelled("", f"{change(found.delta, shares)}{unit} {around}, {p_value(found.p)}: difference ", verdict),
            facts("", (*counts, f"of {found.n} rows both have")),
            *_rows("fixed", [pairs[i] for i in found.fixed[:MOST]]),
            *_rows("broken", [pairs[i] for i in found.broken[:MOST]]),
            *(
                labelled("DIFFERS" if i == 0 else "", (safe(name), "strong"), "  ", one_line(text, 200))
                for i, (name, text) in enumerate(diffs.items())
            ),
        ]
    )


def _rows(label: str, pairs: list[Any]) -> list[Line]:
    lines = []
    for place, (one, other) in enumerate(pairs):
        lines.append(labelled(label if place == 0 else "", f'"{asked(one["inputs"], 88)}"'))
        target = one["target"]
        lines.append(labelled("", *answer(one["after"]["output"], one["after"]["score"], target)))
        lines.append(labelled("", *answer(other["after"]["output"], other["after"]["score"], target)))
    return lines
