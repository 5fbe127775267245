"""Measures everything the model card claims and writes ``docs/embedded-model.md``."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from paragrad.llm.embedded import EmbeddedModel
from paragrad.llm.embedded.weights import HERE
from tools.embedded_model.evaluate import KINDS, Cell, measure
from tools.embedded_model.landscape import Landscape, explore
from tools.embedded_model.skills import SKILLS

ROOT = Path(__file__).parents[2]
CARD = ROOT / "docs" / "embedded-model.md"
TEXT = Path(__file__).parent / "card_text.md"


def write_card(items: int, work: Path, say: Callable[[str], None], workers: int = 2) -> None:
    """Evaluates every cell on ``items`` held-out items and writes the card and ``work/table.json``."""
    say(f"evaluating {EmbeddedModel().digest[:12]} on {items} items per cell")
    with ProcessPoolExecutor(workers) as pool:
        exploring = pool.submit(_explore)
        unseen = _table(pool, list(KINDS), items, True, say)
        trained = _table(pool, SHORT, items, False, say)
        landscape = exploring.result()
    say(landscape.markdown())
    work.mkdir(parents=True, exist_ok=True)
    (work / "table.json").write_text(json.dumps({"trained": _plain(trained), "unseen": _plain(unseen), "landscape": landscape.to_json()}))
    CARD.write_text(render(items, trained, unseen, landscape), encoding="utf-8")
    say(f"wrote {CARD.relative_to(ROOT)}")


SHORT = ["vague", "steps + number", "vague + 3 worked", "best (steps + number + 3 worked)"]
Table = dict[str, dict[str, Cell]]


@cache
def _model() -> EmbeddedModel:
    return EmbeddedModel()


def _cell(name: str, skill: str, items: int, new_words: bool) -> Cell:
    return measure(_model(), skill, KINDS[name], items, new_words)


def _explore() -> Landscape:
    return explore(_model())


def _table(pool: Executor, names: list[str], items: int, new_words: bool, say: Callable[[str], None]) -> Table:
    asked = {name: {skill: pool.submit(_cell, name, skill, items, new_words) for skill in SKILLS} for name in names}
    table: Table = {}
    for name, row in asked.items():
        table[name] = {skill: cell.result() for skill, cell in row.items()}
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
        .replace("{limits}", _limits(unseen, landscape))
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


BEST = ("number", "steps + number", "steps + think + number", "best (steps + number + 3 worked)")


def _limits(table: Table, landscape: Landscape) -> str:
    """Each aim of the model with the skills that miss it, measured on unseen paraphrases."""

    def exact(name: str, skill: str) -> float:
        return 100 * table[name][skill].exact

    best = {skill: max(exact(name, skill) for name in BEST) for skill in SKILLS}
    shown = {skill: max(exact("vague + 3 worked", skill), exact("vague + 5 worked", skill)) for skill in SKILLS}
    gain = {skill: 100 * (table[BEST[-1]][skill].value - table["number"][skill].value) for skill in SKILLS}
    vague = {skill: exact("vague", skill) for skill in SKILLS}
    return "\n".join(
        [
            _aim("Best prompt at least 95 %", {s: v for s, v in best.items() if v < 95}),
            _aim("Vague prompt between 15 and 45 %", {s: v for s, v in vague.items() if not 15 <= v <= 45}),
            _aim("Vague prompt with 3 or 5 demonstrations at least 75 %", {s: v for s, v in shown.items() if v < 75}),
            f"- Steps add at least 20 points of right values: {_listed({s: v for s, v in gain.items() if v >= 20}) or 'for no skill'}.",
            f"- Random search of 150 calls should stay below 70 % of the best: it reaches {_mean(landscape.random_phrases_150):.1f} % "
            f"of {landscape.best:.1f} % without demonstrations, but {_mean(landscape.random_150):.1f} % where worked ones are given.",
        ]
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _aim(text: str, missed: dict[str, float]) -> str:
    return f"- {text}: " + (f"missed by {_listed(missed)}." if missed else "met by every skill.")


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"`{name}` ({value:.1f})" for name, value in values.items())
