"""Landscape: examples, what texts do on them, and the feedback. Deterministic by seed; an evaluation takes microseconds.

An example needs 1, 2, 2 or 3 distinct rules (equally likely), rule k drawn with weight 1/√(k+1). A component's text is a
sequence of tokens: ``r5`` a rule, ``d…`` a distractor, ``r1000`` and above rule-like tokens that only do harm, ``s0 s1``
the strategies, ``bridge``; any other word does nothing. An example scores 1 when every rule that it needs stands in the
text of the rule's owner and no token breaks it. Sets of examples are bits of one whole number.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cached_property

from benchmarks.landscapes.variants import VARIANTS, Variant

TRAIN, TEST = 60, 1000
HIDDEN = 1000  # numbers of rule-like tokens that no example needs
MEMORY = 4096  # texts whose effects are remembered
PHASES = 2

Texts = Sequence[str]


class Landscape:
    """One task: 60 training, ``validation`` validation and 1,000 test examples, numbered in this order.

    Args:
        variant: a Variant, or the name of one.
        seed: draws the examples, what distractors break, and what feedback names.
        validation: how many validation examples there are. Training and test examples do not depend on it.
    """

    def __init__(self, variant: str | Variant, seed: int = 0, validation: int = 200, *, train: int = TRAIN, test: int = TEST) -> None:
        self.variant = VARIANTS[variant] if isinstance(variant, str) else variant
        self.seed = seed
        self.train = range(train)
        self.validate = range(train, train + validation)
        self.test = range(train + validation, train + validation + test)
        self.size = train + validation + test
        rng = random.Random(f"examples {seed}")
        first, last = ([self._needs(rng) for _ in range(count)] for count in (train, test))
        self.needs: list[tuple[int, ...]] = [*first, *(self._needs(rng) for _ in range(validation)), *last]
        self._users = [self._users_in(phase) for phase in range(PHASES if self.variant.shifts else 1)]
        self._broken: dict[str, int] = {}
        self._named: dict[str, int] = {}
        self._effects: dict[tuple[Texts, int], tuple[int, tuple[str, ...]]] = {}

    @property
    def components(self) -> list[str]:
        """Names of the components: c0, c1, …"""
        return [f"c{m}" for m in range(self.variant.components)]

    @property
    def start(self) -> tuple[str, ...]:
        """The texts that every system starts from."""
        first = "start s0" if self.variant.p_strategy else "start"
        return (first, *("start" for _ in self.components[1:]))

    def score(self, example: int, texts: Texts, phase: int = 0) -> tuple[float, str]:
        """The example's score, 0 or 1, and the feedback on it."""
        bad, harmful = self._effect(tuple(texts), phase)
        if not bad >> example & 1:
            return 1.0, "correct"
        return 0.0, self._feedback(example, texts, harmful, phase)

    def true_score(self, texts: Texts, phase: int = 0) -> float:
        """The mean over the test examples, exactly and without noise."""
        bad, _ = self._effect(tuple(texts), phase)
        return 1.0 - (bad >> self.test.start).bit_count() / len(self.test)

    def tokens(self, text: str) -> list[str]:
        """The tokens of a component's text that count."""
        return text.split()[: self.variant.shown]

    # --- making ------------------------------------------------------------------------------------

    @cached_property
    def _chain(self) -> list[int]:
        return random.Random(f"chain {self.seed}").sample(range(self.variant.rules), self.variant.chain)

    def _needs(self, rng: random.Random) -> tuple[int, ...]:
        """The rules of one example, in each phase the same draw on other weights: place j stands for rule j, then for the last but j."""
        count = rng.choice((1, 2, 2, 3))
        if self.variant.chain:
            return tuple(self._chain)
        left = list(range(self.variant.rules))
        found = []
        for _ in range(min(count, len(left))):
            found.append(rng.choices(left, [(rule + 1) ** -0.5 for rule in left])[0])
            left.remove(found[-1])
        return tuple(found)

    def needed(self, example: int, phase: int = 0) -> tuple[int, ...]:
        """The rules that an example needs."""
        rules = self.needs[example]
        if phase and self.variant.shifts:
            return tuple(self.variant.rules - 1 - rule for rule in rules)
        return rules

    def _users_in(self, phase: int) -> list[int]:
        """Rule to the set of examples that need it."""
        users: list[list[int]] = [[] for _ in range(self.variant.rules)]
        for example in range(self.size):
            for rule in self.needed(example, phase):
                users[rule].append(example)
        return [self._bits(examples) for examples in users]

    def broken_by(self, token: str) -> int:
        """The set of examples that a token breaks: a fixed part of all, drawn by seed and token."""
        found = self._broken.get(token)
        if found is None:
            found = self._broken[token] = self._drawn(token)
        return found

    def _drawn(self, token: str) -> int:
        share = self._harm(token)
        if not share:
            return 0
        rng = random.Random(f"harm {self.seed} {token}")
        p = self.variant.p_name_harm if token[0] == "d" else 0.0
        broken = rng.sample(range(self.size), self.size // share)
        self._named[token] = self._bits([example for example in broken if rng.random() < p])
        return self._bits(broken)

    def _bits(self, examples: Iterable[int]) -> int:
        """Examples as bits of one number."""
        digits = bytearray(b"0" * self.size)
        for example in examples:
            digits[-1 - example] = 49
        return int(digits, 2)

    def _harm(self, token: str) -> int:
        """One in how many examples a token breaks; 0: none."""
        number = token[1:]
        if token[0] == "d" and number.isdigit():
            return self.variant.harm
        return self.variant.hidden_harm if token[0] == "r" and number.isdigit() and int(number) >= HIDDEN else 0

    @cached_property
    def _unsolved(self) -> int:
        """The set of examples that the first strategy cannot solve."""
        rng = random.Random(f"strategy {self.seed}")
        return self._bits(rng.sample(range(self.size), round(self.size * (1 - self.variant.solved))))

    # --- evaluating --------------------------------------------------------------------------------

    def _effect(self, texts: tuple[str, ...], phase: int) -> tuple[int, tuple[str, ...]]:
        """The set of examples that fail, and the harmful tokens."""
        key = (texts, phase if self.variant.shifts else 0)
        found = self._effects.get(key)
        if found is None:
            if len(self._effects) >= MEMORY:
                self._effects.clear()
            found = self._effects[key] = self._failing(texts, phase)
        return found

    def _failing(self, texts: tuple[str, ...], phase: int) -> tuple[int, tuple[str, ...]]:
        parts = [self.tokens(text) for text in texts]
        bad, users = 0, self._users[phase if self.variant.shifts else 0]
        for rule in range(self.variant.rules):
            if f"r{rule}" not in parts[rule % len(parts)]:
                bad |= users[rule]
        harmful = [token for part in parts for token in dict.fromkeys(part) if self.broken_by(token)]
        for token in harmful:
            bad |= self.broken_by(token)
        if self.variant.p_strategy:
            bad |= self._unsolvable(parts)
        return bad, tuple(harmful)

    def _unsolvable(self, parts: list[list[str]]) -> int:
        """The set of examples that the strategy in use cannot solve."""
        used = next((token for token in parts[0] if token in ("s0", "s1")), "s0")
        if used == "s0":
            return self._unsolved
        bridged = any("bridge" in part for part in parts)
        return 0 if bridged else (1 << self.size) - 1 & ~self._unsolved

    def _feedback(self, example: int, texts: Texts, harmful: tuple[str, ...], phase: int) -> str:
        """Every missing rule with its owner, and what harmful tokens can be named."""
        parts = [self.tokens(text) for text in texts]
        owners = len(parts)
        missing = [rule for rule in self.needed(example, phase) if f"r{rule}" not in parts[rule % owners]]
        if self.variant.named:
            turn = random.Random(f"named {self.seed} {example}")
            missing = sorted(missing, key=lambda _: turn.random())[: self.variant.named]
        said = [f"missing r{rule} in c{rule % owners}" for rule in missing]
        for token in harmful:
            if self._named[token] >> example & 1:
                said += [f"harmful {token} in c{m}" for m, part in enumerate(parts) if token in part]
        return "wrong: " + "; ".join(said) if said else "wrong"
