"""The optimizer chosen when none is named: by the kinds of the Parameters, and by whether a model writes proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.errors import UsageError
from paragrad.optimizers.base import Transform
from paragrad.optimizers.bootstrap import BootstrapFewShot
from paragrad.optimizers.combined import Combined
from paragrad.optimizers.edit import EditSearch
from paragrad.optimizers.evolution import EvolutionStrategy
from paragrad.optimizers.partition import partition
from paragrad.optimizers.reflect import Reflect

_REASONS = {
    BootstrapFewShot: "from runs that went well, by score alone",
    EditSearch: "by small edits, without an optimizer model",
    EvolutionStrategy: "by sampling, as no gradient need reach them",
    Reflect: "rewritten by the optimizer model from what the feedback blames",
}


def automatic(parameters: Sequence[Any], *, asks: bool = False) -> Transform:
    """One optimizer for each kind of Parameter.

    Demos come from good runs, tensors are sampled. With an optimizer model, texts, choices, JSON and lists are rewritten by
    reflection and numbers are stepped; without one, texts, choices and numbers are edited.

    Args:
        parameters: what is trained.
        asks: whether there is a model that writes proposals.

    Raises:
        UsageError: kinds that none of them serves.
    """
    edit, bootstrap, evolution = EditSearch(), BootstrapFewShot(), EvolutionStrategy()
    order: list[Transform] = [bootstrap, edit, evolution]
    if asks:
        order = [bootstrap, _WordsOnly(), edit, evolution]
    chosen: dict[Any, Transform] = {}
    unserved = []
    for parameter in parameters:
        owner = next((optimizer for optimizer in order if optimizer.serves(parameter)), None)
        if owner is None:
            unserved.append(parameter.id)
        else:
            chosen[parameter.kind] = owner
    if unserved:
        raise UsageError(
            f"no optimizer serves {', '.join(unserved)} on its own; name one with optimizer=, or leave them out with parameters=[...]"
        )
    return partition(chosen) if len(set(map(id, chosen.values()))) > 1 else next(iter(chosen.values()))


def reasons(optimizer: Transform, parameters: Sequence[Any]) -> list[str]:
    """What :func:`automatic` chose and why, one line per optimizer: ``BootstrapFewShot for demos: from runs that went well``."""
    parts = getattr(optimizer, "parts", [optimizer])
    lines = []
    for part in parts:
        own = optimizer.own(part, parameters) if isinstance(optimizer, Combined) else [p for p in parameters if part.serves(p)]
        kinds = dict.fromkeys(p.kind for p in own)
        why = next((reason for kind, reason in _REASONS.items() if isinstance(part, kind)), "")
        lines.append(f"{part.describe()} for {', '.join(kinds)}{': ' if why else ''}{why}")
    return lines


class _WordsOnly(Reflect):
    """Reflection for what is said in words; numbers and demos have better ways."""

    kinds = Reflect.kinds - {"number", "demos"}

    def describe(self) -> str:
        """The name people know."""
        return "Reflect"
