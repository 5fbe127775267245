"""The decoder in torch as it is trained: floats, no rounding. The runtime's forward rounds (see ``paragrad.llm.embedded``)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes. ``hidden`` is the feed-forward layer's width, ``context`` the longest sequence."""

    vocabulary: int
    width: int = 128
    layers: int = 5
    heads: int = 4
    hidden: int = 512
    context: int = 640


def rope_tables(length: int, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of shape (length, size / 2), base 10,000."""
    frequency = 10_000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    return angle.cos().float(), angle.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding on the last axis, halves paired."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


def norm(x: Tensor) -> Tensor:
    """Root-mean-square norm without gain."""
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6)


class Layer(nn.Module):
    """Attention with unit-length queries and keys, then a squared-ReLU feed-forward."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, hidden = config.width, config.hidden
        self.heads, self.size = config.heads, width // config.heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.gain = nn.Parameter(torch.full((config.heads, 1, 1), 2.3))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        rows, length, width = x.shape
        q, k, v = self.qkv(norm(x)).view(rows, length, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        q = rotate(F.normalize(q.float(), dim=-1), cos, sin) * self.gain.exp()
        k = rotate(F.normalize(k.float(), dim=-1), cos, sin)
        scores = q.to(v.dtype) @ k.to(v.dtype).transpose(-1, -2)
        weights = (scores.float() + mask).softmax(-1).to(v.dtype)
        mixed = (weights @ v).transpose(1, 2).reshape(rows, length, width)
        x = x + self.out(mixed)
        fed: Tensor = self.down(F.relu(self.up(norm(x))).square())
        return x + fed


class Network(nn.Module):
    """Token ids to logits; the embedding is also the output matrix."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.embedding.weight, std=1.0 / math.sqrt(config.width))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        cos, sin = rope_tables(config.context, config.width // config.heads)
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.logit_scale = nn.Parameter(torch.tensor(0.0))

    def forward(self, tokens: Tensor) -> Tensor:
        """Hidden states after the last norm, shape (rows, length, width)."""
        length = tokens.shape[1]
        x = self.embedding(tokens)
        mask = torch.full((length, length), -1e9).triu(1)
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length], mask)
        return norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits of hidden states."""
        return F.linear(hidden, self.embedding.weight) * self.logit_scale.exp()

    def loss(self, tokens: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Weighted mean cross-entropy; logits only where a weight is."""
        hidden = self(tokens).reshape(-1, self.config.width)
        return self.loss_at(hidden, targets, weights)

    def loss_at(self, hidden: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy of hidden states of shape (positions, width)."""
        flat = weights.reshape(-1)
        places = flat.nonzero().squeeze(-1)
        logits = self.logits(hidden[places]).float()
        each = F.cross_entropy(logits, targets.reshape(-1)[places], reduction="none")
        return (each * flat[places]).sum() / flat.sum()
