"""Blame: which Parameters the feedback reaches and names, and what earlier candidates say where it names none.

Pure functions of evidence. The graph says whom the feedback of a row can reach; its words may name the culprit. Where
neither tells Parameters apart, earlier candidates do: two that differ in few Parameters and in their scores are a
contrast, and the difference is credited to what differs. (Idea of contrastive credit: Zehle, "CANTANTE", 2026,
arXiv 2605.13295.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from paragrad.optimizers.fingerprints import marks
from paragrad.protocols.evidence import Candidate, Evidence, ItemEvidence

RECENT = 64
"""Candidates that are contrasted with each other, the latest."""

FEW = 2
"""Most Parameters in which two contrasted candidates differ."""

_ORDINARY = frozenset({
    "agent", "all", "and", "answer", "any", "bad", "base", "call", "check", "context", "correct", "data", "demos", "error", "example",
    "examples", "expected", "feedback", "find", "first", "fix", "format", "give", "good", "input", "instruction", "is", "it", "label",
    "last", "line", "look", "main", "make", "model", "name", "need", "new", "next", "number", "old", "other", "output", "plan",
    "program", "prompt", "query", "question", "read", "reply", "response", "result", "right", "row", "say", "score", "step", "style",
    "summary", "system", "target", "task", "text", "think", "to", "try", "use", "user", "value", "word", "words", "write", "wrong",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credit:
    """What contrasts say of one Parameter.

    Attributes:
        influence: mean absolute difference in score when it differs, in units of score.
        gain: mean difference of child minus parent when a child changed it; 0 without such a pair.
        pairs: how many contrasts there were.
    """

    influence: float = 0.0
    gain: float = 0.0
    pairs: int = 0


def imperfect(items: Iterable[ItemEvidence]) -> list[ItemEvidence]:
    """Rows with something to wish for, worst first; a score of 1 is perfect on a scale that ends there.

    A row without a score counts when something was said of it; an outage never does.
    """
    known = [item for item in items if item.status != "outage" and (item.score is not None or item.feedback or item.gradients)]
    unit = all(item.score is None or item.score <= 1.0 for item in known)
    wrong = [item for item in known if item.score is None or not (unit and item.score >= 1.0)]
    return sorted(wrong, key=_score)


def blamed(evidence: Evidence, only: Iterable[str] | None = None) -> list[tuple[str, list[ItemEvidence]]]:
    """Parameters to blame, worst first, each with the rows it is blamed for, worst first.

    For every imperfect row: the trained Parameters that its feedback reaches (all, when the graph says nothing),
    narrowed to those that the feedback names, if it names any. Sorted by what the rows fall short of the best one, then
    by the credit of earlier candidates, then in the program's order. Without rows, the words that Parameters have
    collected count instead.

    Args:
        only: ids that count; None: every trained Parameter.
    """
    wanted = None if only is None else set(only)
    trained = [id for id, p in evidence.parameters.items() if p.trainable and (wanted is None or id in wanted)]
    names = Names(evidence.parameters)
    weights: dict[str, float] = {}
    rows: dict[str, list[ItemEvidence]] = {}
    best = max([1.0, *(item.score for item in evidence.items if item.score is not None)])
    for item in imperfect(evidence.items):
        for id in owners(item, trained, names):
            rows.setdefault(id, []).append(item)
            weights[id] = weights.get(id, 0.0) + best - _score(item)
    for id in trained if not evidence.items else ():
        said = [_words(word) for word in evidence.parameters[id].gradients]
        if said:
            rows[id], weights[id] = [], float(len(said))
    credits = credit(evidence.history) if len(set(weights.values())) < len(weights) else {}
    order = sorted(rows, key=lambda id: (-round(weights[id], 9), -credits.get(id, Credit()).influence, trained.index(id)))
    return [(id, rows[id]) for id in order]


def owners(item: ItemEvidence, trained: Sequence[str], names: Names) -> list[str]:
    """The Parameters that one row's feedback is about, among the trained ones."""
    reached = [id for id in trained if item.gradients.get(id)] or list(trained)
    words = [_words(word) for id in reached for word in item.gradients.get(id, ())]
    named = names.found("\n".join([item.feedback or "", *words]))
    return [id for id in reached if id in named] or reached


def names_owner(evidence: Evidence) -> bool:
    """Whether any imperfect row's feedback names a Parameter."""
    names = Names(evidence.parameters)
    return any(names.found(item.feedback or "") for item in imperfect(evidence.items))


class Names:
    """The words that name Parameters: the id, the path of its component, and shorter ends of either that fit only one.

    An everyday word of feedback ("answer", "step", …) that happens to be a component's name counts only when it is
    marked as one: in quotes or backticks, or beside a word like "component".
    """

    def __init__(self, ids: Iterable[str]) -> None:
        known = _known(list(ids))
        self._ids = {_plain(name): found for name, found in known.items()}
        longest = sorted(known, key=lambda name: (-len(name), name))
        self._pattern = (
            re.compile(r"(?<![\w.-])(?:" + "|".join(map(_loose, longest)) + r")(?![\w-])(?!\.\w)", re.IGNORECASE) if known else None
        )

    def found(self, text: str) -> set[str]:
        """Ids of the Parameters named in a text."""
        found: set[str] = set()
        for match in self._pattern.finditer(text) if self._pattern is not None else ():
            name = _plain(match[0])
            if (name not in _ORDINARY and len(name) > 1) or _is_marked(text, match.start(), match.end()):
                found |= self._ids.get(name, set())
        return found


def _known(ids: Sequence[str]) -> dict[str, set[str]]:
    """Every usable name, and the ids it stands for. A name of a component stands for all of its Parameters."""
    exact: dict[str, set[str]] = {}
    ends: dict[str, set[str]] = {}
    paths: dict[str, set[str]] = {}
    for id in ids:
        path = id.rpartition(".")[0]
        exact.setdefault(id, set()).add(id)
        if path:
            exact.setdefault(path, set()).add(id)
        for end in _ends(id):
            ends.setdefault(end, set()).add(id)
        for end in _ends(path):
            paths.setdefault(end, set()).add(path)
    known = {end: found for end, found in ends.items() if len(found) == 1}
    for end, components in paths.items():
        if len(components) == 1 and end not in known:
            known[end] = {id for id in ids if id.rpartition(".")[0] in components}
    return {**known, **exact}


def _ends(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[i:]) for i in range(1, len(parts))]


def _loose(name: str) -> str:
    """A pattern that also takes the name in words: ``second_hop`` as "second hop"."""
    return "".join(r"[_\s-]" if char == "_" else re.escape(char) for char in name)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]", "_", name).casefold()


_MARK = r"component|module|stage|step|part|parameter|prompt|predictor|node|agent|call"
_BEFORE = re.compile(rf"(?:[`'\"“‘]|\b(?:{_MARK})s?\s*:?\s*)$", re.IGNORECASE)
_AFTER = re.compile(rf"(?:[`'\"”’]|\s+(?:{_MARK})\b)", re.IGNORECASE)


def _is_marked(text: str, start: int, end: int) -> bool:
    before, after = _BEFORE.search(text[max(0, start - 24) : start]), _AFTER.match(text, end)
    quoted = before is not None and after is not None
    return quoted or any(found is not None and found[0].strip()[:1].isalpha() for found in (before, after))


def credit(history: Sequence[Candidate], few: int = FEW) -> dict[str, Credit]:
    """Contrastive credit of Parameters, from scored candidates.

    Two candidates are contrasted when one was proposed on the other's values, or both on the same, and they differ in at
    most ``few`` Parameters; each of these gets an equal share of the difference in score.

    Args:
        history: candidates with ``scores["score"]``; others are passed over. The latest are used.
        few: most Parameters in which a pair may differ.
    """
    scored = [_Scored(candidate) for candidate in history if "score" in candidate.scores][-RECENT:]
    shares: dict[str, list[float]] = {}
    gains: dict[str, list[float]] = {}
    for older, newer in combinations(scored, 2):
        child = newer.child_of(older)
        if not (child or older.child_of(newer) or newer.sibling_of(older)):
            continue
        differing = newer.differing(older)
        if not 0 < len(differing) <= few:
            continue
        share = (newer.score - older.score) / len(differing)
        for id in differing:
            shares.setdefault(id, []).append(abs(share))
            if child:
                gains.setdefault(id, []).append(share)
    return {id: Credit(_mean(found), _mean(gains.get(id, [])), len(found)) for id, found in sorted(shares.items())}


class _Scored:
    """A scored candidate by what it holds, so that comparing pairs costs little."""

    def __init__(self, candidate: Candidate) -> None:
        self.score = float(candidate.scores["score"])
        self.marks = marks(candidate.values, candidate.spaces)
        self.before = marks(candidate.before, candidate.spaces)
        self.base, self.parents = candidate.base, candidate.parents

    def child_of(self, other: _Scored) -> bool:
        return bool(self.before) and self.before == other.marks

    def sibling_of(self, other: _Scored) -> bool:
        same = bool(self.before) and self.before == other.before
        return same or bool(self.parents and self.parents == other.parents) or bool(self.base and self.base == other.base)

    def differing(self, other: _Scored) -> list[str]:
        return [id for id in self.marks if self.marks[id] != other.marks.get(id)]


def _words(word: Any) -> str:
    """A gradient's words: a Contribution, a Variable or a plain text."""
    value = getattr(word, "value", word)
    value = getattr(value, "value", value)
    return value if isinstance(value, str) else str(value)


def _score(item: ItemEvidence) -> float:
    return item.score if item.score is not None else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
