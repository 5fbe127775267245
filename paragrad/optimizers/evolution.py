"""EvolutionStrategy: numbers and small tensors that no gradient reaches, by sampling around a moving centre.

A (μ/μ_w, λ) strategy with cumulative step-size adaptation and one variance per coordinate, in mirrored pairs; see
:mod:`paragrad.optimizers.separable`. Only ranks count, so scores may have any scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from paragrad.errors import UsageError
from paragrad.optimizers.base import Transform
from paragrad.optimizers.coordinates import Coordinates, elements
from paragrad.optimizers.fingerprints import fingerprint
from paragrad.optimizers.separable import Search, advanced, population, started
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ParameterEvidence

TRIES = 8
WIDEST = 0.6  # a first step, and one on a plateau, as a share of the range


class EvolutionStrategy(Transform):
    """Searches Numbers and Tensors; bounds, integers and log scales are respected. Asks no model.

    Args:
        parameters: Parameters to bind to, or None.
        sigma: the first step, as a share of each number's range (of twice its size, where it has no bounds).
        population: points per generation; None: 4 + 3 ln(coordinates).
        most: tensors with more elements are not served, and more coordinates together are refused.
    """

    kinds = frozenset({"number", "tensor"})

    def __init__(
        self, parameters: Any = None, *, sigma: float = 0.2, population: int | None = None, most: int = 200, model: Any = None
    ) -> None:
        super().__init__(parameters, model=model)
        if not 0 < sigma <= WIDEST:
            raise UsageError(f"sigma={sigma!r}: write the first step as a share of the range, above 0 and at most {WIDEST}")
        self.sigma, self.population, self.most = sigma, population, most

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """The scale, the search, and of this generation the points asked for and those that were evaluated."""
        return {"ranges": {}, "search": None, "asked": {}, "told": [], "mirror": None}

    def serves(self, parameter: Any) -> bool:
        """Numbers, and tensors of few numbers."""
        return parameter.kind in self.kinds and 0 < elements(parameter) <= self.most

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """``n`` points of this generation; of a new one the centre comes first."""
        own = {id: p for id, p in evidence.parameters.items() if p.trainable and self.serves(p)}
        if not own:
            return [], state
        space = self._space(own, state["ranges"])
        search = started(space.write({id: p.value for id, p in own.items()}), self.sigma)
        if state["search"] is not None and len(state["search"]["mean"]) == space.size:
            search = Search.of(state["search"])
        state = {**state, "ranges": space.ranges(), "search": search.plain()}
        state = self._next_generation(state, space.size)
        return self._sampled(evidence, space, state, n)

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Keep what a point of this generation scored."""
        own = [id for id in candidate.changed() if id in state["ranges"]]
        place = state["asked"].get(fingerprint(candidate, state["ranges"]))
        if not own or place is None or not evaluation.items:
            return state
        rows = len(evaluation.items)
        told = {
            "at": place,
            "delta": float(evaluation.delta) * rows / (rows + 2),  # few rows prove little
            "score": float(evaluation.score),
            "alone": len(own) == len(candidate.changed()),
        }
        return {**state, "told": [*state["told"], told]}

    # --- parts -------------------------------------------------------------------------------------

    def _space(self, own: Mapping[str, ParameterEvidence], ranges: Mapping[str, Any]) -> Coordinates:
        kept = {id: found for id, found in ranges.items() if id in own and len(found) == elements(own[id])}
        space = Coordinates(own, kept)
        if space.size > self.most:
            raise UsageError(
                f"{', '.join(own)} have {space.size} numbers together; EvolutionStrategy searches at most {self.most} (most=). "
                "Train large tensors by gradient, or give it fewer with partition"
            )
        return space

    def _next_generation(self, state: Any, size: int) -> Any:
        """The state with its generation finished, when enough of it was evaluated."""
        wanted = self.population or population(size)
        points = _ranked(state["told"])
        if len(points) < 2 or (len(points) < wanted and len(state["asked"]) < 2 * wanted):
            return state
        search = Search.of(state["search"])
        scores = {_fitness(told) for told in state["told"]}
        if len(scores) == 1:  # a plateau: nothing to rank, so look farther away
            after = {**search.plain(), "sigma": max(search.sigma, min(1.5 * search.sigma, WIDEST)), "generation": search.generation + 1}
        else:
            after = advanced(search, points).plain()
        return {**state, "search": after, "asked": {}, "told": [], "mirror": None}

    def _sampled(self, evidence: Evidence, space: Coordinates, state: Any, n: int) -> tuple[list[Candidate], Any]:
        search, asked, mirror = Search.of(state["search"]), dict(state["asked"]), state["mirror"]
        base = fingerprint(evidence.candidate({}), space.axes)
        found: list[Candidate] = []
        steps: list[list[float] | None] = [None] if search.generation and not asked else []
        for _ in range(TRIES * n):
            if len(found) == n:
                break
            if steps:
                step, mirror = steps.pop(), None
            elif mirror is not None:
                step, mirror = [-x for x in mirror], None
            else:
                step = mirror = _drawn(search, space.finest(), evidence.random)
            values = space.read(search.mean if step is None else [m + d for m, d in zip(search.mean, step, strict=True)])
            candidate = evidence.candidate(values, origin=f"evolution, step {search.sigma:.2g}")
            mark = fingerprint(candidate, space.axes)
            if mark != base and mark not in asked:
                asked[mark] = space.write({id: candidate.values[id] for id in space.axes})
                found.append(candidate)
        if not found:
            state = {**state, "search": {**search.plain(), "sigma": max(search.sigma, min(2 * search.sigma, WIDEST))}}
        return found, {**state, "asked": asked, "mirror": mirror}


def _drawn(search: Search, finest: Sequence[float], random: Random) -> list[float]:
    sizes = [max(search.sigma * math.sqrt(v), least) for v, least in zip(search.variances, finest, strict=True)]
    return [size * random.gauss(0.0, 1.0) for size in sizes]


def _fitness(told: Mapping[str, Any]) -> tuple[float, float]:
    return told["delta"], told["score"] if not told["delta"] else 0.0


def _ranked(told: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Evaluated points, best first. A point that was also tried without other changes counts by that alone."""
    groups: dict[tuple[float, ...], list[Mapping[str, Any]]] = {}
    for one in told:
        groups.setdefault(tuple(one["at"]), []).append(one)
    worth = {}
    for at, ones in groups.items():
        clean = [one for one in ones if one["alone"]] or ones
        worth[at] = tuple(sum(part) / len(clean) for part in zip(*(_fitness(one) for one in clean), strict=True))
    return [list(at) for at in sorted(worth, key=lambda at: (worth[at], at), reverse=True)]
