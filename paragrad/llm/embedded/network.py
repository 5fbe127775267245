"""The decoder's forward pass in numpy, with a key/value cache, exact at any batch size.

Float sums depend on their order, and BLAS picks another order for another shape. So every sum here
is a sum of integers held in floats and stays below 2**24 (2**53 in float64), where addition is
exact in any order: weights are integers with a scale per output, activations are rounded to
integers with a scale per position, attention weights come from a table. All else is elementwise.
Hence the logits of a prompt are the same bits alone, in any batch, at any place, with any padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from paragrad.llm.embedded.weights import Config, LayerWeights, Weights

Array = npt.NDArray[Any]  # float32 throughout; numpy's stubs cannot follow scalars of that type
Ints = npt.NDArray[np.intp]

UNIT = 2047.0  # a query or key of length one, in integer steps: |q . k| <= 2047**2 < 2**24
SHARE = 16000.0  # the attention weights of one query add up to this; times VALUE below 2**24
VALUE = 1023.0  # largest integer of a value
TABLE_TOP, TABLE_STEPS, TABLE_RANGE = 16384.0, 256, 11
MASKED = np.float32(-1e9)
_TINY = np.float32(1e-30)


def exp_table() -> Array:
    """``round(16384 exp(-(i + 1/2) / 256))``; its sum over 640 positions stays below 2**24. The last entry is 0."""
    steps = np.arange(TABLE_RANGE * TABLE_STEPS, dtype=np.float64)
    table = np.rint(np.exp(-(steps + 0.5) / TABLE_STEPS) * TABLE_TOP)
    table[-1] = 0.0
    return table.astype(np.float32)


def rope_tables(length: int, size: int) -> tuple[Array, Array]:
    """Cosines and signed sines of shape (length, 2, size / 2): ``x * cos + x[..., ::-1, :] * sin`` rotates."""
    frequency = 10_000.0 ** (-np.arange(0, size, 2, dtype=np.float64) / size)
    angle = np.arange(length, dtype=np.float64)[:, None] * frequency
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos, cos], 1).astype(np.float32), np.stack([-sin, sin], 1).astype(np.float32)


@dataclass(slots=True)
class Cache:
    """Keys (layers of rows, heads, size, room) and values (layers of rows, heads, room, size), and each row's length."""

    keys: list[Array]
    values: list[Array]
    lengths: Ints

    def select(self, rows: Sequence[int] | Ints) -> Cache:
        """A copy with these rows only; a row may be repeated."""
        index = np.asarray(rows, dtype=np.intp)
        return Cache([k[index] for k in self.keys], [v[index] for v in self.values], self.lengths[index])


class Network:
    """The exact forward pass over loaded weights. Holds no mutable state, so threads may share it."""

    def __init__(self, weights: Weights) -> None:
        self.config: Config = weights.config
        self.weights = weights
        self._table = exp_table()
        self._cos, self._sin = rope_tables(self.config.context, self.config.size)

    def cache(self, rows: int, room: int) -> Cache:
        """An empty cache for ``rows`` sequences of up to ``room`` tokens."""
        c = self.config
        keys = [np.zeros((rows, c.heads, c.size, room), np.float32) for _ in range(c.layers)]
        values = [np.zeros((rows, c.heads, room, c.size), np.float32) for _ in range(c.layers)]
        return Cache(keys, values, np.zeros(rows, np.intp))

    def extend(self, cache: Cache, tokens: Ints, counts: Ints) -> Array:
        """Appends ``tokens`` (rows, length; the first ``counts[row]`` count) and returns the last ones' logits (rows, vocabulary)."""
        hidden = self._run(cache, tokens, counts)
        if tokens.shape[1] == 1:
            return self._logits(hidden[:, 0])
        last: Array = hidden[np.arange(len(tokens)), counts - 1]
        return self._logits(last)

    def all_logits(self, tokens: Ints) -> Array:
        """Logits at every position of one sequence, shape (length, vocabulary)."""
        cache = self.cache(1, len(tokens))
        hidden = self._run(cache, tokens[None], np.array([len(tokens)], np.intp))
        return self._logits(hidden[0])

    def _run(self, cache: Cache, tokens: Ints, counts: Ints) -> Array:
        rows, length = tokens.shape
        starts = cache.lengths
        positions = starts[:, None] + np.arange(length)
        np.minimum(positions, self.config.context - 1, out=positions)
        total = int((starts + counts).max())
        mask = _mask(positions, total, length)
        x = self.weights.embed(tokens.reshape(-1))
        turn = self._cos[positions].reshape(rows * length, 1, 2, -1), self._sin[positions].reshape(rows * length, 1, 2, -1)
        for number, layer in enumerate(self.weights.layers):
            q = self._project(layer, x, turn, (rows, length), cache.keys[number], cache.values[number], starts, counts)
            x = _attend(layer, x, q, cache.keys[number][..., :total], cache.values[number][:, :, :total], mask, self._table)
            x = _feed(layer, x)
        cache.lengths = starts + counts
        return x.reshape(rows, length, -1)

    def _project(
        self, layer: LayerWeights, x: Array, turn: tuple[Array, Array], shape: tuple[int, int], keys: Array, values: Array,
        starts: Ints, counts: Ints,
    ) -> Array:  # fmt: skip
        """Writes this step's keys and values to the cache and returns its queries (rows, heads, length, size)."""
        heads, size = self.config.heads, self.config.size
        whole, inverse = _norm(x, layer.qkv.limit)
        summed = whole @ layer.qkv.matrix
        pairs = summed[:, : 2 * heads * size].reshape(-1, 2 * heads, size)
        exact = pairs.astype(np.float64)
        exact *= exact
        lengths = np.sqrt(np.add.reduce(exact, axis=-1, keepdims=True))
        halves = pairs.reshape(-1, 2 * heads, 2, size // 2)
        turned = halves * turn[0] + halves[:, :, ::-1] * turn[1]
        factor = (UNIT / np.maximum(lengths, 1.0)).astype(np.float32)
        unit: Array = turned.reshape(-1, 2 * heads, size)
        unit *= factor
        unit = np.rint(unit, out=unit).reshape(*shape, 2 * heads, size)
        value = np.rint(summed[:, 2 * heads * size :] * layer.value_scale * inverse)
        np.maximum(value, -VALUE, out=value)
        np.minimum(value, VALUE, out=value)
        _store(keys, values, unit[:, :, heads:], value.reshape(*shape, heads, size), starts, counts)
        queries: Array = unit[:, :, :heads].transpose(0, 2, 1, 3)
        return queries

    def _logits(self, x: Array) -> Array:
        whole, inverse = _norm(x, self.weights.head.limit)
        return (whole @ self.weights.head.matrix) * self.weights.head.scale * inverse


def _mask(positions: Ints, total: int, length: int) -> Array | None:
    """What hides later positions; None when there is nothing to hide."""
    if length == 1 and (positions[:, 0] == total - 1).all():
        return None
    hidden = np.arange(total)[None, None, :] > positions[:, :, None]
    return np.where(hidden, MASKED, np.float32(0))[:, None]


def _store(keys: Array, values: Array, key: Array, value: Array, starts: Ints, counts: Ints) -> None:
    length = key.shape[1]
    if len(key) == 1 and length == 1:
        keys[0, :, :, starts[0]] = key[0, 0]
        values[0, :, starts[0]] = value[0, 0]
        return
    if length == 1:
        rows = np.arange(len(key))
        keys[rows, :, :, starts] = key[:, 0]
        values[rows, :, starts] = value[:, 0]
        return
    for row, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        keys[row, :, :, start : start + count] = key[row, :count].transpose(1, 2, 0)
        values[row, :, start : start + count] = value[row, :count].transpose(1, 0, 2)


def _whole(x: Array, limit: np.float32) -> tuple[Array, Array]:
    """``x`` rounded to integers of at most ``limit`` per row, and the factor that undoes it."""
    top: Array = np.maximum.reduce(np.abs(x), axis=-1, keepdims=True)
    np.maximum(top, _TINY, out=top)
    whole: Array = x * (limit / top)
    return np.rint(whole, out=whole), top / limit


def _norm(x: Array, limit: np.float32) -> tuple[Array, Array]:
    """Root-mean-square norm as integers and the factor that makes them so."""
    top: Array = np.maximum.reduce(np.abs(x), axis=-1, keepdims=True)
    whole: Array = x * (limit / top)
    np.rint(whole, out=whole)
    squares = np.add.reduce(whole * whole, axis=-1, dtype=np.float64, keepdims=True)
    return whole, np.sqrt(x.shape[-1] / squares).astype(np.float32)


def _attend(layer: LayerWeights, x: Array, q: Array, keys: Array, values: Array, mask: Array | None, table: Array) -> Array:
    scores = q @ keys
    if mask is not None:
        scores += mask
    below = np.maximum.reduce(scores, axis=-1, keepdims=True) - scores
    below *= layer.sharpness
    shares = table.take(below.astype(np.intp), mode="clip")
    shares *= SHARE / np.add.reduce(shares, axis=-1, keepdims=True)
    mixed = np.rint(shares, out=shares) @ values
    whole, factor = _whole(mixed.transpose(0, 2, 1, 3).reshape(x.shape), layer.out.limit)
    return x + (whole @ layer.out.matrix) * layer.out.scale * (factor * layer.mixed_scale)


def _feed(layer: LayerWeights, x: Array) -> Array:
    whole, inverse = _norm(x, layer.up.limit)
    inner = (whole @ layer.up.matrix) * layer.up.scale
    np.maximum(inner, 0.0, out=inner)
    inner *= inner
    whole, factor = _whole(inner, layer.down.limit)
    fed: Array = x + (whole @ layer.down.matrix) * layer.down.scale * (factor * (inverse * inverse))
    return fed
