"""Plan: what a run may take, told before anything is spent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from paragrad.llm import Budget, Price, Usage
from paragrad.modules import Generator
from paragrad.trace.module import Module

BYTES_PER_TOKEN = 4
ANSWER_TOKENS = 60
SECONDS_PER_CALL = 1.5
ROUNDS = 10  # guessed, for a budget that does not limit calls


@dataclass(frozen=True, slots=True)
class Plan:
    """Lower and upper estimates.

    Attributes:
        calls: model calls; the upper one is never passed.
        tokens: input and output together.
        usd: dollars at list price; None when a price is not known.
        minutes: at the workers' number, guessed from 1.5 s a call.
        notes: what the plan says beyond numbers. ``reasons``: why what was not named was chosen.
    """

    calls: tuple[int, int]
    tokens: tuple[int, int]
    usd: tuple[float, float] | None
    minutes: tuple[float, float]
    rows: dict[str, int]
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        money = f" · about ${self.usd[0]:.2f} to ${self.usd[1]:.2f}" if self.usd is not None else ""
        sizes = " · ".join(f"{n} {name}" for name, n in self.rows.items())
        lines = [
            f"rows   {sizes}",
            f"plan   ≤ {self.calls[1]:,} calls{money} · about {self.minutes[0]:.0f} to {max(1, round(self.minutes[1]))} min",
        ]
        return "\n".join([*(f"auto   {reason}" for reason in self.reasons), *lines, *self.notes])


def plan_of(trainer: Any) -> Plan:
    """The plan of a trainer, from its rows, its budget and the size of its prompts; calls no model."""
    per_row = max(1, calls_per_row(trainer.program) + trainer.metric.calls)
    rows = {"train": len(trainer.train_rows), "validation": len(trainer.validation_rows), "held out": len(trainer.test_rows)}
    least = per_row * (rows["validation"] + 2 * rows["held out"])
    bound = trainer.budget.calls
    step = math.ceil(per_row * trainer.least_rows())
    most = bound if bound is not None else least + ROUNDS * step
    tokens = _tokens_per_call(trainer)
    usd = _usd(trainer, least, most, tokens)
    minutes = tuple(n * SECONDS_PER_CALL / max(1, trainer.workers) / 60 for n in (least, most))
    return Plan(
        (min(least, most), most),
        (least * tokens, most * tokens),
        usd,
        (minutes[0], minutes[1]),
        rows,
        _notes(trainer.budget, least, step, tokens, usd[0] / least if usd is not None and least else None),
        tuple(trainer.reasons),
    )


def calls_per_row(program: Module) -> int:
    """How many parts of the program ask a model."""
    count, stack, seen = 0, [program], set()
    while stack:
        part: Any = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Module):
            count += isinstance(part, Generator)
            stack.extend(vars(part).values())
        elif isinstance(part, (list, tuple)):
            stack.extend(part)
    return count


def _tokens_per_call(trainer: Any) -> int:
    fixed = sum(len(str(p.value)) for p in trainer.parameters.values())
    sample = [sum(len(str(v)) for v in placed.row.inputs.values()) for placed in trainer.train_rows[:50]]
    return int((fixed + sum(sample) / max(1, len(sample))) / BYTES_PER_TOKEN) + ANSWER_TOKENS


def _usd(trainer: Any, least: int, most: int, tokens: int) -> tuple[float, float] | None:
    price: Price | None = getattr(trainer.model, "price", None)
    if price is None:
        return None
    per_call = price.of(Usage(tokens - ANSWER_TOKENS, ANSWER_TOKENS))
    return least * per_call, most * per_call


def _notes(budget: Budget, least: int, step: int, tokens: int, usd: float | None) -> tuple[str, ...]:
    """Limits that do not reach one round, with what would."""
    whole = least + step
    short = []
    if budget.calls is not None and budget.calls < whole:
        short.append(f"{whole:,} calls")
    if budget.tokens is not None and budget.tokens < whole * tokens:
        short.append(f"about {whole * tokens:,} tokens")
    if budget.usd is not None and usd is not None and budget.usd < whole * usd:
        short.append(f"about ${whole * usd:.2f}")
    if not short:
        return ()
    return (
        f"!      this budget does not reach one round: baseline and test take {least} calls, a round up to {step}; "
        f"give at least {' and '.join(short)}",
    )
