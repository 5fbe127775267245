"""What is chosen when nothing is named: the optimizer by the kinds of the Parameters, the algorithm by budget and data; with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from paragrad import registry
from paragrad.errors import UsageError
from paragrad.optimizers.auto import automatic, reasons
from paragrad.optimizers.base import Transform, make
from paragrad.optimizers.bootstrap import BootstrapFewShot
from paragrad.optimizers.edit import EditSearch
from paragrad.optimizers.evolution import EvolutionStrategy
from paragrad.optimizers.partition import partition
from paragrad.optimizers.tpe import TPE
from paragrad.trainers.choosing import refuse_unserved

QUIET = (BootstrapFewShot, EditSearch, EvolutionStrategy, TPE)
"""Optimizers that never ask a model."""

FEW = 30
"""Validation rows below which a race can tell little."""

ROUNDS = 8
"""Rounds that a search over a pool should be able to pay for."""


@dataclass(frozen=True)
class Chosen:
    """What trains which Parameters.

    Attributes:
        optimizer: the transform. ``parameters``: those it trains, by id.
        frozen: ids of the others, which keep their values. ``reasons``: lines for a person; empty when all was named.
    """

    optimizer: Transform
    parameters: dict[str, Any]
    frozen: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def optimizer_for(optimizer: Any, parameters: Mapping[str, Any], *, asks: bool) -> Chosen:
    """The optimizer by name or value; "auto": one per kind, and what none serves stays frozen.

    Args:
        asks: whether a model writes proposals.

    Raises:
        UsageError: no Parameter is served.
    """
    if optimizer != "auto":
        made = make(optimizer)
        refuse_unserved(made, dict(parameters))
        return Chosen(made, dict(parameters))
    kept = {id: p for id, p in parameters.items() if _served(p, asks)}
    frozen = tuple(id for id in parameters if id not in kept)
    made = automatic(list((kept or parameters).values()), asks=asks)
    kinds = {parameters[id].kind for id in frozen}
    why = "code is not trained before it can be run in a sandbox" if kinds == {"code"} else "no optimizer serves them on its own"
    held = [f"{', '.join(frozen)} stay frozen: {why}"] if frozen else []
    return Chosen(made, kept, frozen, (*reasons(made, list(kept.values())), *held))


def searching(parameters: Mapping[str, Any]) -> Any:
    """The optimizer where no model writes and every evaluation counts: settings jointly, numbers by evolution, texts by edits."""
    kinds = {parameter.kind for parameter in parameters.values()}
    joint = "choice" in kinds and find_spec("optuna") is not None
    numbers: Transform = TPE() if joint else EvolutionStrategy()
    by: dict[Any, Transform] = {"number": numbers, "choice": numbers if joint else EditSearch(), "tensor": EvolutionStrategy()}
    by |= {"text": EditSearch(), "demos": BootstrapFewShot()}
    chosen = {kind: optimizer for kind, optimizer in by.items() if kind in kinds}
    if not chosen or kinds - set(chosen):
        return "auto"
    return partition(chosen) if len(set(map(id, chosen.values()))) > 1 else next(iter(chosen.values()))


def _served(parameter: Any, asks: bool) -> bool:
    try:
        automatic([parameter], asks=asks)
    except UsageError:
        return False
    return True


def algorithm_for(*, validation: int, held_out: int, calls: int | None, per_row: float, asks: bool) -> tuple[str, str]:
    """The algorithm's name, and why.

    A search over a pool pays off when proposals are few and dear, and when there are rows and calls for many rounds.

    Args:
        validation, held_out: rows. ``calls``: the budget, or None. ``per_row``: calls of the program and metric.
        asks: whether a model writes proposals.
    """
    pareto = registry.algorithms.get("pareto")
    if not asks:
        return "minibatch", "minibatch: proposals cost nothing here, so many are tried on small batches and only proven ones are taken"
    if validation < FEW:
        return "minibatch", f"minibatch: {validation} validation rows are too few to race a pool of candidates (from {FEW} on)"
    fixed = per_row * (validation + 2 * held_out)
    round_ = per_row * pareto.batch_size * (1 + pareto.proposals) * pareto.climbs
    needed = int(fixed + ROUNDS * round_)
    if calls is not None and calls < needed:
        return "minibatch", f"minibatch: {calls:,} calls are a small budget here; pareto from {needed:,} calls on"
    room = f"{calls:,} calls" if calls is not None else "the budget"
    return "pareto", f"pareto: {room} and {validation} validation rows let many candidates be kept and raced"


def asks_a_model(optimizer: Any, optimizer_model: Any) -> bool:
    """Whether some model writes proposals."""
    if optimizer == "auto":
        return optimizer_model is not None
    parts: Sequence[Any] = getattr(made := make(optimizer), "parts", [made])
    asking = [part for part in parts if not isinstance(part, QUIET)]
    return any(optimizer_model is not None or getattr(part, "model", None) is not None for part in asking)
