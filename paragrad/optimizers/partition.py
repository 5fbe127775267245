"""partition: several optimizers, each for its own Parameters, and candidates that change all kinds in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, NamedTuple

from paragrad.errors import UsageError
from paragrad.optimizers.asking import ask_all
from paragrad.optimizers.base import Transform, make
from paragrad.optimizers.combined import Combined, matches
from paragrad.optimizers.filters import Filter
from paragrad.optimizers.fingerprints import fingerprint, fresh
from paragrad.optimizers.joining import arranged, proven, remembered
from paragrad.protocols.evidence import Ask, Candidate, Evidence

REMEMBERED = 64


class Partition(Combined):
    """Each optimizer proposes for its own Parameters.

    Candidates come in this order: ideas of several groups that did well alone, joined; first ideas of groups joined, so
    that one step moves words, demos, choices and numbers together; then every idea alone, the groups in turn. Where
    there is room for all groups alone, first ideas are joined of groups that learn from evidence (they have ``needs``)
    and, when nothing did well in the last step, of all: joining blind draws early costs more than it finds. With room for a single
    candidate per step, a joined one and the groups alone take turns; bound to Parameters, ``step`` always joins.

    Args:
        by: kind, id pattern, Parameter, or a tuple of these to optimizer. Every trained Parameter matches exactly one key.
        parameters: Parameters to bind to, or None.
    """

    def __init__(self, by: Mapping[Any, Any], parameters: Any = None) -> None:
        self.by = {key: make(optimizer) for key, optimizer in by.items()}
        super().__init__({id(optimizer): optimizer for optimizer in self.by.values()}.values(), parameters)
        self.groups = self.parts

    def own(self, part: Transform, parameters: Sequence[Any]) -> list[Any]:
        """The trained Parameters under the part's keys.

        Raises:
            UsageError: a Parameter that matches no key, or several, or one whose optimizer does not serve its kind.
        """
        found = [p for p in parameters if getattr(p, "requires_grad", True) and self._owner(p) is part]
        unserved = next((p for p in found if not part.serves(p) and not isinstance(part, Filter)), None)
        if unserved is not None:
            raise UsageError(
                f"{part.describe()} does not serve {unserved.id} ({unserved.kind}); give its key of partition another optimizer"
            )
        return found

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """One state per group; ideas that did well alone, the joined ones that were tried, and the turn of the latest gain."""
        return {**super().init(parameters), "good": {}, "joined": [], "lately": 0}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """The groups' ideas, joined and alone."""
        turn, states = state["turn"], list(state["states"])
        trained = [p for p in evidence.parameters.values() if p.trainable]
        groups = [i for i, group in enumerate(self.parts) if not isinstance(group, Filter) and self.own(group, trained)]
        stuck = state["lately"] < turn
        best = proven(evidence, state["good"], state["joined"], stuck=stuck)
        first = [best] if best is not None and (n > 1 or turn % (len(groups) + 1) == 0) else []
        together = groups if n <= len(groups) or stuck else [i for i in groups if self.parts[i].needs]
        ideas: dict[int, list[Candidate]] = {i: [] for i in groups}
        asked = _quota(n - len(first), groups, turn, single=n == 1)
        waiting = {i: 1 for i in groups if i not in asked}
        while asked:
            eager = []
            answers = self._ask_groups(asked, evidence, states, ask)
            for (i, count), (found, after) in zip(asked.items(), answers, strict=True):
                states[i] = after
                new = fresh(found, map(fingerprint, ideas[i]))
                ideas[i] += new
                if new and len(new) == count:
                    eager.append(i)
            missing = n - len(arranged(evidence, ideas, first, together, n, turn))
            room = {i: min(missing, (self.parts[i].per_step or n) - len(ideas[i])) for i in eager}
            asked = {i: count for i, count in room.items() if count > 0} or (waiting if missing == n else {})
            waiting = {}
        done = [*state["joined"], *map(fingerprint, first)][-REMEMBERED:]
        return arranged(evidence, ideas, first, together, n, turn), {**state, "turn": turn + 1, "states": states, "joined": done}

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Tell every group, and keep what did well alone."""
        state = super().observe(state, candidate, evaluation)
        changed = [_Named(id, candidate.spaces[id].kind) for id in candidate.changed()]
        groups = sorted({i for i, part in enumerate(self.parts) if any(self._owner(p) is part for p in changed)})
        lately = state["turn"] if evaluation.delta > 0 else state["lately"]
        good = remembered(state["good"], groups, candidate, evaluation, state["turn"])
        return {**state, "good": good, "lately": lately} if groups else state

    def _ask_groups(
        self, asked: Mapping[int, int], evidence: Evidence, states: Sequence[Any], ask: Ask
    ) -> list[tuple[list[Candidate], Any]]:
        """Every group's ideas and next state, all at once; each draws from a generator of its own."""
        views = [replace(evidence, random=Random(evidence.random.getrandbits(64))) for _ in asked]
        calls = [
            partial(self.propose_of, i, view, {"states": states}, count, ask) for (i, count), view in zip(asked.items(), views, strict=True)
        ]
        return ask_all(calls)

    def propose_now(self, n: int = 1) -> list[Candidate]:
        """Candidates from what the bound Parameters have collected, the joined one first."""
        if self._state is not None:
            self._state = {**self._state, "turn": 0}
        return super().propose_now(n)

    def serves(self, parameter: Any) -> bool:
        """Whether a key matches."""
        return any(matches(key, parameter) for key in self.by)

    def _owner(self, parameter: Any) -> Transform:
        keys = [key for key in self.by if matches(key, parameter)]
        if len(keys) != 1:
            what = "matches no key" if not keys else f"matches {', '.join(map(repr, keys))}"
            raise UsageError(f"{parameter.id} ({parameter.kind}) {what} of partition; every trained Parameter must match exactly one")
        return self.by[keys[0]]


class _Named(NamedTuple):
    """What a key is matched against."""

    id: str
    kind: str


def _quota(n: int, groups: Sequence[int], turn: int, *, single: bool) -> dict[int, int]:
    """How many ideas each group is asked for at first, so that nobody is asked in vain."""
    if n < 1 or len(groups) < 2:
        return dict.fromkeys(groups, n) if n > 0 else {}
    if single:
        alone = turn % (len(groups) + 1)
        return {groups[alone - 1]: 1} if alone else dict.fromkeys(groups, 1)
    return dict.fromkeys(groups, max(1, -(-(n - 1) // len(groups))))


def partition(by: Mapping[Any, Any], parameters: Any = None) -> Partition:
    """Optimizers by kind ("text", "demos"), id pattern ("answer.*") or Parameter; see :class:`Partition`."""
    return Partition(by, parameters)
