"""Writes many answers at once: shared prefixes are read once, finished rows leave the batch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from paragrad.llm.embedded.network import Cache, Network
from paragrad.llm.embedded.sampling import Answer

BATCH = 32
SHORTEST_PREFIX = 16
KEPT_PREFIXES = 8
READ_AT_ONCE = 512


class Engine:
    """Generates answers with one network; threads may share it.

    Since logits do not depend on how prompts are batched or cached, neither do the answers.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._prefixes: OrderedDict[tuple[int, ...], Cache] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, answers: Sequence[Answer], watch: Callable[[Answer], None] | None = None) -> None:
        """Completes every answer in place. ``watch`` is called after each token of each answer."""
        ordered = sorted(answers, key=lambda answer: (len(answer.prompt), tuple(answer.prompt)))
        for answer in ordered:
            answer.begin()
        for begin in range(0, len(ordered), BATCH):
            self._run_batch(ordered[begin : begin + BATCH], watch)

    def _run_batch(self, answers: list[Answer], watch: Callable[[Answer], None] | None) -> None:
        room = max(len(a.prompt) + a.options.max_tokens for a in answers)
        cache, logits = self._read(answers, room)
        live = answers
        while True:
            for answer, row in zip(live, logits, strict=True):
                if not answer.finish:
                    answer.push(row)
                    if watch:
                        watch(answer)
            rows = [number for number, answer in enumerate(live) if not answer.finish]
            if not rows:
                return
            if len(rows) <= 0.75 * len(live):
                cache, live = cache.select(rows), [live[number] for number in rows]
            last = np.array([[a.tokens[-1] if a.tokens else 0] for a in live], np.intp)
            logits = self.network.extend(cache, last, np.ones(len(live), np.intp))

    def _read(self, answers: list[Answer], room: int) -> tuple[Cache, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        """Reads the prompts; returns the cache and each prompt's next-token logits."""
        shared = _common_prefix([answer.prompt for answer in answers])
        cache = self.network.cache(len(answers), room)
        if shared >= SHORTEST_PREFIX:
            self._copy_prefix(tuple(answers[0].prompt[:shared]), cache)
        else:
            shared = 0
        rests = [answer.prompt[shared:] for answer in answers]
        longest = max(len(rest) for rest in rests)
        step = max(1, READ_AT_ONCE // longest)
        found = []
        for begin in range(0, len(answers), step):
            part = slice(begin, begin + step)
            view = Cache([k[part] for k in cache.keys], [v[part] for v in cache.values], cache.lengths[part])
            tokens, counts = _pad(rests[part])
            found.append(self.network.extend(view, tokens, counts))
            cache.lengths[part] = view.lengths
        return cache, np.concatenate(found)

    def _copy_prefix(self, prefix: tuple[int, ...], cache: Cache) -> None:
        with self._lock:
            read = self._prefixes.get(prefix)
            if read:
                self._prefixes.move_to_end(prefix)
        if read is None:
            read = self.network.cache(1, len(prefix))
            self.network.extend(read, np.array([prefix], np.intp), np.array([len(prefix)], np.intp))
            with self._lock:
                self._prefixes[prefix] = read
                while len(self._prefixes) > KEPT_PREFIXES:
                    self._prefixes.popitem(last=False)
        for layer, (keys, values) in enumerate(zip(read.keys, read.values, strict=True)):
            cache.keys[layer][..., : len(prefix)] = keys
            cache.values[layer][:, :, : len(prefix)] = values
        cache.lengths = np.full_like(cache.lengths, len(prefix))


def _common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Length of the prefix all prompts share; at least one token of each stays outside."""
    if len(prompts) < 2:
        return 0
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
    limit = min(len(prompt) for prompt in prompts) - 1
    return next((n for n in range(limit) if first[n] != last[n]), limit)


def _pad(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.intp]], np.ndarray[tuple[int], np.dtype[np.intp]]]:
    counts = np.array([len(row) for row in rows], np.intp)
    tokens = np.zeros((len(rows), int(counts.max())), np.intp)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = row
    return tokens, counts
