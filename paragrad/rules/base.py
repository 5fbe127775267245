"""Rule: an update rule as a plain value, and its step as a pure function on arrays."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from numbers import Real
from typing import Any

from paragrad.rules.parts import document_of, resumed

State = Mapping[str, Any]


class Rule:
    """What an author of a rule writes: a frozen dataclass with ``step``, and ``init`` when the rule remembers something.

    Arrays are never changed: every step gives new ones, so a step that fails leaves all as it was.
    """

    @property
    def elementwise(self) -> bool:
        """Whether every element is updated by itself.

        Then many parameters go through one step, laid end to end in one array; else each gets a step of its own.
        """
        return True

    def init(self, values: Any) -> State:
        """The first state: plain data and arrays; arrays of the shape of ``values`` hold one entry per element."""
        return {}

    def step(self, values: Any, gradients: Any, state: State) -> tuple[Any, State]:
        """New values and the next state.

        Args:
            values: a float array, read-only.
            gradients: the sum of what was pushed, of the same shape and type.
            state: what ``init`` or the last step gave.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it steps: def step(self, values, gradients, state)")

    def resume(self, part: Any, document: Any) -> State:
        """The state of a part (``ids``, ``sizes``, ``values``) from the document a store kept, or the first one."""
        return resumed(self.init(part.values), part, document)

    def document(self, parts: Iterable[tuple[Any, State]]) -> dict[str, Any]:
        """What a store keeps: parts (``ids`` and ``sizes``) with their states."""
        return document_of(parts)

    def state_name(self, ids: Sequence[str]) -> str:
        """Under which name a store keeps the state: the same for an equal configuration over the same ids, in any process."""
        own = [(f.name, _plain(getattr(self, f.name))) for f in fields(self) if f.default is MISSING or getattr(self, f.name) != f.default]  # type: ignore[arg-type]
        digest = hashlib.sha256("\0".join([repr(own), *ids]).encode("utf-8", "surrogatepass")).hexdigest()
        return f"{type(self).__name__}.{digest[:20]}"


def _plain(value: Any) -> Any:
    """Equal numbers alike: lr=1 and lr=1.0 are one configuration."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def number(rule: Rule, name: str, least: float, most: float | None = None, *, above: bool = False) -> None:
    """Check one hyper-parameter of a configuration.

    Args:
        least: smallest value; with ``above`` the value must be larger.
        most: the value must be smaller than this; None: any finite one.

    Raises:
        TypeError: no number. ValueError: out of range.
    """
    value = getattr(rule, name)
    kind = type(rule).__name__
    if isinstance(value, bool) or not isinstance(value, int | float | Real):
        raise TypeError(f"{kind}({name}={value!r:.60}): {name} must be a number, not {type(value).__name__}")
    try:
        plain = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        plain = math.inf
    if value.__class__ is not int and value.__class__ is not float:  # numpy's scalars: the state's name is made of the plain number
        object.__setattr__(rule, name, plain)
    low_enough = plain > least if above else plain >= least
    if not (math.isfinite(plain) and low_enough and (most is None or plain < most)):
        end = "" if most is None else f" and below {most:g}"
        raise ValueError(f"{kind}({name}={value!r:.60}): {name} must be finite, {'above' if above else 'at least'} {least:g}{end}")


def flag(rule: Rule, name: str) -> None:
    """Check one switch of a configuration."""
    value = getattr(rule, name)
    if not isinstance(value, bool):
        raise TypeError(f"{type(rule).__name__}({name}={value!r:.60}): {name} is True or False")
