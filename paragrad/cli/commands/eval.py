"""``paragrad eval``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paragrad.cli.common import Command, Shell
from paragrad.cli.failures import ConditionNotMet
from paragrad.cli.loading import metric_from, split_target, task_from
from paragrad.cli.models import chosen, model_options
from paragrad.cli.training import check_budget
from paragrad.errors import UsageError
from paragrad.runs.figures import are_shares, duration, figure, interval, money, percent, plural, safe
from paragrad.runs.lines import Line, facts, labelled
from paragrad.runs.table import answer, asked

WRONG = 3


@click.command(cls=Command)
@click.argument("target", metavar="TARGET|DATA")
@click.argument("data", required=False)
@click.option("--prompt", metavar="FILE", help="Score this prompt file on DATA.")
@click.option("--input", "inputs", metavar="A,B", help="Input columns.  [default: those the prompt names]")
@click.option("--target", "goal", metavar="C", help="The column of the wanted answer.")
@click.option("--metric", metavar="M", help="exact_match, contains, f1, numeric, or FILE.py:FUNCTION.")
@click.option("--fail-under", type=float, metavar="SCORE", help="Exit with 3 when the score is below, e.g. 0.85.")
@click.option("--max-tokens", type=click.IntRange(1), default=1024, show_default=True, help="The longest answer.")
@click.option("--budget", metavar="WORDS", help="Hard limits, as for tune.")
@click.option("--workers", type=click.IntRange(1, 512), help="Rows at once.  [default: 16]")
@model_options
@click.pass_obj
def command(shell: Shell, /, **options: Any) -> None:
    """Score a prompt file (`eval DATA --prompt FILE`) or a task's program (`eval FILE.py[:NAME] [DATA]`).

    Nothing is trained and nothing written. Without DATA, a task is scored on its own held-out rows.
    """
    import time

    from paragrad.runs.evaluating import evaluate

    program, data, metric, model = _of_prompt(shell, options) if options["prompt"] else _of_task(shell, options)
    budget = options["budget"] or f"{10 * len(data) + 10} calls"
    check_budget(budget, model)
    started = time.monotonic()
    found = evaluate(program, data, metric=metric, model=model, workers=options["workers"], budget=budget)
    data_json = {
        "score": found.score, "low": found.interval[0], "high": found.interval[1], "rows": len(found.rows),
        "errors": found.found.errors, "spent": {**found.spent, "seconds": round(time.monotonic() - started, 1)},
    }  # fmt: skip
    shell.give(data_json)
    shell.show(_lines(found, data_json, data))
    wanted = options["fail_under"]
    if wanted is not None and found.score < wanted:
        raise ConditionNotMet(f"--fail-under {wanted:g}: the score is {percent(found.score, 1)}")


def _of_prompt(shell: Shell, options: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    from paragrad.runs.promptfile import Prompted
    from paragrad.runs.tune import rows_for

    if options["data"]:
        raise UsageError(f"two tables are named, {options['target']!r} and {options['data']!r}; write  paragrad eval DATA --prompt FILE")
    if split_target(options["target"])[0].endswith(".py"):
        raise UsageError("--prompt goes with a table: paragrad eval DATA --prompt FILE")
    inputs = [name.strip() for name in (options["inputs"] or "").split(",") if name.strip()]
    metric = metric_from(options["metric"]) if options["metric"] else None
    rows, prompt, chosen_metric = rows_for(options["target"], options["prompt"], input=inputs, target=options["goal"], metric=metric)
    return Prompted(prompt, max_tokens=options["max_tokens"]), rows, chosen_metric, chosen(shell.home, options).connect()


def _of_task(shell: Shell, options: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """A task's program and metric, on its held-out rows or on DATA."""
    from paragrad.runs.inputs import dataset_of

    if not split_target(options["target"])[0].endswith(".py"):
        raise UsageError(
            f"{options['target']!r} is no Python file; to score a prompt on a table write  paragrad eval {options['target']} --prompt FILE"
        )
    task, _ = task_from(options["target"])
    choice = chosen(shell.home, options)
    changes = {"model": choice.connect()} if choice.model and (options["model"] or task.options.model is None) else {}
    trainer = task.trainer(**changes)
    held = trainer.test_rows or trainer.validation_rows
    rows = dataset_of(str(Path(options["data"])), trainer.program) if options["data"] else [placed.row for placed in held]
    metric = metric_from(options["metric"]) if options["metric"] else task.metric
    return trainer.program, rows, metric, trainer.model


def _where(count: int, rows: Any) -> str:
    source = getattr(rows, "source", None)
    return f"on {plural(count, 'row')} of {safe(source)}" if source else f"on {plural(count, 'held-out row')}"


def _lines(found: Any, data: dict[str, Any], rows: Any) -> list[Line]:
    """The score, what went wrong first, what it took."""
    errors = f"{plural(data['errors'], 'row')} failed" if data["errors"] else None
    shares = are_shares(*found.found.scores)
    lines = [
        facts(
            "SCORE",
            (
                (figure(found.score, shares), "strong"),
                interval(data["low"], data["high"], shares),
                _where(data["rows"], rows),
                errors,
            ),
        )
    ]
    wrong = [(row, item) for row, item in zip(found.rows, found.items, strict=True) if (item.score or 0) < 1][:WRONG]
    for place, (row, item) in enumerate(wrong):
        lines += [
            labelled("wrong" if place == 0 else "", f'"{asked(row.inputs, 88)}"'),
            labelled("", "→ ", *answer(item.output, item.score, row.target)),
        ]
    spent = data["spent"]
    lines.append(
        facts(
            "SPENT",
            (
                f"{spent['calls']:,} calls",
                f"{spent.get('input_tokens', 0) + spent.get('output_tokens', 0):,} tokens",
                money(spent.get("usd")),
                duration(spent["seconds"]),
            ),
        )
    )
    return lines
