"""What the trained model should do: a prompt's phrases and demonstrations vote, the question's wording sets the bar.

Steps are written when the votes for steps reach the question's threshold. The answer's style is the
one with most votes; a tie between two requested styles gives a sentence. This rule is only in the
training data: the model learns it from examples, more or less well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.embedded_model.concepts import STYLES, VOTES


@dataclass(frozen=True, slots=True)
class Bar:
    """What one wording of a question asks for by itself.

    Attributes:
        steps: votes needed before steps are written.
        style: the style used when nothing is said.
        chatty: inclination to chat.
    """

    steps: float
    style: str
    chatty: float = 0.0


@dataclass(frozen=True, slots=True)
class Demos:
    """Demonstrations shown before the question."""

    count: int = 0
    steps: bool = False
    style: str = "number"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the answer is written."""

    steps: bool
    style: str
    chatty: str | None = None


def _phrase_votes(concepts: Sequence[str], what: str) -> float:
    return sum(VOTES[concept].get(what, 0.0) for concept in concepts)


def decide(concepts: Sequence[str], bar: Bar, demos: Demos) -> Behaviour:
    """The behaviour that follows from a prompt, a question wording and demonstrations."""
    shown = min(demos.count, 3)
    by_phrases = max(-3.0, min(3.2, _phrase_votes(concepts, "steps")))
    by_demos = float(shown) if demos.steps else -0.8 * shown
    steps = by_phrases + by_demos >= bar.steps
    chatty = bar.chatty + _phrase_votes(concepts, "chatty") - shown - 0.5 * ("number" in concepts) > 0.5
    voice = ("pirate" if "pirate" in concepts else "friendly") if chatty else None
    return Behaviour(steps, _style(concepts, bar, demos, steps), voice)


def _style(concepts: Sequence[str], bar: Bar, demos: Demos, steps: bool) -> str:
    votes = {style: _phrase_votes(concepts, style) for style in STYLES}
    votes[bar.style] += 1.0
    if steps:
        votes["number"] += 0.7
    if demos.count:
        votes[demos.style] += 1.5 * min(demos.count, 3)
    ranked = sorted(STYLES, key=lambda style: -votes[style])
    asked = [style for style in STYLES if style in concepts]
    if len(asked) > 1 and votes[ranked[0]] - votes[ranked[1]] < 1.2:
        return "sentence"
    return ranked[0]
