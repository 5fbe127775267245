"""Which Parameters a run trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.errors import NothingToTrain, UsageError
from paragrad.trace.parameter import Parameter


def trained(program: Any, parameters: Sequence[Any] | None) -> dict[str, Any]:
    """The Parameters to train, by id.

    Raises:
        NothingToTrain: there are none. UsageError: two have one id.
    """
    own = [p for p in program.parameters() if p.requires_grad]
    chosen = own if parameters is None else [p for part in _listed(parameters) for p in _named(program, part)]
    if not chosen:
        raise NothingToTrain(
            f"{program!r} has no trainable Parameter; make one with pg.Parameter(...), @pg.prompt or pg.Generator, or pass parameters=[...]"
        )
    found: dict[str, Any] = {}
    for parameter in chosen:
        if found.setdefault(parameter.id, parameter) is not parameter:
            raise UsageError(f"two Parameters have the id {parameter.id!r}; give one of them another name=")
    return found


def _listed(parameters: Any) -> list[Any]:
    return [parameters] if isinstance(parameters, (str, Parameter)) else list(parameters)


def _named(program: Any, part: Any) -> list[Any]:
    """A Parameter, or those of the program whose id matches a name or pattern."""
    if isinstance(part, Parameter):
        return [part]
    found = program.parameters(name=part) if isinstance(part, str) else []
    if not found:
        known = ", ".join(p.id for p in program.parameters()) or "none"
        raise UsageError(f"parameters={part!r:.80} names no Parameter of this program; it has {known}")
    return list(found)


def refuse_unserved(optimizer: Any, parameters: dict[str, Any]) -> None:
    """An optimizer that can propose for none of the Parameters would pay for nothing.

    Raises:
        UsageError: naming kinds.
    """
    served = [p for p in parameters.values() if optimizer.serves(p)]
    if not served:
        kinds = ", ".join(dict.fromkeys(p.kind for p in parameters.values()))
        raise UsageError(
            f"{optimizer.describe()} serves {', '.join(sorted(optimizer.kinds))}, and the parameters to train are {kinds}; name another"
        )
