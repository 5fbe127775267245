"""Writes many answers at once: instructions and demonstrations shared by prompts are read once, finished rows leave the batch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from paragrad.llm.embedded.blas import one_thread
from paragrad.llm.embedded.network import Cache, Ints, Network
from paragrad.llm.embedded.sampling import Answer, Logits

BATCH = 32
SHORTEST_HEAD = 16
KEPT_HEADS = 16
READ_AT_ONCE = 512


class Engine:
    """Generates answers with one network; threads may share it.

    Args:
        network: the forward pass.
        user: the token that begins a user turn.

    Since logits do not depend on how prompts are batched or cached, neither do the answers.
    """

    def __init__(self, network: Network, user: int) -> None:
        self.network = network
        self.user = user
        self._heads: OrderedDict[tuple[int, ...], Cache] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, answers: Sequence[Answer], watch: Callable[[Answer], None] | None = None) -> None:
        """Completes every answer in place. ``watch`` is called after each token of each answer."""
        ordered = sorted(answers, key=lambda answer: (self._head(answer.prompt), len(answer.prompt)))
        for answer in ordered:
            answer.begin()
        with one_thread():
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

    def _read(self, answers: list[Answer], room: int) -> tuple[Cache, Logits]:
        """Reads the prompts; returns the cache and each prompt's next-token logits."""
        cache = self.network.cache(len(answers), room)
        heads = [self._head(answer.prompt) for answer in answers]
        found: list[Logits] = []
        begin = 0
        while begin < len(answers):
            shared = len(heads[begin])
            rest = len(answers[begin].prompt) - shared
            end = begin + 1
            while end < len(answers) and heads[end] == heads[begin] and (end - begin + 1) * rest <= READ_AT_ONCE:
                end += 1
            view = Cache([k[begin:end] for k in cache.keys], [v[begin:end] for v in cache.values], cache.lengths[begin:end])
            if shared:
                self._copy_head(heads[begin], view)
            tokens, counts = _pad([answer.prompt[shared:] for answer in answers[begin:end]])
            found.append(self.network.extend(view, tokens, counts))
            cache.lengths[begin:end] = view.lengths
            begin = end
        return cache, np.concatenate(found)

    def _head(self, prompt: Sequence[int]) -> tuple[int, ...]:
        """What comes before the last user turn (instruction and demonstrations), when it is worth keeping."""
        for place in range(len(prompt) - 1, SHORTEST_HEAD - 1, -1):
            if prompt[place] == self.user:
                return tuple(prompt[:place])
        return ()

    def _copy_head(self, head: tuple[int, ...], cache: Cache) -> None:
        with self._lock:
            read = self._heads.get(head)
            if read:
                self._heads.move_to_end(head)
        if read is None:
            read = self.network.cache(1, len(head))
            self.network.extend(read, np.array([head], np.intp), np.array([len(head)], np.intp))
            with self._lock:
                self._heads[head] = read
                while len(self._heads) > KEPT_HEADS:
                    self._heads.popitem(last=False)
        for layer, (keys, values) in enumerate(zip(read.keys, read.values, strict=True)):
            cache.keys[layer][..., : len(head)] = keys
            cache.values[layer][:, :, : len(head)] = values
        cache.lengths = np.full_like(cache.lengths, len(head))


def _pad(rows: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    counts = np.array([len(row) for row in rows], np.intp)
    tokens = np.zeros((len(rows), int(counts.max())), np.intp)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = row
    return tokens, counts
