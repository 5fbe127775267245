"""Questions of the toy world for the demo: counting things of one kind in a mixed list."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from paragrad.llm.embedded.world import COUNTABLE, KINDS, THINGS, article, number_word, plural

WORDINGS: tuple[str, ...] = (
    "{list}. How many {kinds}?",
    "{list}. How many {kinds} are there?",
    "{list}. Count the {kinds}.",
    "{list}. What is the number of {kinds}?",
    "{list}. How many of these are {kinds}?",
    "{list}. Tell me the number of {kinds}.",
    "How many {kinds} do you see? {list}.",
    "Find the total of {kinds}. {list}.",
)
USUAL = (14, 30, 8, 26, 8, 6, 4, 4)  # how often the demo uses each wording
SIZES = (3, 3, 3, 4, 4, 5)  # how many groups its lists have
SPLITS = ("model", "train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Counting:
    """One counting question's content: ``groups`` of (how many, noun) and the kind asked for."""

    groups: tuple[tuple[int, str], ...]
    kind: str

    @property
    def answer(self) -> int:
        return sum(number for number, noun in self.groups if THINGS[noun] == self.kind)

    def split(self) -> str:
        """Which part this content belongs to: ``model`` trained the weights; the others never did."""
        content = f"{self.kind}:{sorted(self.groups)}"
        bucket = hashlib.sha256(content.encode()).digest()[0] % 10
        return SPLITS[0] if bucket < 7 else SPLITS[bucket - 6]

    def show(self, wording: str, digits: bool = False) -> str:
        """The question as text."""
        listed = ", ".join(_group(number, noun, digits) for number, noun in self.groups)
        capital = listed[0].upper() + listed[1:]
        return wording.format(list=capital, kinds=KINDS[self.kind][0])

    def steps(self) -> str:
        """The worked solution: every group with its kind, then the tally so far: ``2 apples: fruit, fruit 2.``"""
        parts, total = [], 0
        for number, noun in self.groups:
            total += number if THINGS[noun] == self.kind else 0
            parts.append(f"{number} {noun if number == 1 else plural(noun)}: {THINGS[noun]}, {self.kind} {total}.")
        return " ".join(parts)


def _group(number: int, noun: str, digits: bool) -> str:
    shown = noun if number == 1 else plural(noun)
    if digits:
        return f"{number} {shown}"
    return f"{article(noun)} {shown}" if number == 1 else f"{number_word(number)} {shown}"


def draw_counting(rng: random.Random, sizes: Sequence[int] = (3, 4, 5, 6)) -> Counting:
    """A random content: as many groups as one of ``sizes``, of one to five things, about half of them of the kind asked for."""
    kind = rng.choice(COUNTABLE)
    size = rng.choice(sizes)
    hits = rng.choices(range(size + 1), weights=[1 if h in (0, size) else 3 for h in range(size + 1)])[0]
    inside = [noun for noun, k in THINGS.items() if k == kind]
    outside = [noun for noun, k in THINGS.items() if k != kind]
    nouns = rng.sample(inside, hits) + rng.sample(outside, size - hits)
    rng.shuffle(nouns)
    return Counting(tuple((rng.randint(1, 5), noun) for noun in nouns), kind)


def counting(n: int, seed: int = 0, *, split: str | None = None) -> list[tuple[str, int]]:
    """``n`` counting questions with their answers, all different, none in the weights' training data.

    Args:
        n: how many rows.
        seed: the same seed gives the same rows.
        split: ``train``, ``validation`` or ``test``, which share no content; None draws from all three.

    Raises:
        ValueError: an unknown split.
    """
    if split not in (None, *SPLITS[1:]):
        raise ValueError(f"split is one of {SPLITS[1:]} or None, not {split!r}")
    rng = random.Random(f"counting {seed} {split}")
    rows: list[tuple[str, int]] = []
    seen: set[Counting] = set()
    while len(rows) < n:
        content = draw_counting(rng, SIZES)
        wording = rng.choices(WORDINGS, USUAL)[0]
        part = content.split()
        if part == SPLITS[0] or (split and part != split) or content in seen:
            continue
        seen.add(content)
        rows.append((content.show(wording), content.answer))
    return rows


def final_answer(text: str) -> str:
    """The answer in a reply: its last line that is not empty, without spaces around. Steps stand on the lines before."""
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def exact(text: str, answer: object) -> bool:
    """Whether a reply's final line is the bare answer and nothing else: ``5`` and ``5.`` count, ``There are 5.`` does not."""
    return re.fullmatch(re.escape(str(answer)) + r"\.?", final_answer(text)) is not None
