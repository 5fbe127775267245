"""Metrics by name: ``(output, target) -> float`` between 0 and 1. Outputs may be plain values or Variables."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

from paragrad.trace.variable import Variable

_NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"\w+")


def exact_match(output: Any, target: Any) -> float:
    """1.0 when output and target are equal, or are written equally; else 0.0.

    Text is compared after trimming, with runs of white space as one space; case and punctuation count.
    A number equals its text ("12", "12.0"), a bool the words true and false in any case.
    """
    output, target = _raw(output), _raw(target)
    if type(output) is type(target):
        return float(_squeeze(output) == _squeeze(target)) if isinstance(output, str) else float(bool(output == target))
    if isinstance(output, bool) or isinstance(target, bool):
        return float(str(output).strip().lower() == str(target).strip().lower())
    if isinstance(output, int | float) and isinstance(target, int | float):
        return float(output == target)
    if isinstance(output, str | int | float) and isinstance(target, str | int | float):
        return float(_as_number(output) == _as_number(target) is not None)
    return float(bool(output == target))


def contains(output: Any, target: Any) -> float:
    """1.0 when the target's text stands in the output's, ignoring case and runs of white space; else 0.0.

    A list as target: the share of its members that stand in the output.

    Raises:
        ValueError: an empty target, which every output contains.
    """
    output, target = _raw(output), _raw(target)
    wanted = list(target) if isinstance(target, list | tuple | set | frozenset) else [target]
    texts = [_squeeze(str(part)).casefold() for part in wanted]
    if not texts or not all(texts):
        raise ValueError(f"the target {target!r} is empty; every output would contain it")
    whole = _squeeze(str(output)).casefold()
    return sum(text in whole for text in texts) / len(texts)


def f1(output: Any, target: Any) -> float:
    """Harmonic mean of precision and recall over words (runs of letters, digits and "_"), ignoring case.

    A word counts as often as it occurs. Two texts without words are equal (1.0); one without gives 0.0.
    """
    ours, theirs = (Counter(_WORD.findall(str(_raw(part)).casefold())) for part in (output, target))
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


def numeric(output: Any, target: Any) -> float:
    """1.0 when the last number in the output equals the target's last number, within 1e-6 relative; else 0.0.

    "Answer: 12", "12 apples", "3 + 9 = 12." and 12 all give 12. A comma groups thousands ("1,234.5"); a sign
    counts where no letter or digit stands before it ("10-12" gives 12); digits that follow a letter
    ("H2O") are no number; percent signs, units and currencies are ignored; fractions and decimal commas
    are not understood. No number in the output: 0.0.

    Raises:
        ValueError: a target without a finite number.
    """
    wanted = _last_number(_raw(target))
    if wanted is None:
        raise ValueError(f"the target {target!r} holds no number")
    found = _last_number(_raw(output))
    return float(found is not None and math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-9))


def combine(metrics: Any, weights: Any = None) -> Any:
    """Several metrics as one: their mean is the score, and each is kept under its name.

    ``fit(..., metric=["f1", judge])`` and ``metric={"words": "f1", "tone": judge}`` mean this without weights.

    Args:
        metrics: a list, or {name: metric}; anything a metric may be.
        weights: {name: number}; None: all count alike.
    """
    from paragrad.guides.several import combine as combined

    return combined(metrics, weights)


def judge(prompt_or_module: Any, read: Any = None, **options: Any) -> Any:
    """A prompt, a Module, or a criterion in words as a metric; see :class:`paragrad.guides.Judge`.

    ``pg.metrics.judge("Is every claim in the passages?")``, ``pg.metrics.judge(my_judge, read=lambda v: v.faithful / 5)``

    Args:
        prompt_or_module: who judges.
        read: the judge's answer to a score, when its type does not say.
        **options: scale, model, attempts.
    """
    from paragrad.guides.judge import Judge

    return Judge(prompt_or_module, read, **options)


def schema(model: Any) -> Any:
    """1.0 when the output is a valid ``model``; else 0.0, with what is wrong in words.

    A text is read as JSON, as a model writes it: one fence or prose around one value is forgiven.

    Args:
        model: a pydantic model, a dataclass, any type pydantic can check, or a JSON schema as a dict.

    Raises:
        UsageError: no schema.
    """
    from paragrad.guides.valid import Valid

    return Valid(model)


def _last_number(value: Any) -> float | None:
    if not isinstance(value, str):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            value = str(value)
        else:
            return number if math.isfinite(number) else None
    found = [match[0] for match in _NUMBER.finditer(value)]
    if not found:
        return None
    number = float(found[-1].replace(",", "").replace("−", "-"))
    return number if math.isfinite(number) else None


def _as_number(value: str | int | float) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _raw(value: Any) -> Any:
    return value.value if isinstance(value, Variable) else value
