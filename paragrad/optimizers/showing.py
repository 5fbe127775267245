"""How Parameters, examples and histories read in an optimizer's prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.protocols.evidence import Candidate, ItemEvidence, ParameterEvidence

LIMIT = 2000


def parameter_text(parameter: ParameterEvidence, limit: int | None = None) -> str:
    """Name, kind, role, rules and value of one Parameter."""
    lines = [f"## {parameter.id}", f"kind: {parameter.kind}{_options(parameter)}"]
    if parameter.role:
        lines.append(f"role: {parameter.role}")
    lines += [f"rule: {rule}" for rule in words_of(parameter)]
    return "\n".join([*lines, "value:", fenced(parameter.space.show(parameter.value, limit))])


def words_of(parameter: ParameterEvidence) -> list[str]:
    """Its constraints and instruction, as far as they are words."""
    given = parameter.constraint
    rules = list(given) if isinstance(given, (list, tuple)) else [given]
    return [str(rule) for rule in (*rules, parameter.instruction) if isinstance(rule, str) and rule]


def fenced(text: str) -> str:
    """Text between fences that it does not contain."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def examples_text(items: Sequence[ItemEvidence], most: int = 8) -> str:
    """The worst examples first: input, output, target, score, feedback."""
    ranked = sorted(items, key=lambda item: (item.score if item.score is not None else 0.0, str(item.item)))
    return "\n\n".join(_example(item) for item in ranked[:most]) or "(none)"


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
    ranked = sorted(best.values())[-most:]
    return "\n\n".join(f"{text}\nscore: {score:.3f}" for score, text in ranked) or "(none yet)"


def _options(parameter: ParameterEvidence) -> str:
    spec = dict(parameter.space.spec())
    spec.pop("kind", None)
    told = {name: value for name, value in spec.items() if value not in (None, (), [], False)}
    return f" {told}" if told else ""


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LIMIT else f"{text[: LIMIT // 2]} … {text[-LIMIT // 2 :]}"
