"""The same forward pass in torch, differentiable: for log-probability gradients and for training weights in the graph.

Rounding lets gradients through unchanged (straight-through), so the values are the numpy runtime's
and the gradients are those of the float network. Needs the ``[torch]`` extra.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paragrad.llm.embedded.chat import encode_chat
from paragrad.llm.embedded.network import SHARE, UNIT, VALUE
from paragrad.llm.embedded.tokenizer import Tokenizer
from paragrad.llm.embedded.weights import Config, LayerWeights, Matrix, Weights, load

NAMES = ("qkv", "out", "up", "down")


def straight_round(x: Tensor) -> Tensor:
    """Rounds; the gradient passes as if it did not."""
    return x + (x.round() - x).detach()


class RoundedLinear(nn.Module):
    """``x @ weight.T`` with inputs rounded as the runtime does, plus a low-rank adapter when ``rank`` is above 0."""

    def __init__(self, matrix: Matrix, rank: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(matrix.matrix.T * matrix.scale[:, None]))
        self.limit = float(matrix.limit)
        outputs, inputs = self.weight.shape
        self.low = nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs)) if rank else None
        self.high = nn.Parameter(torch.zeros(outputs, rank)) if rank else None

    def full(self) -> Tensor:
        """The weight with its adapter."""
        return self.weight if self.low is None or self.high is None else self.weight + self.high @ self.low

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.rounded(x), self.full())

    def rounded(self, x: Tensor) -> Tensor:
        """``x`` on the runtime's grid, at its own size."""
        step = x.detach().abs().amax(-1, keepdim=True).clamp_min(1e-30) / self.limit
        return straight_round(x / step) * step


class TorchLayer(nn.Module):
    """One layer of :class:`TorchModel`."""

    def __init__(self, config: Config, weights: LayerWeights, rank: int) -> None:
        super().__init__()
        self.config = config
        self.qkv, self.out, self.up, self.down = (RoundedLinear(getattr(weights, name), rank) for name in NAMES)
        self.gain = nn.Parameter(torch.from_numpy(weights.sharpness * np.float32(UNIT**2 / 256)))
        self.steps = float(1 / (SHARE * weights.mixed_scale))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        rows, length, width = x.shape
        split = self.qkv(_normed(x, self.qkv)).view(rows, length, 3, self.config.heads, self.config.size).permute(2, 0, 3, 1, 4)
        q, k = (straight_round(_rotate(F.normalize(part, dim=-1), cos, sin) * UNIT) / UNIT for part in (split[0], split[1]))
        v = straight_round(split[2] * self.steps).clamp(-VALUE, VALUE) / self.steps
        shares = straight_round(((q @ k.transpose(-1, -2)) * self.gain + mask).softmax(-1) * SHARE) / SHARE
        mixed = (shares @ v).transpose(1, 2).reshape(rows, length, width)
        x = x + self.out(mixed)
        fed: Tensor = self.down(F.relu(self.up(_normed(x, self.up))).square())
        return x + fed


class TorchModel(nn.Module):
    """The embedded model in torch.

    Args:
        weights: the weights to start from; the package's own by default.
        rank: rank of low-rank adapters beside every matrix; with adapters the matrices themselves are frozen.
    """

    def __init__(self, weights: Weights | None = None, rank: int = 0) -> None:
        super().__init__()
        weights = weights or load()
        self.config, self.tokenizer = weights.config, Tokenizer(weights.vocabulary)
        self.layers = nn.ModuleList(TorchLayer(self.config, layer, rank) for layer in weights.layers)
        scale = weights.head.scale / np.maximum(np.abs(weights.embedding).max(1), 1e-30) * np.abs(weights.head.matrix).max(0)
        self.embedding = nn.Parameter(torch.from_numpy(weights.embedding.copy()))
        self.logit_scale = nn.Parameter(torch.tensor(float(scale.mean())))
        self.limit = float(weights.head.limit)
        if rank:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(name.endswith((".low", ".high")))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (rows, length, vocabulary) of token ids (rows, length)."""
        length = tokens.shape[1]
        x = self.embedding[tokens]
        cos, sin = (table.to(x) for table in _rope(length, self.config.size))
        mask = torch.full((length, length), -1e9, dtype=x.dtype, device=x.device).triu(1)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        step = x.detach().abs().amax(-1, keepdim=True) / self.limit
        whole = straight_round(x / step) * step
        return F.linear(_rms(whole), self.embedding) * self.logit_scale

    def logprob(self, messages: Sequence[Mapping[str, Any]], answer: str) -> Tensor:
        """Log-probability of answering ``answer`` to ``messages``, its end included; differentiable."""
        prompt = encode_chat(self.tokenizer, messages)
        reply = [*self.tokenizer.encode(answer), self.tokenizer.end]
        tokens = torch.tensor([prompt + reply], device=self.embedding.device)
        logs = self(tokens[:, :-1])[0, len(prompt) - 1 :].log_softmax(-1)
        total: Tensor = logs.gather(1, tokens[0, len(prompt) :, None]).sum()
        return total

    def to_weights(self) -> Weights:
        """Rounded weights for the numpy runtime, adapters merged."""
        from paragrad.llm.embedded.rounding import assemble_floats

        matrices = [{name: _float(getattr(layer, name).full()) for name in NAMES} for layer in self.layers]
        gains = [(_float(layer.gain).reshape(-1), float(layer.steps)) for layer in self.layers if isinstance(layer, TorchLayer)]
        return assemble_floats(
            self.config, self.tokenizer.vocabulary, matrices, gains, _float(self.embedding), float(self.logit_scale.detach())
        )


def _float(x: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    result: np.ndarray[Any, np.dtype[np.float32]] = x.detach().cpu().float().numpy()
    return result


def _rms(x: Tensor) -> Tensor:
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True).clamp_min(1e-30))


def _normed(x: Tensor, into: RoundedLinear) -> Tensor:
    """The norm of the rounded input; rounding again in ``into`` changes nothing."""
    return _rms(into.rounded(x))


def _rope(length: int, size: int) -> tuple[Tensor, Tensor]:
    frequency = 10_000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)
