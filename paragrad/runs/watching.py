"""Watching a run: what its events add up to, and the lines they leave behind. Knows no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from paragrad.runs.figures import (
    are_shares,
    bar,
    clock,
    columns,
    figure,
    money,
    one_line,
    p_value,
    pad,
    plural,
    safe,
    sparkline,
    tokens,
)
from paragrad.runs.lines import LABEL, WIDTH, Line, Part, facts, labelled, line
from paragrad.runs.table import answer, asked

Event = Mapping[str, Any]

MARKS = {"accepted": ("✓", "good"), "refused": ("✗", "bad"), "unproven": ("·", "dim")}
ORIGIN = 42  # columns of a proposal's description
VERDICTS = {"accepted": "kept", "refused": "refused", "unproven": "not proven"}


@dataclass
class Watch:
    """A run as its events tell it; :meth:`hear` gives the lines that stay on the screen.

    Attributes:
        curve: validation scores, the baseline first.
        marks: one character per row of the evaluation in progress.
        hint: how an interrupted run goes on, said in the line that starts the training.
    """

    hint: str = ""
    now: Callable[[], float] = time.monotonic
    started: float = 0.0
    curve: list[float] = field(default_factory=list)
    step: int = 0
    calls: int = 0
    before: int = 0
    tokens: int = 0
    usd: float | None = 0.0
    most: int | None = None
    label: str = ""
    marks: list[str] = field(default_factory=list)
    rows: int = 0
    run_id: str | None = None
    running: bool = False
    shares: bool = True  # until a score is seen that is none

    def __post_init__(self) -> None:
        self.started = self.now()

    def hear(self, event: Event) -> list[Line]:
        """Take an event in."""
        reader = getattr(self, f"_on_{event['event']}", None)
        return reader(event) if reader is not None else []

    # --- one reader per event ----------------------------------------------------------------------

    def _on_run(self, event: Event) -> list[Line]:
        self.run_id, self.running = event["id"], True
        self.most = event.get("calls")
        self.calls = self.before = event.get("done", 0)
        self.step = event.get("step", 0)
        self.tokens = event.get("tokens", 0)
        self.curve = list(event.get("curve") or ())
        self._score(*self.curve)
        self.started = self.now()
        limit = f"≤ {self.most:,} calls" if self.most is not None else None
        items = (safe(event["optimizer"]), limit, f"seed {event['seed']}", self.hint)
        found = [facts("train", items)]
        if event.get("resumed"):
            found.append(labelled("", (f"goes on after step {self.step}: what was paid for is not paid for again", "accent")))
        return found

    def _on_baseline(self, event: Event) -> list[Line]:
        self.curve.append(event["score"])
        items = event.get("items") or ()
        shown = [_question("before", item) for item in items[:1]]
        return [*(line for pair in shown for line in pair), *self._start(event)]

    def _start(self, event: Event) -> list[Line]:
        """Where the run starts, and what these rows can show."""
        checked = event.get("preflight")
        if checked is None:
            return [facts("start", (f"{self._score(event['score'])} on the validation rows", self._asked()))]
        start = self._score(event["score"])
        proves = f"{checked.rows} rows prove gains from {self._gap(checked.provable)} on" if checked.provable else None
        noise = f"± {self._gap(checked.noise, 1)} from chance alone" if checked.noise is not None else None
        luck = f"the better of 2 tries brings {self._gap(checked.luck)}" if checked.luck is not None else None
        items = (f"{start} on the validation rows", self._asked(), proves, noise, luck)
        return [facts("start", items), *([labelled("!", (checked.warning, "bad"))] if checked.warning else [])]

    def _score(self, *scores: float | None, digits: int = 1) -> str:
        """Scores on the scale of this run: shares until one is seen that is none."""
        self.shares = self.shares and are_shares(*scores)
        return " → ".join(figure(score, self.shares, digits) for score in scores)

    def _gap(self, gap: float, digits: int = 0) -> str:
        return f"{100 * gap:.{digits}f} points" if self.shares else f"{gap:.3g}"

    def _asked(self) -> str | None:
        """The calls so far; None for a run that asks no model."""
        return plural(self.calls, "call") if self.calls else None

    def _on_plan(self, event: Event) -> list[Line]:
        return [labelled("auto" if place == 0 else "", safe(reason)) for place, reason in enumerate(event["reasons"])]

    def _on_row(self, event: Event) -> list[Line]:
        if event["done"] == 1 or event["label"] != self.label:
            self.marks, self.label = [], event["label"]
        score, item = event.get("score"), event.get("item")
        self.rows = event["of"]
        self.marks.append("?" if score is None else "✓" if score >= 1 else "✗" if score <= 0 else "~")
        if item is not None:
            self._count(item.spent)
        return []

    def _count(self, spent: Mapping[str, Any]) -> None:
        self.calls += spent.get("calls", 0) + spent.get("guide_calls", 0)
        self.tokens += spent.get("input_tokens", 0) + spent.get("output_tokens", 0)
        usd = spent.get("usd", 0.0)
        self.usd = None if self.usd is None or usd is None else self.usd + usd

    def _on_decision(self, event: Event) -> list[Line]:
        even = event["decision"] == "refused" and event["after"] >= event["before"]
        mark, style = ("·", "dim") if even else MARKS[event["decision"]]
        verdict = "no gain" if even else VERDICTS[event["decision"]]
        scores = self._score(event["before"], event["after"], digits=0).replace(" % →", " →")
        origin = pad(one_line(event["origin"], ORIGIN), ORIGIN)
        told = plural(event["rows"], "row") if event["p"] is None else p_value(event["p"])  # a race that may stop early has no p
        p = told if event["decision"] != "refused" else ""
        return [line((f" {mark} ", style), origin, pad(scores, 14, right=True), "  ", (pad(p, 8), "dim"), (verdict, style), indent=3)]

    def _on_step(self, event: Event) -> list[Line]:
        self.step = event["step"]
        self.curve.append(event["score"])
        return []

    def _on_warning(self, event: Event) -> list[Line]:
        return [labelled("!", (safe(event["text"]), "bad"))]

    def _on_model(self, event: Event) -> list[Line]:
        return [facts("model", (safe(event["name"]), safe(event["why"])))]

    def _on_done(self, event: Event) -> list[Line]:
        self.running = False
        return []

    # --- the live part -----------------------------------------------------------------------------

    def live(self, width: int) -> list[Line]:
        """Two lines that change while the run goes on."""
        return [self._status(width), self._trying(width)]

    def _status(self, width: int) -> Line:
        first, last = (self.curve[0], self.curve[-1]) if self.curve else (None, None)
        head = f" step {self.step + 1:<3} validation {self._score(first, digits=0)} "
        end = f" {self._score(last, digits=0)}"
        facts = self._facts()
        spark = sparkline(self.curve, 12)
        room = min(width, WIDTH) - columns(head) - columns(spark) - columns(end) - columns(facts) - 4
        parts: list[Part] = [(head, ""), (spark, "accent"), (end, "strong")]
        if room >= 6 and self.most:
            parts += [("  ", ""), (bar(self.calls / self.most, min(room, 24)), "accent")]
        return Line((*parts, ("  " + facts, "dim")), 1)

    def _facts(self) -> str:
        left = self.left()
        cost = f" · {money(self.usd)}" if self.usd else ""
        asked = f"{self.calls:,} calls · {tokens(self.tokens)} tokens{cost}" if self.calls else ""
        return asked + (f" · ≤ {clock(left)} left" if left is not None else "")

    def left(self) -> float | None:
        """Seconds until the budget is used up at the present pace: the most it can take."""
        done, passed = self.calls - self.before, self.now() - self.started
        if self.most is None or done < 20 or passed < 1:
            return None
        return (self.most - self.calls) * passed / done

    def _trying(self, width: int) -> Line:
        name = {"": "", "batch": "looking at rows it will learn from"}.get(self.label, self.label)
        text = one_line(name, 46)
        room = min(width, WIDTH) - columns(text) - 4 - 8
        shown = self.marks[-room:] if room > 8 else []
        styles = {"✓": "good", "✗": "bad", "~": "accent", "?": "dim"}
        parts: list[Part] = [("   ", ""), (text + "  ", "dim"), *((m, styles[m]) for m in shown)]
        return Line((*parts, (f" {len(self.marks)}/{self.rows}" if self.rows else "", "dim")), 1)

    def told(self, event: Event) -> list[Line]:
        """Lines for a pipe or a log: what :meth:`hear` gives, and one more per step."""
        found = self.hear(event)
        if event["event"] == "step":
            score = f"validation {self._score(event['score'])}"
            found = [
                *found,
                line(f" step {event['step']}", ("  ", ""), " · ".join(filter(None, (score, self._facts()))), indent=1),
            ]
        return found


def _question(label: str, item: Any) -> list[Line]:
    """A row's question and answer."""
    return [
        labelled(label, f'"{asked(item.inputs, WIDTH - LABEL - 2)}"'),
        labelled("", "→ ", *answer(item.output, item.score, item.target)),
    ]
