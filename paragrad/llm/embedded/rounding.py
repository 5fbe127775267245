"""Float weights to the integers the exact runtime needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from paragrad.llm.embedded.weights import Config, Weights, assemble

Array = npt.NDArray[np.float32]
LEVELS = 255


def round_rows(values: Array, shared: int = 0, size: int = 1) -> tuple[Array, Array]:
    """Integers of at most ``LEVELS`` and a scale per row; in the first ``shared`` rows, ``size`` rows share a scale."""
    top = np.abs(values).max(1)
    if shared:
        top[:shared] = np.repeat(top[:shared].reshape(-1, size).max(1), size)
    scale = (np.maximum(top, 1e-12) / LEVELS).astype(np.float32)
    return np.rint(values / scale[:, None]).astype(np.float32), scale


def round_all(
    config: Config,
    matrices: Sequence[Mapping[str, Array]],
    gains: Sequence[tuple[Array, float]],
    embedding: Array,
    logit_scale: float,
) -> dict[str, Array]:
    """The weight file's tensors.

    Args:
        config: sizes.
        matrices: per layer ``qkv``, ``out``, ``up`` and ``down``, each (outputs, inputs).
        gains: per layer the heads' attention gains, and steps per unit of attention values.
        embedding: (vocabulary, width).
        logit_scale: factor on all logits.
    """
    out: dict[str, Array] = {"logit_scale": np.array([logit_scale], np.float32)}
    out["embedding"], out["embedding.scale"] = round_rows(embedding)
    for number, (layer, (gain, steps)) in enumerate(zip(matrices, gains, strict=True)):
        for name, values in layer.items():
            shared = 2 * config.width if name == "qkv" else 0
            out[f"layers.{number}.{name}"], out[f"layers.{number}.{name}.scale"] = round_rows(values, shared, config.size)
        out[f"layers.{number}.gain"] = gain.astype(np.float32)
        out[f"layers.{number}.value_steps"] = np.array([steps], np.float32)
    return out


def assemble_floats(
    config: Config,
    vocabulary: Sequence[str],
    matrices: Sequence[Mapping[str, Array]],
    gains: Sequence[tuple[Array, float]],
    embedding: Array,
    logit_scale: float,
) -> Weights:
    """Runtime weights from floats; see :func:`round_all`."""
    tensors = round_all(config, matrices, gains, embedding, logit_scale)
    digest = hashlib.sha256(b"".join(tensors[name].tobytes() for name in sorted(tensors))).hexdigest()
    return assemble(config, tuple(vocabulary), tensors, digest)
