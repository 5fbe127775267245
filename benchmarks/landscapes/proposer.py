"""The scripted proposer: rewrites one component from the feedback on a minibatch. A stand-in for a reflecting model.

The same function for every system that is compared; what differs is what they show it, and what they do with the answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

from benchmarks.landscapes.landscape import HIDDEN
from benchmarks.landscapes.variants import Variant

MISSING = re.compile(r"missing (r\d+) in (c\d+)")
HARMFUL = re.compile(r"harmful (\S+) in (c\d+)")


def rewrite(variant: Variant, component: str, text: str, feedback: Iterable[str], rng: random.Random) -> str:
    """A new text for one component.

    Args:
        component: its name, c0, c1, …
        feedback: what was said of the examples of a minibatch, in their order.
        rng: drawn from in a fixed order, so that the same call gives the same text.
    """
    said = " ".join(feedback)
    tokens = text.split()
    for rule in _named(MISSING, said, component):
        if rule not in tokens and rng.random() < variant.p_add:
            tokens.append(rule)
    for token in _named(HARMFUL, said, component):
        if token in tokens and rng.random() < variant.p_remove:
            tokens.remove(token)
    if rng.random() < variant.p_distractor:
        tokens.append(f"d{rng.randrange(1_000_000)}")
    if variant.p_hidden and rng.random() < variant.p_hidden:
        tokens.append(f"r{HIDDEN + rng.randrange(1_000_000)}")
    if variant.p_strategy:
        _strategies(variant, component, tokens, rng)
    if tokens and rng.random() < variant.p_drop:
        tokens.pop(rng.randrange(len(tokens)))
    if tokens and rng.random() < variant.p_collapse:
        kept = sorted(rng.sample(range(len(tokens)), (len(tokens) + 1) // 2))
        tokens = [tokens[place] for place in kept]
    return " ".join(tokens)


def blamed(feedback: Iterable[str], components: Iterable[str]) -> dict[str, int]:
    """How often the feedback names each component; only those that are named, in the order of ``components``."""
    said = " ".join(feedback)
    owners = [owner for pattern in (MISSING, HARMFUL) for _, owner in pattern.findall(said)]
    return {component: owners.count(component) for component in components if component in owners}


def _named(pattern: re.Pattern[str], said: str, component: str) -> list[str]:
    """Tokens that the feedback names for a component, each once, in order."""
    return list(dict.fromkeys(token for token, owner in pattern.findall(said) if owner == component))


def _strategies(variant: Variant, component: str, tokens: list[str], rng: random.Random) -> None:
    """The other strategy in place of the one in use, and the bridge token; each with its own chance."""
    switch, bridge = rng.random() < variant.p_strategy, rng.random() < variant.p_strategy
    if switch and component == "c0":
        used = next((token for token in tokens if token in ("s0", "s1")), None)
        other = "s0" if used == "s1" else "s1"
        if used is None:
            tokens.insert(0, other)
        else:
            tokens[tokens.index(used)] = other
    if bridge and "bridge" not in tokens:
        tokens.append("bridge")
