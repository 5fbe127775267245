"""Examples to padded batches of tokens, targets and loss weights; and the vocabulary."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from paragrad.llm.embedded.chat import encode_chat
from paragrad.llm.embedded.questions import WORDINGS
from paragrad.llm.embedded.tokenizer import Tokenizer, base_vocabulary
from paragrad.llm.embedded.world import CITIES, KINDS, NAMES, NUMBER_WORDS, TENS, THINGS, plural
from tools.embedded_model.concepts import phrases
from tools.embedded_model.prompts import Example, draw_example

LENGTHS = (64, 96, 160, 256, 384, 512)
TOKENS_PER_BATCH = 4096
FINAL_WEIGHT, GUESS_WEIGHT, TRACE_WEIGHT, FIRST_WEIGHT = 4.0, 2.0, 1.5, 4.0
HARD_WITHOUT_STEPS = ("count", "story", "relation")


@dataclass(frozen=True, slots=True)
class Batch:
    """``tokens`` and ``targets`` of shape (rows, length), and the ``weights`` of the targets."""

    tokens: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]


def build_vocabulary() -> list[str]:
    """All words of the world, the phrases and 30,000 example prompts, sorted."""
    rng = random.Random("vocabulary")
    texts = [p.text for p in phrases()] + list(WORDINGS) + [*NAMES, *CITIES, *NUMBER_WORDS, *TENS, *THINGS]
    texts += [plural(noun) for noun in THINGS] + [f"{one} {many[0]}" for one, many in KINDS.items()]
    for _ in range(30_000):
        example = draw_example(rng)
        texts += [example.reply, *(message["content"] for message in example.messages)]
    words = {word.lower() for text in texts for word in re.findall(r"[A-Za-z]+", text)}
    base = base_vocabulary()
    return base + sorted(words - set(base))


def encode_example(tokenizer: Tokenizer, example: Example) -> tuple[list[int], list[float]]:
    """Token ids, and the loss weight of each token as a target. Only what can be known is weighted."""
    tokens = encode_chat(tokenizer, example.messages)
    weights = _demo_weights(tokenizer, tokens)
    final = [*tokenizer.encode(example.final), tokenizer.end]
    if example.trace:
        trace = [*tokenizer.encode(example.trace), tokenizer.newline]
        tokens += trace
        weights += [FIRST_WEIGHT, FIRST_WEIGHT] + [TRACE_WEIGHT] * (len(trace) - 2)
    guess = not example.trace and example.task.skill in HARD_WITHOUT_STEPS
    return tokens + final, weights + [GUESS_WEIGHT if guess else FINAL_WEIGHT] * len(final)


def _demo_weights(tokenizer: Tokenizer, tokens: list[int]) -> list[float]:
    """Inside worked demonstrations the steps follow from the question, so they are learned too, from the third token on.

    The last four tokens before the newline stay in; the final line's style cannot be guessed and stays out.
    """
    weights = [0.0] * len(tokens)
    place = 0
    while tokenizer.bot in tokens[place:]:
        start = tokens.index(tokenizer.bot, place) + 1
        if tokenizer.end not in tokens[start:]:
            break
        stop = tokens.index(tokenizer.end, start)
        if tokenizer.newline in tokens[start:stop]:
            line = tokens.index(tokenizer.newline, start)
            weights[start + 3 : line + 1] = [TRACE_WEIGHT * 0.5] * len(tokens[start + 3 : line + 1])
        place = stop
    return weights


def batches(tokenizer: Tokenizer, seed: int, easy: int = 0) -> Iterator[Batch]:
    """Endless batches of about ``TOKENS_PER_BATCH`` tokens, examples of similar length together; the first ``easy`` examples are short."""
    rng = random.Random(f"batches {seed}")
    waiting: dict[int, list[tuple[list[int], list[float]]]] = {length: [] for length in LENGTHS}
    for number in count():
        tokens, weights = encode_example(tokenizer, draw_example(rng, easy=number < easy))
        length = next((n for n in LENGTHS if n > len(tokens) - 1), None)
        if length is None:
            continue
        rows = waiting[length]
        rows.append((tokens, weights))
        if len(rows) * length >= TOKENS_PER_BATCH - length // 2:
            yield _pad(rows, length, tokenizer.pad)
            waiting[length] = []


def _pad(rows: list[tuple[list[int], list[float]]], length: int, pad: int) -> Batch:
    tokens = np.full((len(rows), length + 1), pad, np.int64)
    weights = np.zeros((len(rows), length + 1), np.float32)
    for row, (ids, loss) in enumerate(rows):
        tokens[row, : len(ids)] = ids
        weights[row, : len(loss)] = loss
    return Batch(tokens[:, :-1], tokens[:, 1:], weights[:, 1:])
