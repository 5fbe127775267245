"""ThresholdFit: cut points fitted on what a recorded run compared them with. No model is asked, and none has to answer anew.

A threshold meets numbers: ``score > threshold``, or a call that is given both. Where the cut lies between two of these
numbers decides nothing, so only the gaps between them are candidates (as in isotonic regression), and what a row scores is a
step function of the cut. Rows tell their steps as candidates are evaluated; an unknown side of a single step is taken to
be the opposite of the known one. The best gap by this account is proposed.

The program's model calls come before the comparison and do not depend on the cut, so evaluating a candidate asks them the
same questions: with the cache on, a fit pays for nothing (the idea of fitting decision values on cached outputs: DSPy's
ReAnchor). Replaying recorded operations instead would be cheaper still and wrong as soon as a branch calls something that
the record does not hold; running the program over the cache is right in every case.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from paragrad.optimizers.base import Transform
from paragrad.optimizers.fingerprints import fingerprint
from paragrad.propagators.subgraph import Calling, calls_after
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ItemEvidence, ParameterEvidence

COMPARING = frozenset({"lt", "le", "gt", "ge", "sub"})
_ORDER = COMPARING - {"sub"}
_TIES_ABOVE = frozenset({("gt", 1), ("le", 1), ("ge", 0), ("lt", 0)})
"""Comparisons (and the place of the threshold in them) that come out at a tie as they do for a larger threshold."""

MOST_ROWS, MOST_MET, MOST_SEEN = 400, 64, 8

Row = Mapping[str, Any]
"""What is known of a row: ``met`` (sorted numbers that the threshold met) and ``seen`` (pairs of cut and score)."""


class ThresholdFit(Transform):
    """Fits Numbers that are compared with something.

    Args:
        parameters: Parameters to bind to, or None.
    """

    kinds = frozenset({"number"})
    needs = frozenset({"graph", "operands"})
    per_step = 2

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """Per Parameter the other values it was seen with, and what is known of rows."""
        return {"fits": {}}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """The cuts that should score best, the best first; one Parameter per candidate, in turn; none when no cut should do better."""
        own = [p for p in evidence.parameters.values() if p.trainable and p.kind == "number"]
        fits = {p.id: _learnt(p, state["fits"].get(p.id), evidence) for p in own}
        ranked = {p.id: _ranked(p, fits[p.id]["rows"]) for p in own}
        found: list[Candidate] = []
        for place in range(n):
            for id, cuts in ranked.items():
                if place < len(cuts) and len(found) < n:
                    gain, cut = cuts[place]
                    origin = f"{id.rpartition('.')[2]} {evidence.parameters[id].value:g} → {cut:g} (expected {gain:+.1f} rows)"
                    found.append(evidence.candidate({id: cut}, origin=origin))
        return found, {"fits": fits}

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Rows tell what they score on another side of the cut."""
        changed = candidate.changed()
        if len(changed) != 1 or changed[0] not in state["fits"]:
            return state
        id = changed[0]
        fit = state["fits"][id]
        if fit["others"] != _others(candidate, id):
            return state
        rows = dict(fit["rows"])
        for item in evaluation.items:
            if item.score is not None and item.status != "outage":
                rows[str(item.item)] = _with_score(rows.get(str(item.item)), candidate.values[id], item.score)
        return {"fits": {**state["fits"], id: {**fit, "rows": rows}}}


def _learnt(parameter: ParameterEvidence, fit: Any, evidence: Evidence) -> dict[str, Any]:
    """What is known of a Parameter's rows, with these rows added."""
    others = _others(evidence.candidate({}), parameter.id)
    rows = dict(fit["rows"]) if fit is not None and fit["others"] == others else {}
    for item in evidence.items:
        if item.score is None or item.status == "outage":
            continue
        known = rows.get(str(item.item))
        met = sorted(set(met_by(parameter.id, item)))[:MOST_MET]
        if met and (known is None or known["met"] != met):
            known = {"met": met, "seen": [] if known is None or known["met"] else known["seen"]}
        rows[str(item.item)] = _with_score(known, parameter.value, item.score)
    latest = list(rows)[-MOST_ROWS:]
    return {"others": others, "rows": {name: rows[name] for name in latest}}


def met_by(id: str, item: ItemEvidence) -> Iterator[float]:
    """Numbers that a Parameter met in a row's recorded calls: other operands of its comparisons, and of calls that are given both.

    Of a comparison the number is moved by the least possible amount, to where the outcome changes.
    """
    for call in calls_after(item.graph) if isinstance(item.graph, tuple) else ():
        place = next((i for i, operand in enumerate(call.operands) if operand.parameter == id), None)
        if place is None or not _compares(call):
            continue
        toward = -math.inf if (call.op, place) in _TIES_ABOVE else math.inf
        for operand in call.operands:
            if operand.parameter is None:
                yield from (math.nextafter(x, toward) if call.op in _ORDER else x for x in _numbers(operand.value))


def _compares(call: Calling) -> bool:
    return call.op in COMPARING or call.kind not in ("operator", "model")


def _numbers(value: Any) -> Iterator[float]:
    for part in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(part, (int, float)) and not isinstance(part, bool):
            yield float(part)


def _others(candidate: Candidate, id: str) -> str:
    return fingerprint(candidate, [other for other in candidate.values if other != id])


def _with_score(known: Row | None, cut: float, score: float) -> dict[str, Any]:
    seen = [pair for pair in (known["seen"] if known is not None else ()) if pair[0] != cut]
    return {"met": list(known["met"]) if known is not None else [], "seen": [*seen, [float(cut), float(score)]][-MOST_SEEN:]}


def _ranked(parameter: ParameterEvidence, rows: Mapping[str, Row]) -> list[tuple[float, float]]:
    """(expected gain in rows, cut) of every gap that should do better, the best first; of equal ones the widest gap."""
    present = float(parameter.value)
    now = sum(_expected(row, present) for row in rows.values())
    gaps = sorted(_gaps(parameter, rows))
    totals = _totals(rows, [cut for cut, _ in gaps])
    found = [(now - total, -width, abs(cut - present), cut) for (cut, width), total in zip(gaps, totals, strict=True)]
    return [(-loss, cut) for loss, _, _, cut in sorted(found) if loss < -1e-9]


def _totals(rows: Mapping[str, Row], cuts: Sequence[float]) -> Iterator[float]:
    """What all rows should score at each of ascending cuts; a row is looked at anew only where the cut has passed one of its numbers."""
    passed = sorted((number, name) for name, row in rows.items() for number in row["met"])
    loose = [name for name, row in rows.items() if not row["met"]]
    scores = {name: _expected(row, cuts[0]) for name, row in rows.items()} if cuts else {}
    at = 0
    for cut in cuts:
        last = bisect_right(passed, cut, key=lambda pair: pair[0])
        for name in (*dict.fromkeys(name for _, name in passed[at:last]), *loose):
            scores[name] = _expected(rows[name], cut)
        at = bisect_left(passed, cut, key=lambda pair: pair[0])  # a tie is left once more at the next cut
        yield math.fsum(scores.values())


def _gaps(parameter: ParameterEvidence, rows: Mapping[str, Row]) -> Iterator[tuple[float, float]]:
    """One cut inside every gap between the numbers that were met, with the gap's width; inside the bounds."""
    met = sorted({number for row in rows.values() for number in row["met"]})
    if not met:
        return
    margin = max((met[-1] - met[0]) / max(1, len(met) - 1) / 2, 1e-6 * max(1.0, abs(met[0]), abs(met[-1])))
    edges = [met[0] - 2 * margin, *met, met[-1] + 2 * margin]
    spec, given = parameter.space.spec(), {parameter.value}
    low, high = spec.get("low"), spec.get("high")
    for left, right in pairwise(edges):
        middle = (left + right) / 2
        outer = left < met[0] or right > met[-1]
        for cut in (middle // 1, -(-middle // 1)) if spec.get("integer") else (middle,):
            inside = min(max(cut, low if low is not None else cut), high if high is not None else cut)
            if left <= inside <= right and inside not in given:
                given.add(inside)
                yield inside, 0.0 if outer else right - left


def _expected(row: Row, cut: float) -> float:
    """The score a row should have at a cut."""
    met, seen = row["met"], row["seen"]
    if not seen:
        return 0.5
    here = _side(met, cut)
    same = [score for at, score in seen if _side(met, at) == here]
    if met and same:
        return float(same[-1])
    at, score = min(seen, key=lambda pair: abs(pair[0] - cut))
    if not met:
        return float(score)
    opposite = len(met) == 1 and at not in met and cut not in met
    return 1.0 - min(1.0, max(0.0, float(score))) if opposite else 0.5


def _side(met: Sequence[float], cut: float) -> int:
    """Which step of the row a cut is on; a tie is a step of its own."""
    return bisect_left(met, cut) + bisect_right(met, cut)
