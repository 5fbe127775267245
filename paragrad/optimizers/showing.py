"""How Parameters, examples and histories read in an optimizer's prompt."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paragrad.modules.template import fill, names_in
from paragrad.optimizers.asking import wording
from paragrad.protocols.evidence import Candidate, ItemEvidence, ParameterEvidence
from paragrad.spaces.wording import shorten

LIMIT = 2000
_SECTION = re.compile(r"^(?=# )", re.MULTILINE)


def sections(name: str, values: Mapping[str, str]) -> str:
    """A prompt of this package, filled; a section whose placeholders are all empty is left out, and so is a line that is an empty one."""
    kept = []
    for part in _SECTION.split(wording(name)):
        names = names_in(part)
        if names and not any(values[n] for n in names):
            continue
        for empty in [n for n in names if not values[n]]:
            part = re.sub(rf"^\{{{empty}\}}\n+", "", part, flags=re.MULTILINE).replace(f" {{{empty}}}", "")
        kept.append(fill(part, values).strip())
    return "\n\n".join(part for part in kept if part)


def counts_text(items: Sequence[ItemEvidence]) -> str:
    """How many examples were right, when some were."""
    right = sum(item.score is not None and item.score >= 1.0 for item in items)
    return fill(wording("counts"), {"right": right, "of": len(items)}) if 0 < right < len(items) else ""


def parameter_text(parameter: ParameterEvidence, limit: int | None = None, rules: Sequence[str] = ()) -> str:
    """Name, kind, role, rules and value of one Parameter; ``rules`` come after its own."""
    lines = [f"## {parameter.id}", f"kind: {parameter.kind}{_options(parameter)}"]
    if parameter.role:
        lines.append(f"role: {parameter.role}")
    lines += [f"rule: {rule}" for rule in (*words_of(parameter), *rules)]
    return "\n".join([*lines, "value:", fenced(parameter.space.show(parameter.value, limit))])


def words_of(parameter: ParameterEvidence) -> list[str]:
    """Its constraints and instruction, as far as they are words; of a function the first line of its docstring."""
    given = parameter.constraint
    rules = list(given) if isinstance(given, (list, tuple)) else [given]
    said = [_first_line(rule) if callable(rule) else rule for rule in (*rules, parameter.instruction)]
    return [str(rule) for rule in said if isinstance(rule, str) and rule]


def fenced(text: str) -> str:
    """Text between fences that it does not contain."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def peers_of(parameters: Iterable[ParameterEvidence], every: Mapping[str, ParameterEvidence]) -> list[ParameterEvidence]:
    """The Parameters that reach a model call together with one of these, and are none of these; each once, in order."""
    own = list(parameters)
    known = {p.id for p in own}
    return [every[id] for id in dict.fromkeys(id for p in own for id in p.peers) if id in every and id not in known]


def peers_text(peers: Iterable[ParameterEvidence], limit: int = LIMIT) -> str:
    """Names, roles and values of Parameters beside those in question, and whether the same optimizer trains them; empty for none."""
    return "\n\n".join(f"{parameter_text(p, limit)}\n{'(trained too)' if p.trainable else '(not yours to change)'}" for p in peers)


def effect_text(gain: float, accepted: bool) -> str:
    """What a proposal changed in the score."""
    return f"{gain:+.3f}{', taken' if accepted else ''}"


def ranked(items: Iterable[ItemEvidence]) -> list[ItemEvidence]:
    """The worst first; items without a score as if they had scored 0."""
    return sorted(items, key=lambda item: (item.score if item.score is not None else 0.0, str(item.item)))


def examples_text(items: Sequence[ItemEvidence], most: int = 8) -> str:
    """The worst examples first: input, output, target, score, feedback."""
    return "\n\n".join(_example(item) for item in ranked(items)[:most]) or "(none)"


def _example(item: ItemEvidence) -> str:
    lines = [f"{name}: {_short(value)}" for name, value in item.inputs.items()]
    lines.append(f"→ {_short(item.output)}")
    if item.target is not None:
        lines.append(f"wanted: {_short(item.target)}")
    lines.append(f"score: {item.score:g}" if item.score is not None else "score: none")
    if item.feedback:
        lines.append(f"feedback: {_short(item.feedback)}")
    return "\n".join(lines)


def history_text(history: Sequence[Candidate], spaces: Mapping[str, Any], most: int = 20) -> str:
    """Scored candidates, each set of values once, best last."""
    best: dict[str, tuple[float, str]] = {}
    for candidate in history:
        score = candidate.scores.get("score")
        if score is None:
            continue
        text = "\n".join(f"{id}: {spaces[id].show(value, LIMIT)}" for id, value in candidate.values.items() if id in spaces)
        known = best.get(text)
        if known is None or score > known[0]:
            best[text] = (score, text)
    return "\n\n".join(f"{text}\nscore: {score:.3f}" for score, text in sorted(best.values())[-most:]) or "(none yet)"


def ideas(n: int) -> list[str]:
    """For each of ``n`` candidates what is asked of it beside the feedback: nothing of the first, another idea of every other."""
    lines = wording("ideas").splitlines()
    return ["", *(lines[i % len(lines)] for i in range(n - 1))][:n]


def _options(parameter: ParameterEvidence) -> str:
    spec = dict(parameter.space.spec())
    spec.pop("kind", None)
    told = {name: value for name, value in spec.items() if value not in (None, (), [], False)}
    return f" {told}" if told else ""


def _first_line(rule: Any) -> str:
    return next(iter((rule.__doc__ or "").strip().splitlines()), "") if inspect.isroutine(rule) else ""


def _short(value: Any) -> str:
    return shorten(value if isinstance(value, str) else repr(value), LIMIT)
