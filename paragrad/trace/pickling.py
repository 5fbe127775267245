"""Parameters for copies in other processes: value, space, names and flags; no store, no gradients, no versions."""

from __future__ import annotations

from typing import Any

from paragrad import registry

_KEPT = ("instruction_to_optimizer", "instruction_to_critic", "layerwise_parallel", "sliced", "is_init")


def reduced(parameter: Any) -> tuple[Any, ...]:
    """What ``pickle`` keeps of a Parameter: a call of :func:`rebuilt`."""
    meta = parameter._meta
    kind, spec = (meta.space.kind, meta.space.spec()) if meta.space is not None else (None, None)
    kept = {name: getattr(meta, name) for name in _KEPT}
    rules = tuple(rule for rule in parameter.rules() if not callable(rule) or "<" not in rule.__qualname__)  # a lambda has no lasting name
    return rebuilt, (type(parameter), kind, spec, parameter.value, meta.role, parameter.requires_grad, meta.name, kept, rules)


def rebuilt(
    cls: Any, kind: str | None, spec: Any, value: Any, role: str | None, trained: bool, name: str | None, kept: dict[str, Any], rules: Any
) -> Any:
    """The Parameter again."""
    space = registry.spaces.get(kind).from_spec(spec) if kind else None
    made = cls(value, role, trained, name=name, space=space, constraint=list(rules) or None)
    for key, found in kept.items():
        setattr(made._meta, key, found)
    return made
