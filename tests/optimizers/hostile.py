"""The battery of hostile replies, and what every optimizer that asks a model makes of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import paragrad as pg
from paragrad import registry
from paragrad.optimizers.base import Transform, make
from paragrad.propagators.subgraph import FEEDBACK, Calling, Operand
from paragrad.protocols.data import Demo
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.spaces.plain import same
from paragrad.trace.accumulator import Contribution

FILE = Path(__file__).with_name("hostile_replies.json")
STORY = "I was charged twice for the same order last Tuesday."
BEFORE = {"p.text": "Say it to {name}.\n\n- Be kind.", "p.style": "calm", "p.shots": 2, "p.temperature": 0.5, "p.rules": ["Be kind."]}


def clean(text: str) -> bool | str:
    """No swearing, and no way to end this rule but by an error of its own."""
    return 1 / (0 if "0/0" in text else 1) > 0 and ("damn" not in text or "it swears")


def of(id: str, value: Any, space: Any, **more: Any) -> ParameterEvidence:
    """A Parameter whose peers are all the others."""
    words = (Contribution(1, "louder", "kit", id),)
    return ParameterEvidence(id, space.kind, value, 1, space, peers=tuple(other for other in IDS if other != id), gradients=words, **more)


IDS = ("p.text", "p.style", "p.shots", "p.temperature", "p.rules", "p.config", "p.demos", "p.fixed")


def evidence(seed: int = 0) -> Evidence:
    """A program of every kind of value that a model may write, two rows of it wrong."""
    schema = {"type": "object", "properties": {"steps": {"type": "integer"}}, "required": ["steps"]}
    found = [
        of("p.text", BEFORE["p.text"], pg.Text(placeholders=["name"]), constraint=clean),
        of("p.style", "calm", pg.Choice(["calm", "loud"])),
        of("p.shots", 2, pg.Number(low=0, high=8, integer=True)),
        of("p.temperature", 0.5, pg.Number(low=0, high=2)),
        of("p.rules", ["Be kind."], pg.List(pg.Text())),
        of("p.config", {"steps": 2}, pg.Json(schema)),
        of("p.demos", (Demo({"x": STORY}, "billing"),), pg.Demos(max_shots=2)),
        of("p.fixed", "Never change this.", pg.Text(), trainable=False),
    ]
    items = [
        ItemEvidence(
            i, {"x": f"word {i}"}, f"WORD {i}", f"word {i}", {"score": float(i == 0)}, "louder" if i else None, graph=_graph(i, found)
        )
        for i in range(3)
    ]
    return Evidence({p.id: p for p in found}, tuple(items), random=Random(seed))


def _graph(number: int, parameters: list[ParameterEvidence]) -> tuple[Calling, ...]:
    """One call that reads every Parameter, and what was said of its output."""
    said = Calling(FEEDBACK, FEEDBACK, None, (Operand("output", (), "word", 1),), (), "louder", number, 0, "louder", 0.0)
    operands = tuple(Operand(p.id.replace(".", "_"), (), p.value, 10 + i, p.id) for i, p in enumerate(parameters))
    return (Calling("say", "bundle", "Says it.", operands, (), f"word {number}", number, 1, consumers=(said,)),) if number else ()


@cache
def battery() -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """(name, reply, the values that may come of it)."""
    entries = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple((e["name"], e["reply"] + e.get("fill", "") * e.get("times", 0) + e.get("end", ""), e.get("may", {})) for e in entries)


@cache
def asking() -> tuple[str, ...]:
    """Every registered optimizer that asks a model."""
    found = []
    for name in registry.optimizers.names():
        asked: list[Any] = []
        optimizer = make(name)
        optimizer.propose(
            evidence(), optimizer.init(list(evidence().parameters.values())), ask=lambda *a, asked=asked, **k: asked.append(a) or ""
        )
        if asked:
            found.append(name)
    return tuple(found)


def wrong(optimizer: Transform, reply: str, may: dict[str, Any], n: int = 1) -> tuple[list[str], int]:
    """What an optimizer proposed that it should not have, and how many values it did propose."""
    state = optimizer.init(list(evidence().parameters.values()))
    candidates, after = optimizer.propose(evidence(), state, n=n, ask=lambda *_, **__: reply)
    json.dumps(after)
    faults, taken = [], 0
    for candidate in candidates:
        for id in candidate.changed():
            taken += 1
            if id not in may or not same(_plain(candidate.values[id]), may[id]):
                faults.append(f"{id} = {candidate.values[id]!r:.200}")
    return faults, taken


def _plain(value: Any) -> Any:
    return [{"inputs": dict(d.inputs), "output": d.output} for d in value] if isinstance(value, tuple) else value
