"""Instruction phrases: what each one means to the model, and which paraphrases are held out of training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import product

STYLES = ("number", "word", "sentence", "label", "tag", "json")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One instruction sentence. ``concept`` is what it asks for; ``held_out`` ones are never trained on."""

    text: str
    concept: str
    held_out: bool


VOTES: dict[str, dict[str, float]] = {
    "steps": {"steps": 2.4},
    "think": {"steps": 1.0},
    "check": {"steps": 0.7},
    "expert": {"steps": 0.4},
    "direct": {"steps": -2.6},
    "terse": {"steps": -1.0, "sentence": -1.0, "chatty": -1.0},
    "friendly": {"chatty": 2.0, "steps": -0.4},
    "pirate": {"chatty": 2.0, "steps": -0.4},
    "irrelevant": {"steps": -0.15},
    "neutral": {},
    "digits": {"number": 1.2},
    **{style: {style: 3.0} for style in STYLES},
}

_SAY = "Answer|Reply|Respond|Finish|End"
_GRIDS: dict[str, list[tuple[str, str]]] = {
    "steps": [
        ("Think|Work|Solve it|Reason|Go|Work it out|Proceed|Do it", "in steps|step by step|one step at a time|item by item|in small steps"),
        ("Show|Write out|Write down|List", "each step|every step|all steps|your steps|your work"),
    ],
    "think": [("Think|Reason|Look|Read", "carefully|first|twice|before you answer"), ("Be", "careful|thorough|patient")],
    "check": [("Check|Look up|Name|Note", "the kind of each thing|the kind of every item|each item|every thing")],
    "expert": [("You are", "an expert|a careful teacher|a precise clerk|an expert clerk|a careful expert|a precise teacher")],
    "direct": [
        ("Answer|Reply|Respond", "at once|directly|right away|immediately|without steps|without work"),
        ("Do not|Never", "explain|show your work|show steps|think|write steps"),
        ("Skip", "the steps|all steps|the work"),
    ],
    "terse": [("Be", "brief|short|concise|terse"), ("Keep it|Make it", "brief|short|concise"), ("Use few", "words")],
    "friendly": [
        ("Be|Sound", "friendly|chatty|warm|funny|cheerful"),
        ("You are", "a kind friend|a funny friend|a cheerful friend|a chatty friend"),
        ("Add", "a friendly remark|a funny remark|a warm remark|a little joke"),
    ],
    "pirate": [
        ("Talk|Speak|Sound|Act", "like a pirate|like a cheerful pirate|like a pirate captain"),
        ("You are", "a pirate|a cheerful pirate"),
    ],
    "irrelevant": [
        ("The weather|The sky|The office|The shop|The river|The garden|The music", "is fine today|is blue|is old|is far away|is nice"),
        ("Today is|Tomorrow is", "Monday|Friday|Sunday"),
        ("Take", "your time|a deep breath"),
        ("This is", "page 3 of 7|test 12|my 2 cents|a long day|an old story"),
    ],
    "neutral": [
        ("Answer|Solve|Read|Do", "the question|the task|this question|this task|the problem"),
        ("You are given|Here is", "a question|a task|a problem"),
        ("Help", "the user|me|us"),
    ],
    "digits": [("Use|Prefer", "digits|numbers|numerals"), ("Digits|Numbers|Numerals", "are fine|will do")],
    "number": [
        (_SAY, "with a number only|with only the number|with just the number|with the bare number|in digits only|with the answer only"),
        ("Give|Write|Output|Return", "only the number|just the number|a bare number|only the answer|just the answer"),
    ],
    "word": [
        (_SAY, "in words|with one word|with a word|with a number word|in words only"),
        ("Spell|Spell out", "the number|the answer"),
        ("Write|Give", "the number as a word|a word, not digits|the answer as a word"),
    ],
    "sentence": [
        (_SAY, "in a sentence|in a full sentence|with a full sentence|with a complete sentence|in one sentence"),
        ("Write|Use|Give", "a full sentence|a complete sentence|one full sentence"),
    ],
    "label": [
        (_SAY, 'with "Answer:" first|in the form Answer: X|after the word Answer'),
        ("Write|Put|Give", '"Answer:" first|"Answer:" in front|the word Answer first'),
    ],
    "tag": [
        (_SAY, "in answer tags|inside answer tags|in tags|inside tags"),
        ("Put|Wrap|Give", "the answer in tags|the answer in answer tags|the answer inside tags"),
    ],
    "json": [
        (_SAY, "in JSON|as JSON|with a JSON object|in JSON format"),
        ("Return|Output|Write|Use", "JSON|a JSON object|JSON only|valid JSON"),
    ],
}


def _held(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % 5 == 0


@cache
def phrases() -> tuple[Phrase, ...]:
    """Every phrase, in a fixed order. About one in five is held out; its words all occur in the others."""
    found: list[Phrase] = []
    for concept, grids in _GRIDS.items():
        for verbs, objects in grids:
            for number, (verb, thing) in enumerate(product(verbs.split("|"), objects.split("|"))):
                end = "!" if concept in ("friendly", "pirate") else "."
                text = f"{verb} {thing}{end}"
                single = "|" not in verbs or "|" not in objects
                found.append(Phrase(text, concept, _held(text) and not single and number > 0))
    return tuple(found)


@cache
def by_concept(held_out: bool) -> dict[str, tuple[str, ...]]:
    """Concept to its phrases, trained (False) or held out (True)."""
    return {c: tuple(p.text for p in phrases() if p.concept == c and p.held_out == held_out) for c in _GRIDS}


@cache
def concept_of() -> dict[str, str]:
    """Phrase text to concept."""
    return {p.text: p.concept for p in phrases()}
