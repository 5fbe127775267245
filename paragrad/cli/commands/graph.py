"""``paragrad graph``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from paragrad.cli.closing import near
from paragrad.cli.common import Command, Shell
from paragrad.cli.loading import task_from
from paragrad.cli.models import chosen, model_options
from paragrad.errors import UsageError
from paragrad.runs.figures import plural
from paragrad.runs.lines import facts
from paragrad.runs.records import write_text

FORMS = (".svg", ".mmd", ".json")


@click.command(cls=Command)
@click.argument("target", metavar="FILE.py[:NAME]")
@click.option("-o", "--output", default="graph.svg", show_default=True, metavar="FILE", help="FILE.svg, FILE.mmd (Mermaid) or FILE.json.")
@model_options
@click.pass_obj
def command(shell: Shell, /, target: str, output: str, **options: Any) -> None:
    """Draw what one call of a task's program recorded: its parameters, its inputs, every step.

    The program is run once, on the first row of the task's data.
    """
    import json

    file = Path(output)
    if file.suffix not in FORMS:
        raise UsageError(f"-o {output}: the ending must be one of {', '.join(FORMS)}")
    task, _ = task_from(target)
    graph = _recorded(shell, task, options).graph()
    data = graph.to_dict()
    text = {".svg": graph.svg, ".mmd": graph.mermaid, ".json": lambda: json.dumps(data, ensure_ascii=False, indent=1) + "\n"}[file.suffix]()
    write_text(file, text)
    counts = {"nodes": len(data["nodes"]), "edges": len(data["edges"])}
    shell.give({"written": str(file), **counts})
    shell.show([facts("WROTE", (near(file), plural(counts["nodes"], "node"), plural(counts["edges"], "edge")))])


def _recorded(shell: Shell, task: Any, options: dict[str, Any]) -> Any:
    """The output Variable of one call on the first row."""
    from paragrad.llm import use
    from paragrad.trace import Variable

    choice = chosen(shell.home, options)
    changes = {"model": choice.connect()} if choice.model and (options.get("model") or task.options.model is None) else {}
    trainer = task.trainer(**changes)
    with use(trainer.model) if trainer.model is not None else nullcontext():
        out = trainer.program(**dict(trainer.train_rows[0].row.inputs))
    if not isinstance(out, Variable):
        raise UsageError(
            f"the program returned {type(out).__name__}, which is not recorded; it should return what a bundle or a Generator made"
        )
    return out
