"""Call: the story of one component's call, kept with its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Views:
    """Separate views of one output: what the consumer gets is the value itself.

    Attributes:
        critic: what a critic or optimizer reads, when it differs (a raw reply with its parse error).
        metric: what a metric is given, when it differs (a field of a structured answer).
    """

    critic: Any = None
    metric: Any = None


@dataclass(frozen=True, slots=True)
class Call:
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

    input_args: Mapping[str, Any] = field(default_factory=dict)
    raw_response: Any = None
    error: Any = None
    usage: Any = None
    started: float | None = None
    ended: float | None = None
    views: Views = Views()
    component: str = ""
