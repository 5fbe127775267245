"""Rounds trained weights to integers and writes the package's weight files."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save
from safetensors.torch import load_file
from torch import Tensor

from paragrad.llm.embedded.rounding import round_all
from paragrad.llm.embedded.tokenizer import Tokenizer
from paragrad.llm.embedded.weights import HERE, seal
from paragrad.llm.embedded.weights import Config as PublicConfig
from tools.embedded_model.dataset import encode_example
from tools.embedded_model.network import Config, Layer, Network
from tools.embedded_model.prompts import draw_example

PUBLISHED_CONTEXT = 512


def load_trained(work: Path) -> tuple[Network, dict[str, Any]]:
    """The trained network in floats and its training record."""
    record: dict[str, Any] = json.loads((work / "training.json").read_text())
    network = Network(Config(**record["config"]))
    network.load_state_dict(load_file(str(work / "averaged.safetensors")))
    return network.eval(), record


def export(work: Path, folder: Path = HERE) -> str:
    """Writes ``weights.safetensors`` and ``weights.json``; returns the digest."""
    network, record = load_trained(work)
    tensors = round_weights(network, largest_values(network, Tokenizer(record["vocabulary"])))
    data = save(tensors)
    digest = hashlib.sha256(data).hexdigest()
    config = asdict(_public_config(network))
    parameters = sum(p.numel() for p in network.parameters())
    public = {"config": config, "vocabulary": record["vocabulary"], "sha256": digest, "parameters": parameters}
    public |= {"plan": record["plan"], "seconds": round(record["seconds"])}
    public["seal"] = seal(public)
    (folder / "weights.safetensors").write_bytes(data)
    (folder / "weights.json").write_text(json.dumps(public, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    return digest


def largest_values(network: Network, tokenizer: Tokenizer, examples: int = 300) -> list[float]:
    """The largest attention value seen in each layer on random examples."""
    found = [0.0] * len(network.layers)
    width = network.config.width

    def watch(number: int, layer: Layer) -> None:
        def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[number] = max(found[number], float(output[..., 2 * width :].abs().max()))

        handles.append(layer.qkv.register_forward_hook(hook))

    handles: list[torch.utils.hooks.RemovableHandle] = []
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, Layer)
        watch(number, layer)
    rng = random.Random("calibration")
    with torch.no_grad():
        for _ in range(examples):
            tokens, _ = encode_example(tokenizer, draw_example(rng))
            network(torch.tensor([tokens]))
    for handle in handles:
        handle.remove()
    return found


def round_weights(network: Network, values: list[float]) -> dict[str, np.ndarray[Any, Any]]:
    """Integers in fp16 and scales in fp32."""
    layers = [layer for layer in network.layers if isinstance(layer, Layer)]
    matrices = [{name: _floats(getattr(layer, name).weight) for name in ("qkv", "out", "up", "down")} for layer in layers]
    gains = [(_floats(layer.gain.exp()).reshape(-1), 1023.0 / (top * 1.05)) for layer, top in zip(layers, values, strict=True)]
    logit_scale = float(network.logit_scale.detach().exp())
    tensors = round_all(_public_config(network), matrices, gains, _floats(network.embedding.weight), logit_scale)
    return {name: value.astype(np.float16) if value.ndim == 2 else value for name, value in tensors.items()}


def _public_config(network: Network) -> PublicConfig:
    sizes = asdict(network.config)
    return PublicConfig(**{**sizes, "context": PUBLISHED_CONTEXT})


def _floats(weight: Tensor) -> np.ndarray[Any, Any]:
    return weight.detach().float().numpy()
