"""Which propagators bring an optimizer the evidence it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from paragrad.propagators import Subgraph, Text

GRAPH = frozenset({"gradients", "graph", "blame", "numbers"})
"""Needs that are met by a backward over the recorded rows."""


def carriers(needs: Collection[str], critic: Callable[[Any, Any], Any] | None = None, model: Any = None) -> list[Any]:
    """Propagators for a backward.

    Args:
        needs: what the optimizer reads: "gradients" (words, one critic call per operation), "blame" (words as
            they are: who is reached), "graph" (the executed sub-graph). "numbers" (slopes) needs none of them.
        critic: ``critic(record, feedback)``; None: the default critic on ``model``.
    """
    found: list[Any] = []
    if "gradients" in needs:
        found.append(Text(critic if critic is not None else _default_critic(model)))
    elif "blame" in needs:
        found.append(Text())
    if "graph" in needs:
        found.append(Subgraph())
    return found


def _default_critic(model: Any) -> Callable[[Any, Any], Any]:
    from paragrad.modules.critic import Critic

    return Critic(model)
