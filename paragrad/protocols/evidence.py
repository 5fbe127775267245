"""Evidence in, candidates out: what an optimizer sees and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Protocol

from paragrad.protocols.data import Episode
from paragrad.protocols.space import Space


@dataclass(frozen=True, slots=True)
class Candidate:
    """Values for every trained Parameter.

    Attributes:
        values: parameter id to value, total over the trained ids.
        base: commit or version label the values were proposed on.
        parents: labels of the candidates it came from.
        origin: who proposed it, and how, in words for a person.
        scores: metric to mean, once evaluated.
    """

    values: Mapping[str, Any]
    base: str = ""
    parents: tuple[str, ...] = ()
    origin: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    spaces: Mapping[str, Space[Any]] = field(default_factory=dict, compare=False, repr=False)
    before: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def changed(self) -> list[str]:
        """Ids whose value differs from the base's, in order."""
        return [id for id, value in self.values.items() if id not in self.before or not _equal(self.before[id], value)]

    def diff(self) -> str:
        """What changed against the base, for a person."""
        parts = []
        for id in self.changed():
            space = self.spaces.get(id)
            text = space.diff(self.before[id], self.values[id]) if space and id in self.before else repr(self.values[id])
            parts.append(f"{id}\n{text}")
        return "\n".join(parts)

    def scored(self, scores: Mapping[str, float]) -> Candidate:
        """The same values with scores."""
        return replace(self, scores=dict(scores))


@dataclass(frozen=True, slots=True)
class ParameterEvidence:
    """One Parameter as an optimizer sees it."""

    id: str
    kind: str
    value: Any
    version: int
    space: Space[Any]
    role: str | None = None
    constraint: Any = None
    peers: tuple[str, ...] = ()
    trainable: bool = True
    instruction: str | None = None
    gradients: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemEvidence:
    """One evaluated row: what came out, what was said of it, and what flowed back.

    ``status`` is "ok", "error" (the program failed; ``output`` is the error's report and the score is the
    floor, 0) or "outage" (no score). ``spent`` holds calls, tokens and dollars.
    """

    item: int | str
    inputs: Mapping[str, Any]
    target: Any
    output: Any
    scores: Mapping[str, float]
    feedback: str | None = None
    gradients: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    episodes: Sequence[Episode] = ()
    graph: Any = None
    status: str = "ok"
    spent: Mapping[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float | None:
        """The main score, or None when the item has none."""
        return self.scores.get("score")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything an optimizer may use, frozen.

    Attributes:
        parameters: by id, in the program's order.
        items: evaluated rows, in coordinate order.
        history: earlier candidates with their scores, oldest first.
        random: seeded by the step's coordinate.
        teacher: episodes of a teacher on the same rows, when there is one.
    """

    parameters: Mapping[str, ParameterEvidence]
    items: Sequence[ItemEvidence] = ()
    history: Sequence[Candidate] = ()
    random: Random = field(default_factory=lambda: Random(0), compare=False)
    teacher: Sequence[ItemEvidence] = ()

    def candidate(self, changes: Mapping[str, Any], origin: str = "") -> Candidate:
        """A total candidate: ``changes`` (checked by their spaces), the rest from the base values.

        Raises:
            KeyError: an id that is not trained.
            TypeError, ValueError: a value its space refuses.
        """
        base = {id: p.value for id, p in self.parameters.items() if p.trainable}
        spaces = {id: p.space for id, p in self.parameters.items() if p.trainable}
        for id in changes:
            if id not in base:
                raise KeyError(f"{id!r} is not a trained parameter; trained: {', '.join(base)}")
        values = {id: spaces[id].check(changes[id]) if id in changes else value for id, value in base.items()}
        return Candidate(values, origin=origin, spaces=spaces, before=base)


Ask = Callable[..., str]


class Transform(Protocol):
    """An optimizer as a pure function: evidence and state in, candidates and state out. State is plain data."""

    def init(self, parameters: Sequence[Any]) -> Any:
        """The first state for these Parameters."""

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """At most ``n`` candidates, best idea first. ``ask(prompt) -> str`` is the only effect allowed."""

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """The state after ``candidate`` was evaluated. ``evaluation`` has ``score``, ``accepted`` and ``items``."""


def _equal(a: Any, b: Any) -> bool:
    """Equality that also holds for arrays."""
    same = a == b
    if isinstance(same, bool):
        return same
    return bool(getattr(same, "all", lambda: same)())
