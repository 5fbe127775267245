"""Measures everything the model card claims and writes ``docs/embedded-model.md``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paragrad.llm.embedded import EmbeddedModel
from paragrad.llm.embedded.weights import HERE
from tools.embedded_model.evaluate import KINDS, Cell, measure
from tools.embedded_model.landscape import Landscape, explore
from tools.embedded_model.prompts import Layout
from tools.embedded_model.skills import SKILLS

ROOT = Path(__file__).parents[2]
CARD = ROOT / "docs" / "embedded-model.md"
TEXT = Path(__file__).parent / "card_text.md"


def write_card(items: int, work: Path, say: Callable[[str], None]) -> None:
    """Evaluates every cell on ``items`` held-out items and writes the card and ``work/table.json``."""
    model = EmbeddedModel()
    say(f"evaluating {model.digest[:12]} on {items} items per cell")
    trained = _table(model, items, False, say)
    unseen = _table(model, items, True, say)
    landscape = explore(model, say)
    work.mkdir(parents=True, exist_ok=True)
    (work / "table.json").write_text(json.dumps({"trained": _plain(trained), "unseen": _plain(unseen), "landscape": landscape.to_json()}))
    CARD.write_text(render(items, trained, unseen, landscape), encoding="utf-8")
    say(f"wrote {CARD.relative_to(ROOT)}")


Table = dict[str, dict[str, Cell]]


def _table(model: EmbeddedModel, items: int, new_words: bool, say: Callable[[str], None]) -> Table:
    layout = Layout(field="Question: ")
    table: Table = {}
    for name, kind in KINDS.items():
        table[name] = {skill: measure(model, skill, kind, items, new_words, layout) for skill in SKILLS}
        say(f"{name}: " + ", ".join(f"{skill} {100 * cell.exact:.1f}" for skill, cell in table[name].items()))
    return table


def _plain(table: Table) -> dict[str, Any]:
    return {name: {skill: [c.items, c.exact, c.value, c.steps] for skill, c in row.items()} for name, row in table.items()}


def render(items: int, trained: Table, unseen: Table, landscape: Landscape) -> str:
    """The card's text: the fixed words around the measured tables."""
    record = json.loads((HERE / "weights.json").read_text())
    size = (HERE / "weights.safetensors").stat().st_size
    return (
        TEXT.read_text(encoding="utf-8")
        .replace("{parameters}", f"{record['parameters']:,}")
        .replace("{megabytes}", f"{size / 1e6:.1f}")
        .replace("{vocabulary}", str(len(record["vocabulary"])))
        .replace("{sha256}", record["sha256"])
        .replace("{items}", str(items))
        .replace("{minutes}", f"{record['seconds'] / 60:.0f}")
        .replace("{steps}", f"{record['plan']['steps']:,}")
        .replace("{trained}", _markdown(trained))
        .replace("{unseen}", _markdown(unseen))
        .replace("{modes}", _modes(unseen))
        .replace("{landscape}", landscape.markdown())
    )


def _markdown(table: Table) -> str:
    head = f"| prompt | {' | '.join(SKILLS)} |\n|---|{'---:|' * len(SKILLS)}\n"
    rows = [f"| {name} | " + " | ".join(f"{100 * cell.exact:.1f}" for cell in row.values()) + " |" for name, row in table.items()]
    return head + "\n".join(rows)


def _modes(table: Table) -> str:
    """Direct against stepwise: the right value in any form, whatever the style."""
    lines = ["| skill | direct (number asked) | with 3 worked demonstrations | steps written in the latter |", "|---|---:|---:|---:|"]
    for skill in SKILLS:
        direct, worked = table["number"][skill], table["best (steps + number + 3 worked)"][skill]
        lines.append(f"| {skill} | {100 * direct.value:.1f} | {100 * worked.value:.1f} | {100 * worked.steps:.1f} |")
    return "\n".join(lines)
