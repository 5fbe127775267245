"""``paragrad demo``."""

from __future__ import annotations

from typing import Any

import click

from paragrad.cli.common import Command, Shell
from paragrad.journal.runs import RunFolder
from paragrad.runs.lines import facts, labelled


@click.command(cls=Command)
@click.option("--resume", is_flag=True, help="Go on with the demo that was interrupted.")
@click.option("--seed", type=int, default=None, help="Decides every random choice. The same seed gives the same bytes.  [default: 0]")
@click.pass_obj
def command(shell: Shell, resume: bool, seed: int | None) -> None:
    """Train a small program on the language model in this package.

    Instruction, answer style and worked examples are trained together on counting questions, and the
    result is tested on 200 questions that the search never saw. No key, no network, under three minutes.
    """
    from paragrad.runs.demo import NAME
    from paragrad.runs.starting import unfinished

    demo(shell, unfinished(shell.home, NAME) if resume else None, seed or 0)


def demo(shell: Shell, folder: RunFolder | None, seed: int) -> None:
    """Run the demo: a new one with ``seed``, or the interrupted one in ``folder`` with its own."""
    from paragrad.runs.demo import NAME, task
    from paragrad.runs.starting import run_task

    chosen = int(folder.info().get("started", {}).get("seed", 0)) if folder is not None else seed
    shell.say(*opening())
    made = task(chosen, run=folder.id if folder is not None else NAME, resume="auto" if folder is not None else False)
    about: dict[str, Any] = {"started": {"command": "demo", "seed": chosen}}
    shell.hint = "paragrad demo --resume"
    result = run_task(made, about, shell.progress, "Ctrl-C is safe, --resume continues")
    shell.hint = ""
    finish(shell, result)


def opening() -> list[Any]:
    """What is asked, and of whom."""
    from paragrad.runs import demo

    sizes = demo.SIZES
    rows = f"{sizes['train']} train · {sizes['validation']} validation · {sizes['test']} held out (looked at once, at the end)"
    return [
        labelled(
            "model", ("embedded", "strong"), f": a real {_size()} M-parameter language model in this package; it knows only a toy world"
        ),
        facts("job", (("counting", "strong"), rows)),
    ]


def _size() -> str:
    """Millions of parameters: the weights are two bytes each."""
    from importlib.resources import files

    return f"{len((files('paragrad.llm.embedded') / 'weights.safetensors').read_bytes()) / 2e6:.1f}"


def finish(shell: Shell, result: Any) -> None:
    """The outcome, where it is kept, and what one may do next."""
    from paragrad.cli.closing import next_lines, saved_line, summary
    from paragrad.runs.records import record_of
    from paragrad.runs.starting import publish_start_and_best
    from paragrad.runs.table import table_lines

    record = record_of(result)
    release = publish_start_and_best(result, shell.home, "answer") if result.significant else None
    shell.show([*table_lines(record), saved_line(record, shell.home)])
    shell.say(*next_lines(_next(record, release)))
    shell.give(summary(record) | ({"release": release[1]} if release else {}))


def _next(record: dict[str, Any], release: tuple[str, str] | None) -> list[tuple[str, str]]:
    number = record["run_id"].partition("-")[0]
    found = [(f"paragrad show {number} --broken", "the held-out questions that got worse")] if record["test"]["broken"] else []
    if release is not None:
        found.append((f"paragrad rollback {release[0]}", "the plain prompt again"))
    return [*found, ("paragrad tune tickets.csv --prompt prompt.txt", "the same on YOUR data")]
