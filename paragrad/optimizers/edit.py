"""EditSearch: better texts, choices and numbers by small edits, without any optimizer model.

Texts get phrases added, dropped, swapped or replaced (idea: Prasad, Hase, Zhou, Bansal, "GrIPS",
2023); choices take other values; numbers take steps. Which edit is tried next is a bandit over what
each edit has brought so far, so one that failed alone gets another chance once the base has changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from paragrad.optimizers.base import Transform
from paragrad.optimizers.steps import other_options, steps_from
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ParameterEvidence

SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
CURIOSITY = 0.35  # how much an untried edit is worth, in units of score


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one Parameter. ``key`` names the idea, so results carry over to other bases."""

    id: str
    key: str
    words: str
    value: Any


class EditSearch(Transform):
    """Searches the neighbourhood of the current values.

    Args:
        parameters: Parameters to bind to, or None.
        bank: phrases that may be added to texts; without one, a text is only shortened and reordered.
        max_phrases: longest text, in sentences.
    """

    kinds = frozenset({"text", "choice", "number"})

    def __init__(self, parameters: Any = None, *, bank: Sequence[str] = (), max_phrases: int = 8, model: Any = None) -> None:
        super().__init__(parameters, model=model)
        self.bank = tuple(dict.fromkeys(phrase.strip() for phrase in bank if phrase.strip()))
        self.max_phrases = max_phrases

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """How often each idea was tried and what it brought; what was tried on the current base."""
        return {"tries": {}, "base": "", "seen": []}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """The ``n`` most promising edits of the base, one edit per candidate."""
        base = _fingerprint(evidence)
        seen = set(state["seen"]) if state["base"] == base else set()
        own = [p for p in evidence.parameters.values() if p.trainable and p.kind in self.kinds]
        edits = [e for p in own for e in self._edits(p, evidence.random) if _mark(e) not in seen]
        chosen = _spread(edits, lambda e: _worth(e, state["tries"]), n, evidence.random)
        candidates = [evidence.candidate({e.id: e.value}, origin=f"{_short(e.id)} {e.words}") for e in chosen]
        tried = [*seen, *map(_mark, chosen)]
        return candidates, {**state, "base": base, "seen": sorted(tried)}

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Remember what the edit brought against its base on the same rows."""
        if any(candidate.spaces[id].kind not in self.kinds for id in candidate.changed()):
            return state
        tries = dict(state["tries"])
        key = _key_of(candidate)
        count, total = tries.get(key, (0, 0.0))
        tries[key] = [count + 1, total + float(evaluation.delta)]
        return {**state, "tries": tries}

    def _edits(self, parameter: ParameterEvidence, random: Random) -> list[Edit]:
        if parameter.kind == "text":
            return self._text_edits(parameter, random)
        if parameter.kind == "choice":
            return [Edit(parameter.id, f"{value}", f"{parameter.value} → {value}", value) for value in other_options(parameter)]
        return [Edit(parameter.id, f"{value:g}", f"{parameter.value:g} → {value:g}", value) for value in steps_from(parameter)]

    def _text_edits(self, parameter: ParameterEvidence, random: Random) -> list[Edit]:
        sentences = [s for s in SENTENCE.split(str(parameter.value).strip()) if s]
        edits: list[tuple[str, str, list[str]]] = []
        if len(sentences) < self.max_phrases:
            edits += [(f"+{p}", f'+ "{p}"', [*sentences, p]) for p in self.bank if p not in sentences]
        if len(sentences) > 1:
            edits += [(f"-{s}", f'- "{s}"', sentences[:i] + sentences[i + 1 :]) for i, s in enumerate(sentences)]
            i, j = sorted(random.sample(range(len(sentences)), 2))
            swapped = [*sentences]
            swapped[i], swapped[j] = swapped[j], swapped[i]
            edits.append((f"~{i}.{j}", f"swaps sentences {i + 1} and {j + 1}", swapped))
        if sentences and self.bank:
            i = random.randrange(len(sentences))
            edits += [
                (f"+{p}", f'"{sentences[i]}" → "{p}"', [*sentences[:i], p, *sentences[i + 1 :]])
                for p in random.sample(self.bank, min(4, len(self.bank)))
                if p not in sentences
            ]
        return [Edit(parameter.id, key, words, " ".join(parts)) for key, words, parts in edits if _fits(parameter, " ".join(parts))]


def _fits(parameter: ParameterEvidence, value: Any) -> bool:
    """Whether the space and every constraint that is a function take the value."""
    try:
        parameter.space.check(value)
    except (TypeError, ValueError):
        return False
    rules = parameter.constraint if isinstance(parameter.constraint, (list, tuple)) else [parameter.constraint]
    return all(rule(value) in (True, None) for rule in rules if callable(rule))


def _worth(edit: Edit, tries: Mapping[str, Sequence[float]]) -> float:
    """Mean gain so far plus a bonus for ideas that were tried seldom (UCB)."""
    count, total = tries.get(f"{edit.id}|{edit.key}", (0, 0.0))
    return total / (count + 1) + CURIOSITY / math.sqrt(count + 1)


def _spread(edits: list[Edit], worth: Any, n: int, random: Random) -> list[Edit]:
    """The best edits, ties broken by the seed, taking Parameters in turn so that none is crowded out."""
    shuffled = random.sample(edits, len(edits))
    groups: dict[str, list[Edit]] = {}
    for edit in sorted(shuffled, key=worth, reverse=True):
        groups.setdefault(edit.id, []).append(edit)
    chosen: list[Edit] = []
    while len(chosen) < n and groups:
        best = max(groups, key=lambda id: (worth(groups[id][0]) - 0.1 * sum(e.id == id for e in chosen), id))
        edit = groups[best].pop(0)
        if edit.value not in [e.value for e in chosen if e.id == edit.id]:
            chosen.append(edit)
        if not groups[best]:
            del groups[best]
    return chosen


def _fingerprint(evidence: Evidence) -> str:
    from hashlib import sha256

    text = "|".join(f"{p.id}={p.space.show(p.value)}" for p in evidence.parameters.values())
    return sha256(text.encode()).hexdigest()[:16]


def _mark(edit: Edit) -> str:
    return f"{edit.id}|{edit.words}"


def _key_of(candidate: Candidate) -> str:
    """The idea behind a candidate, from what it changed."""
    changed = candidate.changed()
    if len(changed) != 1:
        return "|".join(changed)
    id = changed[0]
    old, new = candidate.before[id], candidate.values[id]
    if isinstance(old, str) and isinstance(new, str) and candidate.spaces[id].kind == "text":
        before, after = SENTENCE.split(old.strip()), SENTENCE.split(new.strip())
        added = [s for s in after if s not in before]
        dropped = [s for s in before if s not in after]
        return f"{id}|+{added[0]}" if added else f"{id}|-{dropped[0]}" if dropped else f"{id}|~"
    return f"{id}|{new:g}" if isinstance(new, (int, float)) and not isinstance(new, bool) else f"{id}|{new}"


def _short(id: str) -> str:
    return id.rpartition(".")[2]
