"""Reads the weights: a safetensors file of integers in fp16 and a JSON file with sizes, vocabulary and digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from paragrad.errors import Corrupted

Array = npt.NDArray[np.float32]
HERE = Path(__file__).parent
EXACT = 2**24
_TYPES = {"F16": np.float16, "F32": np.float32}


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes of the network; ``context`` is the most tokens of prompt and answer together."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    context: int

    @property
    def size(self) -> int:
        """Width of one head."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class Matrix:
    """Integers (inputs, outputs), a scale per output, and the largest integer input that keeps sums exact."""

    matrix: Array
    scale: Array
    limit: np.float32

    @classmethod
    def of(cls, integers: Array, scale: Array) -> Matrix:
        """From integers of shape (outputs, inputs)."""
        largest = float(np.abs(integers).sum(1, dtype=np.float64).max())
        limit = np.float32(min(2047, int((EXACT - 1) / max(largest, 1.0))))
        return cls(np.ascontiguousarray(integers.T), scale, limit)


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer. ``sharpness`` turns score steps into table steps per head; the value scales undo rounding of values."""

    qkv: Matrix
    out: Matrix
    up: Matrix
    down: Matrix
    sharpness: Array
    value_scale: Array
    mixed_scale: np.float32


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights, ready for the forward pass, and the vocabulary they were trained with."""

    config: Config
    vocabulary: tuple[str, ...]
    layers: tuple[LayerWeights, ...]
    head: Matrix
    embedding: Array
    digest: str

    def embed(self, tokens: npt.NDArray[np.intp]) -> Array:
        """Embeddings of token ids."""
        found: Array = self.embedding[tokens]
        return found


def read_safetensors(data: bytes) -> dict[str, Array]:
    """Tensors of a safetensors file, as float32."""
    size = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + size])
    body = memoryview(data)[8 + size :]
    found: dict[str, Array] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(body[begin:end], dtype=_TYPES[entry["dtype"]])
        found[name] = flat.reshape(entry["shape"]).astype(np.float32)
    return found


def load(folder: Path = HERE) -> Weights:
    """The weights in ``folder`` (by default those of this package), checked against their digest.

    Raises:
        Corrupted: a file is missing, or the bytes are not those that were published.
    """
    return _load(folder.resolve())


@lru_cache(maxsize=4)
def _load(folder: Path) -> Weights:
    record, data = read_checked(folder)
    return assemble(Config(**record["config"]), tuple(record["vocabulary"]), read_safetensors(data), record["sha256"])


def read_checked(folder: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON record and the weight file's bytes, whose digest matches."""
    path = folder / "weights.safetensors"
    try:
        record: dict[str, Any] = json.loads((folder / "weights.json").read_text(encoding="utf-8"))
        data = path.read_bytes()
        expected, sealed = record["sha256"], record["seal"]
    except (OSError, ValueError, KeyError) as error:
        raise Corrupted(f"the embedded model's files in {folder.name}/ cannot be read ({error}); reinstall the package") from error
    if seal(record) != sealed:
        raise Corrupted("weights.json is damaged: its content does not match its seal; reinstall the package")
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise Corrupted(
            f"{path.name} is damaged: its sha256 is {found[:12]}…, weights.json says {str(expected)[:12]}…; reinstall the package"
        )
    return record, data


def seal(record: Mapping[str, Any]) -> str:
    """sha256 of the record without its seal."""
    content = {key: value for key, value in record.items() if key != "seal"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def assemble(config: Config, vocabulary: tuple[str, ...], tensors: Mapping[str, Array], digest: str) -> Weights:
    """Weights from the file's tensors."""
    embedding, scale = tensors["embedding"], tensors["embedding.scale"]
    head = Matrix.of(embedding, scale * tensors["logit_scale"])
    layers = tuple(_layer(config, tensors, f"layers.{number}.") for number in range(config.layers))
    return Weights(config, vocabulary, layers, head, embedding * scale[:, None], digest)


def _layer(config: Config, tensors: Mapping[str, Array], prefix: str) -> LayerWeights:
    def matrix(name: str) -> Matrix:
        return Matrix.of(tensors[f"{prefix}{name}"], tensors[f"{prefix}{name}.scale"])

    qkv, steps = matrix("qkv"), float(tensors[f"{prefix}value_steps"][0])
    values = qkv.scale[2 * config.width :] * np.float32(steps)
    sharpness = tensors[f"{prefix}gain"] * np.float32(256 / 2047**2)
    return LayerWeights(
        qkv, matrix("out"), matrix("up"), matrix("down"), sharpness.reshape(-1, 1, 1), values, np.float32(1 / (16000 * steps))
    )
