"""Trains the network from nothing: Muon for the matrices, AdamW for the rest, learning rate decayed to zero."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from paragrad.llm.embedded.tokenizer import Tokenizer
from tools.embedded_model.dataset import Batch, batches, build_vocabulary
from tools.embedded_model.network import Config, Network


@dataclass(frozen=True, slots=True)
class Plan:
    """A training run. ``decay`` is the share of the steps in which the learning rate falls to zero."""

    steps: int = 6600
    seed: int = 0
    easy_examples: int = 30_000
    warmup: int = 100
    decay: float = 0.6
    matrix_rate: float = 0.02
    other_rate: float = 3e-3
    average: float = 0.998
    save_every: int = 250
    start: str = ""
    compile: bool = True


def schedule(plan: Plan, step: int) -> float:
    """Learning-rate factor at a step."""
    left = (plan.steps - step) / (plan.steps * plan.decay)
    return min(1.0, (step + 1) / plan.warmup, left)


def _optimizers(plan: Plan, network: Network) -> list[torch.optim.Optimizer]:
    matrices = [p for p in network.layers.parameters() if p.ndim == 2]
    others = [p for p in network.parameters() if all(p is not m for m in matrices)]
    muon = torch.optim.Muon(matrices, lr=plan.matrix_rate, weight_decay=0.05)
    adam = torch.optim.AdamW(others, lr=plan.other_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["base"] = group["lr"]
    return [muon, adam]


def _step_loss(network: Network, forward: Callable[[Tensor], Tensor], batch: Batch, device: str) -> Tensor:
    tokens, targets, weights = (torch.from_numpy(a).to(device) for a in (batch.tokens, batch.targets, batch.weights))
    with torch.autocast(device, torch.bfloat16):
        hidden = forward(tokens).reshape(-1, network.config.width)
        return network.loss_at(hidden, targets, weights)


def train(plan: Plan, folder: Path, say: Callable[[str], None], device: str = "cpu") -> Path:
    """Trains and writes ``averaged.safetensors`` (the weights to export) into ``folder`` every ``save_every`` steps."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    tokenizer = Tokenizer(build_vocabulary())
    network = Network(Config(len(tokenizer))).to(device)
    if plan.start:
        network.load_state_dict(load_file(plan.start))
    forward = torch.compile(network.forward, dynamic=False) if plan.compile else network.forward
    optimizers = _optimizers(plan, network)
    averaged = {name: p.detach().clone() for name, p in network.named_parameters()}
    stream, begun, recent = batches(tokenizer, plan.seed, plan.easy_examples), time.perf_counter(), 0.0
    for step in range(plan.steps):
        for group in (g for optimizer in optimizers for g in optimizer.param_groups):
            group["lr"] = group["base"] * schedule(plan, step)
        loss = _step_loss(network, forward, next(stream), device)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        network.zero_grad()
        _average(averaged, network, min(plan.average, (step + 1) / (step + 20)))
        recent = loss.item() if step == 0 else 0.98 * recent + 0.02 * loss.item()
        if step % 50 == 0:
            say(f"step {step}/{plan.steps} loss {recent:.4f} {time.perf_counter() - begun:.0f} s")
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            _save(folder, averaged, tokenizer, plan, network.config, time.perf_counter() - begun)
    return folder / "averaged.safetensors"


def _average(averaged: dict[str, Tensor], network: Network, keep: float) -> None:
    for name, parameter in network.named_parameters():
        averaged[name].lerp_(parameter.detach(), 1 - keep)


def _save(folder: Path, averaged: dict[str, Tensor], tokenizer: Tokenizer, plan: Plan, config: Config, seconds: float) -> None:
    temporary = folder / "averaged.tmp"
    save_file({name: value.contiguous() for name, value in averaged.items()}, str(temporary))
    temporary.replace(folder / "averaged.safetensors")
    record = {"plan": asdict(plan), "config": asdict(config), "vocabulary": list(tokenizer.vocabulary), "seconds": seconds}
    (folder / "training.json").write_text(json.dumps(record))
