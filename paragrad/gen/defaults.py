"""Verbs that follow from ``generate``, for generative functions that do not write their own."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.choices import Choices, Selection, known, select
from paragrad.gen.environment import Environment
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.trace import Trace


def assess(f: GenerativeFunction, args: tuple[Any, ...], choices: Choices, env: Environment) -> Trace:
    """Generate with every choice given.

    Raises:
        UsageError: one is missing.
    """
    trace, _ = f.generate(args, choices, env)
    missing = [address for address in trace.choices if address not in choices._values]
    if missing:
        raise UsageError(f"{f!r} makes choices that are not given: {known(missing)}; given: {known(choices)}")
    return trace


def update(
    f: GenerativeFunction, trace: Trace, args: tuple[Any, ...], constraints: Choices, env: Environment
) -> tuple[Trace, Any, Choices]:
    """Generate with the old choices and the new ones over them."""
    old = trace.choices
    made, weight = f.generate(args, old.merged(constraints), env)
    now = made.choices._values
    discard = {address: value for address, value in old.items() if address in constraints._values or address not in now}
    return made, weight - trace._score, Choices.flat(discard)


def regenerate(f: GenerativeFunction, trace: Trace, args: tuple[Any, ...], selection: Selection, env: Environment) -> tuple[Trace, Any]:
    """Generate with the choices that are not selected."""
    kept = trace.choices.selected(~selection)
    made, weight = f.generate(args, kept, env)
    return made, weight - f.project(trace, select(*[address for address in kept if address in made.choices._values]))


def project(f: GenerativeFunction, trace: Trace, selection: Selection) -> Any:
    """The sum of the selected log probabilities; a function that keeps none can tell all from nothing only.

    Raises:
        UsageError: a part was asked of a trace that keeps no ``logps``.
    """
    inside = [address for address in trace.choices if address in selection]
    if not inside:
        return 0.0
    if len(inside) == len(trace.choices):
        return trace._score
    if trace._values.keys() != trace._logps.keys():
        raise UsageError(f"{f!r} keeps no log probability per choice; give Trace(logps=) or write its method project(trace, selection)")
    total: Any = 0.0
    for address, logp in trace._logps.items():
        if address in selection:
            total += logp
    for address, call in trace._calls.items():
        total += call.gen_fn.project(call, selection.sub(address))
    return total
