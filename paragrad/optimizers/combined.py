"""What optimizers made of optimizers share: each part keeps its own state, sees its own Parameters, asks its own model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from paragrad.errors import UsageError
from paragrad.optimizers.base import Transform, make
from paragrad.protocols.evidence import Ask, Candidate, Evidence


class Combined(Transform):
    """An optimizer of several parts. Its state is ``{"turn": steps so far, "states": one per part}``.

    Args:
        parts: optimizers, or their names.
        parameters: Parameters to bind to, or None.
    """

    def __init__(self, parts: Iterable[Any], parameters: Any = None) -> None:
        super().__init__(parameters)
        self.parts: list[Transform] = [make(part) for part in parts]
        if not self.parts:
            raise UsageError(f"{type(self).__name__} needs at least one optimizer")
        self.needs = frozenset().union(*(part.needs for part in self.parts))
        self.critic = next((part.critic for part in self.parts if part.critic is not None), None)
        self.teacher = next((found for found in (getattr(part, "teacher", None) for part in self.parts) if found is not None), None)

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """One state per part."""
        return {"turn": 0, "states": [part.init(self.own(part, parameters)) for part in self.parts]}

    def own(self, part: Transform, parameters: Sequence[Any]) -> list[Any]:
        """The Parameters that a part works on: those it serves."""
        return [p for p in parameters if part.serves(p)]

    def propose_of(self, place: int, evidence: Evidence, state: Any, n: int, ask: Ask) -> tuple[list[Candidate], Any]:
        """At most ``n`` candidates of one part, and the next state of that part alone."""
        part = self.parts[place]
        trained = [p for p in evidence.parameters.values() if p.trainable]
        own = {p.id for p in self.own(part, trained)}
        if not own:
            return [], state["states"][place]
        view = evidence if len(own) == len(trained) else only_these(evidence, own)
        limit = min(n, part.per_step or n)
        candidates, after = part.propose(view, state["states"][place], n=limit, ask=voice(part, ask))
        return [widened(evidence, candidate) for candidate in candidates], after

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Tell every part; each takes what concerns it."""
        told = [part.observe(own, candidate, evaluation) for part, own in zip(self.parts, state["states"], strict=True)]
        return {**state, "states": told}

    def serves(self, parameter: Any) -> bool:
        """Whether any part does."""
        return any(part.serves(parameter) for part in self.parts)

    def describe(self) -> str:
        """The parts' names."""
        return " + ".join(part.describe() for part in self.parts)


def matches(key: Any, parameter: Any) -> bool:
    """Whether a key stands for a Parameter (or its evidence): its kind, a pattern of its id, the Parameter, or any of several keys."""
    if isinstance(key, str):
        return bool(key == parameter.kind or fnmatchcase(parameter.id, key))
    if isinstance(key, (list, tuple, set, frozenset)):
        return any(matches(part, parameter) for part in key)
    return bool(key.id == parameter.id)


def only_these(evidence: Evidence, ids: Collection[str]) -> Evidence:
    """The same evidence, in which only ``ids`` may be changed."""
    parameters = {id: replace(p, trainable=p.trainable and id in ids) for id, p in evidence.parameters.items()}
    return replace(evidence, parameters=parameters)


def rebased(evidence: Evidence, candidate: Candidate) -> Evidence:
    """The same evidence with a candidate's values in place of the base's; its rows stay those of the base."""
    held = candidate.values
    parameters = {id: replace(p, value=held[id]) if id in held else p for id, p in evidence.parameters.items()}
    return replace(evidence, parameters=parameters)


def widened(evidence: Evidence, candidate: Candidate) -> Candidate:
    """A part's candidate with a value for every trained Parameter of ``evidence``."""
    changes = {id: candidate.values[id] for id in candidate.changed()}
    return replace(evidence.candidate(changes, origin=candidate.origin), base=candidate.base, parents=candidate.parents)


def voice(part: Transform, ask: Ask) -> Callable[..., str]:
    """How a part asks: its own model when it was given one, else the run's."""
    if part.model is None:
        return ask
    model = part._own_model

    def own(prompt: Any, **request: Any) -> str:
        return str(model(prompt, **request))

    return own
