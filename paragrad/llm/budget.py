"""Budget: hard limits as a plain value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paragrad.errors import UsageError

_EXAMPLES = 'write "$2", "500 calls", "20k tokens", "10 min", or several: "$2 + 500 calls"'
_PART = re.compile(r"(?P<dollar>\$)?\s*(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(?P<scale>[kKM](?![a-zA-Z]))?\s*(?P<unit>[A-Za-z]*)")
_SCALE = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000}
_UNITS = {
    "call": ("calls", 1), "calls": ("calls", 1), "request": ("calls", 1), "requests": ("calls", 1),
    "token": ("tokens", 1), "tokens": ("tokens", 1), "tok": ("tokens", 1),
    "usd": ("usd", 1), "dollar": ("usd", 1), "dollars": ("usd", 1),
    "s": ("seconds", 1), "sec": ("seconds", 1), "second": ("seconds", 1), "seconds": ("seconds", 1),
    "m": ("seconds", 60), "min": ("seconds", 60), "minute": ("seconds", 60), "minutes": ("seconds", 60),
    "h": ("seconds", 3600), "hour": ("seconds", 3600), "hours": ("seconds", 3600),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits over task, guide, critic and optimizer together; None: not limited in that unit.

    Args:
        calls: model calls, every attempt counted.
        tokens: input plus output tokens.
        usd: dollars at list price.
        seconds: wall time; no call starts after it.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for unit in ("calls", "tokens", "usd", "seconds"):
            value = getattr(self, unit)
            if value is None:
                continue
            whole = unit in ("calls", "tokens")
            right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
            if not right or not 0 <= value < float("inf"):
                raise UsageError(f"a budget of {value!r} {unit} is not {'a whole number' if whole else 'a number'} from 0 up; {_EXAMPLES}")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """A budget from words: parts like ``"$2"``, ``"500 calls"``, ``"20k tokens"``, ``"10 min"``, joined by ``+`` or ``,``.

        Raises:
            UsageError: a part that names no amount, a unit that is none, or a unit given twice.
        """
        found: dict[str, float] = {}
        for part in re.split(r"[+,]", text):
            unit, amount = _read(part.strip(), text)
            if unit in found:
                raise UsageError(f"the budget {text!r} limits {unit} twice; {_EXAMPLES}")
            found[unit] = amount
        for unit in ("calls", "tokens"):
            if unit in found and found[unit] != int(found[unit]):
                raise UsageError(f"the budget {text!r} asks for a fraction of {unit}; {_EXAMPLES}")
        whole = {unit: int(found[unit]) if unit in found else None for unit in ("calls", "tokens")}
        return cls(calls=whole["calls"], tokens=whole["tokens"], usd=found.get("usd"), seconds=found.get("seconds"))

    @classmethod
    def of(cls, value: Budget | str | None) -> Budget:
        """A Budget from what users write: words, a Budget, or None (no limit)."""
        if isinstance(value, Budget):
            return value
        if value is None:
            return cls()
        if isinstance(value, str):
            return cls.parse(value)
        raise UsageError(f"{value!r} is no budget, a number alone has no unit; {_EXAMPLES}")

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return any(limit is not None for limit in (self.calls, self.tokens, self.usd, self.seconds))

    def __str__(self) -> str:
        parts = [f"${self.usd:g}"] if self.usd is not None else []
        parts += [f"{self.calls} calls"] if self.calls is not None else []
        parts += [f"{self.tokens} tokens"] if self.tokens is not None else []
        parts += [f"{self.seconds:g} s"] if self.seconds is not None else []
        return " + ".join(parts) or "unlimited"


def _read(part: str, whole: str) -> tuple[str, float]:
    """The unit and amount of one part."""
    match = _PART.fullmatch(part)
    if match is None:
        raise UsageError(f"the budget {whole[:60]!r} is not understood at {part[:30]!r}; {_EXAMPLES}")
    word = match["unit"].lower()
    if match["dollar"]:
        word = word or "usd"
    unit, factor = _UNITS.get(word, ("", 0))
    if not unit or (match["dollar"] and unit != "usd"):
        problem = f"has no unit {match['unit']!r}" if word else f"needs a unit after {part!r}"
        raise UsageError(f"the budget {whole[:60]!r} {problem}; {_EXAMPLES}")
    return unit, round(float(match["number"]) * _SCALE[match["scale"] or ""] * factor, 9)
