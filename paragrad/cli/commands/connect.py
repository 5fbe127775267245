"""``paragrad connect``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from paragrad.cli.closing import near
from paragrad.cli.common import Command, Shell
from paragrad.cli.models import FILE, Choice, chosen, model_options, probe, remember
from paragrad.errors import UsageError
from paragrad.runs.figures import one_line, safe
from paragrad.runs.lines import facts, labelled


@click.command(cls=Command)
@click.argument("name", required=False, metavar="[MODEL]")
@model_options
@click.pass_obj
def command(shell: Shell, /, name: str | None, **options: Any) -> None:
    """Check that a model answers, and use it from now on; without MODEL, the first that is found.

    MODEL: openai:gpt-5-mini, ollama:qwen3, http://127.0.0.1:8000/v1#NAME, embedded, … What is remembered
    is its name and address, never a key.
    """
    if name and options["model"] and name != options["model"]:
        raise UsageError(f"two models are named, {name!r} and --model {options['model']!r}; name one")
    options["model"] = name or options["model"]
    choice = chosen(shell.home, options) if any(options.values()) else Choice()
    model = choice.connect()
    answer, seconds = probe(model)
    if choice.model in (None, "auto") and not choice.base_url:
        choice = replace(choice, model=str(model.name))
    remember(shell.home, choice)
    data = {
        "model": model.name,
        "seconds": round(seconds, 3),
        "tokens": answer.usage.tokens,
        "price": _price(model),
        "remembered": str(shell.home / FILE),
    }
    shell.give(data)
    price = (
        f"${model.price.input:g} in, ${model.price.output:g} out per million tokens ({model.price.source})"
        if model.price
        else "price unknown: add --price IN OUT to limit dollars"
    )
    shell.show(
        [
            facts(
                "model",
                (
                    (safe(model.name), "strong"),
                    ("answers", "good"),
                    f"{seconds:.2f} s",
                    f"{answer.usage.tokens} tokens",
                    f'"{one_line(answer.text, 30)}"',
                ),
            ),
            facts(
                "price", ("free: it runs on this machine" if model.price and not model.price.input and not model.price.output else price,)
            ),
            labelled("SAVED", f"its name, no key, in {near(shell.home / FILE)}: tune, eval and predict use it now"),
        ]
    )


def _price(model: Any) -> dict[str, Any] | None:
    return None if model.price is None else {"input": model.price.input, "output": model.price.output, "source": model.price.source}
