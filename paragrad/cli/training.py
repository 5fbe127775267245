"""What ``tune``, ``train`` and ``resume`` share: options, the plan, the question, the run, the end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from paragrad.cli.failures import ConditionNotMet
from paragrad.errors import UsageError
from paragrad.runs.figures import are_shares, figure, money, safe
from paragrad.runs.lines import Line, facts, labelled

F = TypeVar("F", bound=Callable[..., Any])

NAMES = ("budget", "seed", "run", "fork", "workers", "optimizer", "algorithm", "require_gain", "plan", "yes", "settings", "optimizer_model")


def training_options(command: F) -> F:
    """The options of every training command."""
    for option in reversed(
        (
            click.option(
                "--optimizer-model", metavar="NAME", help="Who writes proposals; without one, prompts are edited phrase by phrase."
            ),
            click.option(
                "--budget",
                metavar="WORDS",
                help="Hard limits: '$2', '500 calls', '10 min', '$2 + 500 calls'.  [default: 2,000 calls, and $5 for priced models]",
            ),
            click.option("--plan", is_flag=True, help="Show rows, calls, dollars and minutes; spend nothing."),
            click.option("--yes", "-y", is_flag=True, help="Do not ask before spending."),
            click.option("--seed", type=int, default=None, help="Decides the split and every random choice."),
            click.option("--run", metavar="NAME", help="A name for the run; an unfinished run of that name goes on."),
            click.option("--fork", is_flag=True, help="Start anew, also when an unfinished run has this name."),
            click.option("--workers", type=click.IntRange(1, 512), help="Rows at once; the result does not depend on it.  [default: 16]"),
            click.option("--optimizer", metavar="NAME", help="The optimizer, by name."),
            click.option("--algorithm", metavar="NAME", help="The trainer, by name."),
            click.option("--require-gain", is_flag=True, help="Exit with 3 when no gain is proven."),
            click.option("--set", "settings", multiple=True, metavar="task.KEYWORD=VALUE", help="Any other option of pg.fit."),
        )
    ):
        command = option(command)
    return command


def overrides(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of ``fit`` from the line; what was not given is left out."""
    direct = ("budget", "seed", "run", "workers", "optimizer", "algorithm", "optimizer_model")
    found = {name: options[name] for name in direct if options.get(name) is not None}
    if options.get("fork"):
        found["fork"] = True
    return {**found, **settings(options.get("settings") or ())}


def settings(given: Sequence[str]) -> dict[str, Any]:
    """``task.deadline=60`` as {"deadline": 60}; values are JSON, or text.

    Raises:
        UsageError: not of this form, or no option of ``fit``.
    """
    from paragrad.runs.options import Options

    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        owner, dot, keyword = name.strip().partition(".")
        if not equals or not dot or owner != "task":
            raise UsageError(f"--set {text[:60]!r} is not understood; write --set task.KEYWORD=VALUE, for instance --set task.deadline=60")
        try:
            found[keyword] = json.loads(value)
        except ValueError:
            found[keyword] = value
    Options().but(found)
    return found


def check_budget(budget: Any, model: Any) -> None:
    """
    Raises:
        UsageError: a limit in dollars for a model whose price is not known: no call could be admitted.
    """
    from paragrad.llm import Budget

    if isinstance(budget, str) and Budget.of(budget).usd is not None and model is not None and model.price is None:
        raise UsageError(
            f"the budget {budget} is in dollars, but the price of {safe(model.name)} is not known; "
            "add --price IN OUT (dollars per million tokens), or limit calls"
        )


def plan_lines(task: Any, changes: Mapping[str, Any]) -> tuple[list[Line], Any]:
    """The plan, and its data. Every mistake in the task is named here, before anything is spent."""
    from paragrad.runs.plan import plan_of

    trainer = task.trainer(**changes)
    plan = plan_of(trainer)
    cost = None
    if plan.usd is not None and plan.usd[1] > 0:
        most = trainer.budget.usd
        cost = f"about {money(plan.usd[0])} to {money(plan.usd[1])}" + (f", never above {money(most)}" if most is not None else "")
    elif plan.usd is None:
        cost = "price unknown"
    minutes = max(1, round(plan.minutes[1]))
    lines = [labelled("auto" if place == 0 else "", safe(reason)) for place, reason in enumerate(plan.reasons)]
    lines += [
        facts(
            "plan",
            (
                f"≤ {plan.calls[1]:,} calls",
                cost,
                f"about {max(1, round(plan.minutes[0]))} to {minutes} min" if minutes > 1 else "about 1 min",
                f"{trainer.workers} at a time",
            ),
        )
    ]
    lines += [labelled("!", (safe(note.removeprefix("!").strip()), "bad")) for note in plan.notes]
    return lines, plan


def plan_json(plan: Any) -> dict[str, Any]:
    """A plan as data."""
    return {
        "rows": plan.rows,
        "calls": plan.calls,
        "tokens": plan.tokens,
        "usd": plan.usd,
        "minutes": plan.minutes,
        "notes": list(plan.notes),
        "reasons": list(plan.reasons),
    }


def started(command: str, **details: Any) -> dict[str, Any]:
    """What the run's status keeps, so that ``paragrad resume`` can start it again. Holds no key."""
    return {"started": {"command": command, "folder": os.getcwd(), **details}}


def require_gain(result: Any, wanted: bool) -> None:
    """
    Raises:
        ConditionNotMet: no gain was proven although one was required.
    """
    if wanted and not result.significant:
        test = result.test or result.validation
        means = (test.before.mean.value, test.after.mean.value) if test is not None else ()
        shares = test is not None and are_shares(*test.before.scores, *test.after.scores)
        gain = f" ({' → '.join(figure(mean, shares) for mean in means)})" if means else ""
        raise ConditionNotMet(f"--require-gain: no gain was proven{gain}")
