"""``paragrad train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paragrad.cli.closing import next_lines, saved_line, summary
from paragrad.cli.common import Command, Shell
from paragrad.cli.loading import split_target, task_from
from paragrad.cli.models import chosen, model_options
from paragrad.cli.training import check_budget, overrides, plan_json, plan_lines, require_gain, started, training_options
from paragrad.runs.figures import safe
from paragrad.runs.lines import facts, labelled


@click.command(cls=Command)
@click.argument("target", metavar="FILE.py[:NAME]")
@model_options
@training_options
@click.pass_obj
def command(shell: Shell, /, **options: Any) -> None:
    """Run a training job written in Python: the module-level pg.Task of FILE.py.

    Options given here replace those of the task.
    """
    path, name = split_target(options["target"])
    options["target"] = str(Path(path).expanduser().absolute()) + (f":{name}" if name else "")
    train(shell, options)


def train(shell: Shell, options: dict[str, Any], run: str | None = None) -> None:
    """The whole command; ``run`` goes on with an interrupted one."""
    from paragrad.runs.records import record_of
    from paragrad.runs.starting import run_task
    from paragrad.runs.table import table_lines

    task, name = task_from(options["target"])
    changes = overrides(options) | ({"run": run} if run else {})
    if options.get("model") or options.get("base_url") or task.options.model is None:
        choice = chosen(shell.home, options)
        if choice.model or choice.base_url:
            changes["model"] = choice.connect()
    check_budget(changes.get("budget"), changes.get("model"))
    plan, numbers = plan_lines(task, changes)
    shell.say(facts("task", ((safe(name), "strong"), safe(Path(split_target(options["target"])[0]).name))), *_rows(numbers), *plan)
    if options["plan"]:
        shell.give({"plan": plan_json(numbers)})
        return
    if _costs(numbers) and not shell.confirm("Start?", yes=options["yes"] or run is not None):
        shell.say(labelled("", "nothing was spent"))
        return
    kept = {key: value for key, value in options.items() if key not in ("plan", "yes", "run", "fork")}
    shell.hint = "paragrad resume"
    result = run_task(
        task,
        started("train", file=options["target"], options=kept),
        shell.progress,
        "Ctrl-C is safe, `resume` continues",
        **changes,
    )
    shell.hint = ""
    record = record_of(result)
    shell.show([*table_lines(record), saved_line(record, shell.home)])
    number = record["run_id"].partition("-")[0]
    shell.say(*next_lines([(f"paragrad show {number} --broken", "held-out rows that got worse"), ("paragrad runs", "all runs")]))
    shell.give(summary(record))
    require_gain(result, options["require_gain"])


def _rows(plan: Any) -> list[Any]:
    return [facts("rows", [f"{count} {name}" for name, count in plan.rows.items()])]


def _costs(plan: Any) -> bool:
    """Whether the run may cost money: a price that is not zero, or is not known."""
    return plan.usd is None or plan.usd[1] > 0
