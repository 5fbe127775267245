"""``paragrad predict``."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import click

from paragrad.cli.closing import near
from paragrad.cli.common import Command, Shell
from paragrad.cli.models import chosen, model_options, probe
from paragrad.cli.training import check_budget
from paragrad.runs.figures import duration, money, plural, safe
from paragrad.runs.lines import facts, labelled


@click.command(cls=Command)
@click.argument("data")
@click.option("--prompt", required=True, metavar="FILE", help="The prompt file, e.g. tuned/instruction.md.")
@click.option("-o", "--output", required=True, metavar="OUT", help="OUT.csv or OUT.jsonl: the table with the answers.")
@click.option("--input", "inputs", metavar="A,B", help="Input columns.  [default: those the prompt names]")
@click.option("--answer", metavar="NAME", help="The column of the answers.  [default: the tuned target, else 'answer']")
@click.option("--workers", type=click.IntRange(1, 512), default=16, show_default=True, help="Rows at once.")
@click.option("--max-tokens", type=click.IntRange(1), default=1024, show_default=True, help="The longest answer.")
@click.option("--budget", metavar="WORDS", help="Hard limits, as for tune.")
@model_options
@click.pass_obj
def command(shell: Shell, /, **options: Any) -> None:
    """Answer every row of a table. Interrupted, the same command goes on where it stopped.

    OUT appears when the last row is done; until then the answers stand in OUT.part.
    """
    from paragrad.data import read
    from paragrad.runs.predicting import Sheet, predict
    from paragrad.runs.promptfile import Prompted, bound, read_prompt

    found = read_prompt(options["prompt"])
    table = read(options["data"])
    inputs = [name.strip() for name in (options["inputs"] or "").split(",") if name.strip()]
    prompt = bound(found, table.columns, inputs or found.names or table.columns, table.source)
    rows = read(options["data"], input=list(prompt.names))
    answer = _free(options["answer"] or prompt.target or "answer", table.columns)
    model = chosen(shell.home, options).connect()
    check_budget(options["budget"], model)
    identity = {
        "prompt": _sha(repr(prompt)),
        "table": rows.digest(),
        "model": model.identity,
        "answers": f"{answer} {options['max_tokens']}",
    }
    sheet = Sheet(Path(options["output"]), [*table.columns, answer, "error"], identity)
    probe(model)
    shell.say(facts("predict", (plural(len(rows), "row"), f"{safe(model.name)} answers", f"{options['workers']} at a time")))
    shell.hint = "the same command"
    started = time.monotonic()
    program = Prompted(prompt, max_tokens=options["max_tokens"])
    counts = predict(
        program,
        rows,
        sheet,
        model=model,
        answer=answer,
        workers=options["workers"],
        budget=options["budget"] or f"{10 * len(rows) + 10} calls",
        told=_Told(shell),
    )
    shell.hint = ""
    shell.give(counts | {"written": options["output"], "answer": answer})
    lines = [
        facts(
            "WROTE", (near(sheet.path), plural(counts["rows"], "row"), f"{counts['before']:,} of them before" if counts["before"] else None)
        )
    ]
    if counts["failed"]:
        lines.append(labelled("", (f"{plural(counts['failed'], 'row')} without an answer: see the column error", "bad")))
    spent = (f"{counts['calls']:,} calls", f"{counts['tokens']:,} tokens", money(counts["usd"]), duration(time.monotonic() - started))
    shell.show([*lines, facts("SPENT", spent)])


class _Told:
    """Says how far it is, at most once a second and at the end."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.last = 0.0

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self.last >= 5 or done == of:
            self.last = now
            self.shell.say(labelled("", (f"{done:,} of {of:,} rows", "dim")))


def _free(name: str, columns: Any) -> str:
    """A name that is no column yet."""
    while name in columns or name == "error":
        name += "_answer"
    return name


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
