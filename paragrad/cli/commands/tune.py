"""``paragrad tune``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from paragrad.cli.closing import near, next_lines, saved_line, summary
from paragrad.cli.common import Command, Shell
from paragrad.cli.models import Choice, chosen, model_options, probe
from paragrad.cli.training import check_budget, overrides, plan_json, plan_lines, require_gain, started, training_options
from paragrad.errors import UsageError
from paragrad.runs.figures import one_line, plural, safe
from paragrad.runs.lines import Line, facts, labelled

OUT = "tuned"
NOTES = 4


@click.command(cls=Command)
@click.argument("data")
@click.option("--prompt", required=True, metavar="FILE", help="The prompt: a text file with {column} where a row's text belongs.")
@click.option("--input", "inputs", metavar="A,B", help="Input columns.  [default: those the prompt names]")
@click.option("--target", metavar="C", help="The column of the wanted answer.  [default: the one that is left]")
@click.option("--metric", metavar="M", help="exact_match, contains, f1, numeric, or FILE.py:FUNCTION.  [default: by the kind of target]")
@click.option("--demos", type=click.IntRange(0, 16), default=3, show_default=True, help="How many worked examples may be trained.")
@click.option("--max-tokens", type=click.IntRange(1), default=1024, show_default=True, help="The longest answer.")
@click.option("--out", default=OUT, show_default=True, metavar="DIR", help="Where the tuned prompt is written, when a gain is proven.")
@click.option("--save-as", nargs=2, metavar="code FILE.py", help="Write the same task as a Python file, and do nothing else.")
@model_options
@training_options
@click.pass_obj
def command(shell: Shell, /, **options: Any) -> None:
    """Improve a prompt on a table of examples (CSV, JSONL, Parquet). No code.

    A quarter of the rows is held out and looked at once, at the end. Files are written only when the
    gain on them is proven; your prompt file is never touched.
    """
    if options["inputs"] is not None:
        options["inputs"] = [name.strip() for name in options["inputs"].split(",") if name.strip()]
    if options["save_as"]:
        _save_as(shell, options)
        return
    for name in ("data", "prompt", "out"):
        options[name] = str(Path(options[name]).expanduser().absolute())
    tune(shell, options)


def tune(shell: Shell, options: dict[str, Any], run: str | None = None) -> None:
    """The whole command; ``run`` goes on with an interrupted one."""
    from paragrad.runs.promptfile import ours
    from paragrad.runs.starting import run_task

    job = _job(options)
    out = Path(options["out"])
    if not ours(out):
        raise UsageError(f"{near(out)} holds other files; nothing of yours is overwritten, so name another folder with --out")
    choice = chosen(shell.home, options)
    model = choice.connect()
    changes = overrides(options) | ({"run": run} if run else {})
    check_budget(changes.get("budget"), model)
    seed = changes.pop("seed", 0)
    task = job.task(
        model=model,
        demos=options["demos"],
        max_tokens=options["max_tokens"],
        seed=seed,
        **{k: changes.pop(k) for k in ("optimizer", "optimizer_model") if k in changes},
    )
    plan, numbers = plan_lines(task, changes)
    shell.say(*_opening(job, options, model, seed), *plan)
    if options["plan"]:
        shell.give({"plan": plan_json(numbers)})
        return
    if not shell.confirm("Start?", yes=options["yes"] or run is not None):
        shell.say(labelled("", "nothing was spent"))
        return
    probe(model)
    kept = {name: value for name, value in options.items() if name not in ("plan", "yes", "run", "fork")} | _resolved(choice, model)
    shell.hint = "paragrad resume"
    result = run_task(
        task,
        started("tune", data=options["data"], options=kept | {"seed": seed}),
        shell.progress,
        "Ctrl-C is safe, `resume` continues",
        **changes,
    )
    shell.hint = ""
    _finish(shell, job, result, out, options)


def _job(options: dict[str, Any]) -> Any:
    from paragrad.cli.loading import metric_from
    from paragrad.runs.tune import prepare

    metric = metric_from(options["metric"]) if options["metric"] else None
    return prepare(
        options["data"],
        options["prompt"],
        input=options["inputs"] or (),
        target=options["target"],
        metric=metric,
        seed=options["seed"] or 0,
    )


def _resolved(choice: Choice, model: Any) -> dict[str, Any]:
    """The model by its own name, so that a resumed run asks the same one whatever ``auto`` finds then."""
    if choice.model in (None, "auto") and choice.base_url is None:
        choice = replace(choice, model=str(model.name))
    return {"model": choice.model, "base_url": choice.base_url, "api_key_env": choice.api_key_env, "price": choice.price}


def _opening(job: Any, options: dict[str, Any], model: Any, seed: int) -> list[Line]:
    """Data, split, prompt and models, before anything is spent."""
    names = ", ".join(f"{{{safe(name)}}}" for name in job.prompt.names)
    kind = f", {len(job.labels)} labels" if job.labels else ""
    flags = ("  (--input --target --metric)", "dim")
    target = f"target {safe(job.prompt.target)}{kind} → {safe(job.metric_name)}"
    rare = [note for note in job.notes if not note.startswith("label ")] + [
        note for note in job.notes if note.startswith("label ") and job.labels
    ]
    lines = [Line((*facts("data", ((plural(len(job.data), "row"), "strong"), f"input {names}", target)).parts, flags))]
    lines += [labelled("", ("! ", "bad"), safe(note)) for note in rare[:NOTES]]
    train, validate, test = (len(part) for part in job.parts)
    lines.append(facts("split", (f"{train} train", f"{validate} validation", f"{test} held out", f"seed {seed}")))
    end = (
        f"the end stays: {one_line(job.prompt.end, 40)}"
        if job.prompt.end
        else "its placeholders stay; no worked examples, because they stand inside the text"
    )
    lines.append(facts("prompt", ((one_line(job.prompt.instruction, 40), "accent"), end)))
    writer = (
        f"{safe(options['optimizer_model'])} writes prompts" if options.get("optimizer_model") else "prompts are edited phrase by phrase"
    )
    lines.append(Line((*facts("models", (f"{safe(model.name)} answers", writer)).parts, ("  (--model --optimizer-model)", "dim"))))
    return lines


def _finish(shell: Shell, job: Any, result: Any, out: Path, options: dict[str, Any]) -> None:
    """The outcome; files only for a proven gain."""
    from paragrad.runs.records import record_of
    from paragrad.runs.table import table_lines
    from paragrad.runs.tune import write

    record = record_of(result)
    written = write(result, job, out) if result.significant else []
    lines = table_lines(record)
    if written:
        lines.append(labelled("WROTE", f"{near(out)}/ {', '.join(path.name for path in written)} ", ("(your prompt is untouched)", "dim")))
    else:
        lines.append(labelled("WROTE", "nothing: your prompt stays"))
    shell.show([*lines, saved_line(record, shell.home)])
    shell.say(*_use(job, options, out) if written else ())
    shell.give(summary(record) | {"written": [str(path) for path in written]})
    require_gain(result, options["require_gain"])


def _use(job: Any, options: dict[str, Any], out: Path) -> list[Line]:
    prompt = near(out / "instruction.md")
    suffix = Path(options["data"]).suffix
    return next_lines(
        [
            (f"paragrad predict new{suffix} --prompt {prompt} -o out{suffix}", "answer every row of another table"),
            (f"paragrad diff {near(Path(options['prompt']))} {prompt}", "what changed"),
        ],
        "USE",
    )


def _save_as(shell: Shell, options: dict[str, Any]) -> None:
    """The task as Python."""
    from paragrad.cli.coding import code_for
    from paragrad.runs.records import write_text

    what, name = options["save_as"]
    file = Path(name)
    if what != "code" or file.suffix != ".py":
        raise UsageError(f"--save-as {what} {name}: write  --save-as code FILE.py")
    if file.exists():
        raise UsageError(f"{file} is there already; nothing of yours is overwritten, name another file")
    job = _job(options)
    write_text(file, code_for(job, options))
    shell.give({"written": str(file)})
    shell.show([labelled("WROTE", near(file)), *next_lines([(f"paragrad train {near(file)}", "the same task")])])
