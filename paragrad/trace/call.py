"""Call: the story of one component's call, kept with its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from paragrad.trace.nodes import Node


@dataclass(frozen=True, slots=True)
class Views:
    """Separate views of one output: what the consumer gets is the value itself.

    Attributes:
        critic: what a critic or optimizer reads, when it differs (a raw reply with its parse error).
        metric: what a metric is given, when it differs (a field of a structured answer).
    """

    critic: Any = None
    metric: Any = None


NO_VIEWS = Views()


class Call(NamedTuple):
    """What a component was called with and what came back.

    Attributes:
        input_args: immutable snapshot of the arguments by name.
        raw_response: the backend's answer before parsing, or None.
        error: the parse or provider error, or None.
        usage: tokens and dollars, or None.
        started, ended: Unix seconds.
        views: other views of the value.
        component: the component's name in its program.
    """

    input_args: Mapping[str, Any] = MappingProxyType({})
    raw_response: Any = None
    error: Any = None
    usage: Any = None
    started: float | None = None
    ended: float | None = None
    views: Views = NO_VIEWS
    component: str = ""


def call_of(node: Node) -> Call | None:
    """The story of the call that made a node. An ``@op`` keeps only its operands; its story is told from them."""
    if node.extra is not None and node.extra.call is not None:
        return node.extra.call  # type: ignore[no-any-return]
    op = node.op
    if op is None or op.kind != "op":
        return None
    operands = node.operands()
    values = [x.value if isinstance(x, Node) else x for x in operands]
    return Call(MappingProxyType(dict(zip(op.names(len(operands)), values, strict=True))), component=op.name)
