"""partition: several optimizers, each for its own Parameters; freeze: leave some alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from paragrad.errors import UsageError
from paragrad.optimizers.base import Transform, make
from paragrad.protocols.evidence import Ask, Candidate, Evidence


class Partition(Transform):
    """Each optimizer proposes for its own Parameters; proposals take turns.

    Args:
        by: kind, id pattern or Parameter to optimizer. Every trained Parameter matches exactly one key.
    """

    def __init__(self, by: Mapping[Any, Any]) -> None:
        super().__init__()
        self.by = {key: make(optimizer) for key, optimizer in by.items()}
        self.groups = list({id(optimizer): optimizer for optimizer in self.by.values()}.values())
        self.needs = frozenset().union(*(group.needs for group in self.groups))

    def init(self, parameters: Sequence[Any]) -> list[Any]:
        """One state per optimizer."""
        return [group.init([p for p in parameters if self._owner(p) is group]) for group in self.groups]

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """The optimizers' candidates in turn."""
        found: list[list[Candidate]] = []
        states = []
        for group, own in zip(self.groups, state, strict=True):
            view = _view(evidence, {id for id, p in evidence.parameters.items() if p.trainable and self._owner(p) is group})
            candidates, after = group.propose(view, own, n=n, ask=ask)
            found.append([evidence.candidate({id: c.values[id] for id in c.changed()}, origin=c.origin) for c in candidates])
            states.append(after)
        turns = [c for i in range(n) for group in found for c in group[i : i + 1]]
        return turns[:n], states

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Tell every optimizer; each takes what concerns it."""
        return [group.observe(own, candidate, evaluation) for group, own in zip(self.groups, state, strict=True)]

    def serves(self, parameter: Any) -> bool:
        """Whether a key matches."""
        return any(_matches(key, parameter) for key in self.by)

    def describe(self) -> str:
        """The optimizers' names."""
        return " + ".join(group.describe() for group in self.groups)

    def _owner(self, parameter: Any) -> Transform:
        keys = [key for key in self.by if _matches(key, parameter)]
        if len(keys) != 1:
            what = "matches no key" if not keys else f"matches {', '.join(map(repr, keys))}"
            raise UsageError(f"{parameter.id} ({parameter.kind}) {what} of partition; every trained Parameter must match exactly one")
        return self.by[keys[0]]


def _matches(key: Any, parameter: Any) -> bool:
    if isinstance(key, str):
        return key == parameter.kind or fnmatchcase(parameter.id, key)
    return bool(key.id == parameter.id)


def _view(evidence: Evidence, own: set[str]) -> Evidence:
    """The same evidence, in which only ``own`` may be changed."""
    parameters = {id: replace(p, trainable=p.trainable and id in own) for id, p in evidence.parameters.items()}
    return replace(evidence, parameters=parameters)


def partition(by: Mapping[Any, Any]) -> Partition:
    """Optimizers by kind ("text", "demos"), id pattern ("answer.*") or Parameter."""
    return Partition(by)
