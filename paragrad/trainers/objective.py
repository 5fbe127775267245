"""Objective: what is maximised beyond the metric alone: weights, limits and fronts over what every row is measured by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from paragrad.errors import UsageError
from paragrad.protocols.evidence import ItemEvidence

MEASURED = ("calls", "seconds", "tokens", "usd")
"""What is measured for every row, on average to be small."""

RAW = "metric"
"""Under this name an item keeps the metric's own score once its "score" is the objective's."""

FAR = 1_000_000.0
"""Rows of a candidate that breaks a limit score -FAR and less, by how far it breaks it: no candidate within the limits is worse."""


class Objective:
    """What a search maximises.

    Quantities have names: ``score`` is the metric's own; ``usd``, ``tokens``, ``calls`` and ``seconds`` are measured for
    every row (a metric's value of the same name replaces the measured one); a metric that returns further values adds
    their names. All are means over rows.

    Limits come first: a candidate whose mean breaks one never beats a candidate that keeps all of them, and of two that
    break them the one that breaks them less is better. Whether it does is judged on the rows of each evaluation.

    Args:
        maximize: one name; {name: weight} for a sum; or several names for a front: the first is maximised, and
            ``Result.front`` holds the candidates that no other one beats in all of them. Of a measured cost, less is better.
        at_most: name to the largest mean allowed. ``at_least``: to the smallest.

    Raises:
        UsageError: no name, a weight or limit that is no finite number.
    """

    def __init__(
        self,
        maximize: str | Mapping[str, float] | Sequence[str] = "score",
        *,
        at_most: Mapping[str, float] | None = None,
        at_least: Mapping[str, float] | None = None,
    ) -> None:
        if isinstance(maximize, Mapping):
            self.weights = {str(name): _number(weight, f"the weight of {name!r}") for name, weight in maximize.items()}
            self.compared = tuple(self.weights)
        else:
            names = [maximize] if isinstance(maximize, str) else list(maximize)
            if any(not isinstance(name, str) for name in names):
                raise UsageError(f"Objective({maximize!r:.80}): name quantities, like 'score' or ['score', 'usd']")
            self.weights = {name: _sign(name) for name in names[:1]}
            self.compared = tuple(dict.fromkeys(names))
        if not self.weights:
            raise UsageError("an objective without a quantity; write Objective('score'), or {'score': 1, 'tokens': -1e-5}")
        self.at_most = {str(name): _number(limit, f"at_most[{name!r}]") for name, limit in (at_most or {}).items()}
        self.at_least = {str(name): _number(limit, f"at_least[{name!r}]") for name, limit in (at_least or {}).items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Every quantity that is weighed, compared or limited."""
        return tuple(dict.fromkeys((*self.compared, *self.at_most, *self.at_least)))

    @property
    def timed(self) -> bool:
        """Whether rows must be timed."""
        return "seconds" in self.names

    def sign(self, name: str) -> float:
        """1 where more of a quantity is better, -1 where less is."""
        if name in self.weights:
            return math.copysign(1.0, self.weights[name])
        return 1.0 if name in self.at_least else -1.0 if name in self.at_most else _sign(name)

    def of(self, item: ItemEvidence) -> dict[str, float]:
        """The named quantities of one row.

        Raises:
            UsageError: a name that the row does not have, or dollars of a model whose price is not known.
        """
        return {name: _quantity(name, item) for name in self.names}

    def broken(self, found: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
        """Limits that these rows break: name to mean and limit."""
        means = {name: fmean(row[name] for row in found) for name in (*self.at_most, *self.at_least)} if found else {}
        over = {name: (means[name], limit) for name, limit in self.at_most.items() if name in means and means[name] > limit}
        under = {name: (means[name], limit) for name, limit in self.at_least.items() if name in means and means[name] < limit}
        return {**over, **under}

    def applied(self, items: Sequence[ItemEvidence]) -> list[ItemEvidence]:
        """The rows of one candidate with the objective's value as their score and the metric's beside it."""
        found = [self.of(item) for item in items]
        broken = self.broken(found)
        words = " ".join(self._words(name, *broken[name]) for name in broken)
        return [_weighed(item, self._value(row, broken), words) for item, row in zip(items, found, strict=True)]

    def _value(self, row: Mapping[str, float], broken: Mapping[str, tuple[float, float]]) -> float:
        if broken:
            return -FAR * math.fsum(self._excess(name, row[name], limit) for name, (_, limit) in broken.items())
        return math.fsum(weight * row[name] for name, weight in self.weights.items())

    def _excess(self, name: str, value: float, limit: float) -> float:
        """1 at the limit, more beyond it, in units of the limit."""
        beyond = limit - value if name in self.at_least else value - limit
        return 1 + beyond / (abs(limit) or 1.0)

    def _words(self, name: str, mean: float, limit: float) -> str:
        which = "at least" if name in self.at_least else "at most"
        return f"The limit on {name} is broken: {mean:.4g} on average, allowed is {which} {limit:.4g}."

    def __str__(self) -> str:
        weighed = " + ".join(name if weight == 1 else f"{weight:g} × {name}" for name, weight in self.weights.items())
        others = [name for name in self.compared if name not in self.weights]
        limits = [f"{name} ≤ {limit:g}" for name, limit in self.at_most.items()]
        limits += [f"{name} ≥ {limit:g}" for name, limit in self.at_least.items()]
        return ", ".join([weighed + (f" against {' and '.join(others)}" if others else ""), *limits])

    def __repr__(self) -> str:
        return f"Objective({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Objective) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def objective_of(given: Any) -> Objective | None:
    """An objective from what people write; None when it is the metric alone.

    Raises:
        UsageError: neither a name, names, weights nor an Objective.
    """
    if given is None or isinstance(given, Objective):
        return None if given == Objective("score") else given
    if isinstance(given, (str, Mapping, list, tuple)):
        return objective_of(Objective(given))
    raise UsageError(
        f"objective={given!r:.80} is none; write a name, ['score', 'usd'], {{'score': 1, 'tokens': -1e-5}} or pg.Objective(...)"
    )


def quantities(item: ItemEvidence) -> dict[str, float | None]:
    """Everything a row was measured by; None: not known."""
    spent = item.spent
    tokens = spent.get("input_tokens", 0) + spent.get("output_tokens", 0)
    measured = {"calls": spent.get("calls", 0), "tokens": tokens, "usd": spent.get("usd", 0.0), "seconds": spent.get("seconds")}
    raw = item.scores.get(RAW, item.scores.get("score"))
    return {**measured, **{name: value for name, value in item.scores.items() if name != RAW}, "score": raw}


def _quantity(name: str, item: ItemEvidence) -> float:
    known = quantities(item)
    value = known.get(name)
    if value is not None:
        return float(value)
    if name == "usd":
        raise UsageError("the objective names usd, but the price of a model is not known; give it: pg.llm.connect(name, price=(in, out))")
    if name in known or item.status == "error":  # a row that failed before its metric said anything
        return 0.0
    names = ", ".join(sorted(known))
    raise UsageError(
        f"the objective names {name!r}, and row {item.item} has {names}; a metric may return more: pg.Feedback(score, {name}=…)"
    )


def _weighed(item: ItemEvidence, value: float, words: str) -> ItemEvidence:
    scores = {**item.scores, "score": value, RAW: item.scores["score"]}
    return replace(item, scores=scores, feedback="\n".join(part for part in (item.feedback, words) if part) or None)


def _sign(name: str) -> float:
    return -1.0 if name in MEASURED else 1.0


def _number(value: Any, who: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"{who} is {value!r:.40}; write a finite number")
    return float(value)
