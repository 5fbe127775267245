"""From events to what a tracker is told."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from paragrad.runs.records import record_of
from paragrad.runs.tracking.base import Tracker
from paragrad.trainers.result import Result
from paragrad.trainers.values import to_json

Event = Mapping[str, Any]
UNITS = ("calls", "tokens", "usd")


class Teller:
    """Reads one run's events in order.

    Args:
        tracker: is told; every call may fail.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.started = False
        self.finished = False
        self._step = 0
        self._spent: dict[str, float] = {}
        self._unpriced = False

    def hear(self, event: Event) -> None:
        """Take an event in. Names that mean nothing to a tracker are skipped."""
        reader = getattr(self, f"_on_{event['event']}", None)
        if reader is not None and (self.started or event["event"] == "run"):
            reader(event)

    def end(self, error: BaseException | None) -> None:
        """The run is over, whatever was heard."""
        if self.started and not self.finished:
            self.finished = True
            if error is not None:
                self.tracker.note(self._step, "stopped", f"{type(error).__name__}: {error}"[:2000])
            self.tracker.finish("parked" if error is not None else "finished", self._spent, {})

    # --- one reader per event ----------------------------------------------------------------------
    def _on_run(self, event: Event) -> None:
        self.started = True
        self._step = event.get("step", 0)
        rows = {f"rows_{part}": count for part, count in (event.get("rows") or {}).items()}
        names = ("optimizer", "model", "budget", "seed", "resumed")
        plain = {name: event[name] for name in names if event.get(name) is not None}
        self.tracker.start(event.get("id") or "", {**plain, **rows, "parameters": ", ".join(event.get("parameters") or ())})

    def _on_row(self, event: Event) -> None:
        spent = getattr(event.get("item"), "spent", None) or {}
        self._unpriced = self._unpriced or (spent.get("calls", 0) > 0 and spent.get("usd", 0.0) is None)

    def _on_baseline(self, event: Event) -> None:
        self.tracker.scores(0, {"score/validation": event["score"], **self._told(event)})

    def _on_step(self, event: Event) -> None:
        self._step = event["step"]
        self.tracker.scores(self._step, {"score/validation": event["score"], **self._told(event)})

    def _on_decision(self, event: Event) -> None:
        step = event.get("step", self._step)
        numbers = {f"decision/{name}": event[name] for name in ("before", "after", "delta", "p") if _number(event.get(name))}
        accepted = {"decision/accepted": 1.0 if event.get("decision") == "accepted" else 0.0}
        self.tracker.scores(step, {**numbers, **accepted})
        changed = ", ".join(event.get("changed") or ())
        self.tracker.note(step, "decision", f"{event.get('decision')}: {event.get('origin', '')} ({changed})")

    def _on_warning(self, event: Event) -> None:
        self.tracker.note(self._step, "warning", str(event.get("text", "")))

    def _on_test(self, event: Event) -> None:
        found = event["held_out"]
        self.tracker.scores(self._step, {"score/test_before": found.before.mean.value, "score/test_after": found.after.mean.value})

    def _on_done(self, event: Event) -> None:
        result: Result = event["result"]
        self.finished = True
        self.tracker.finish("finished", summary_of(result, priced=not self._unpriced), files_of(result))

    def _told(self, event: Event) -> dict[str, float]:
        """What was spent so far, whole and by phase; no dollars where a price is unknown."""
        spent = event.get("spent") or {unit: event[unit] for unit in UNITS if unit in event}
        named = {f"spent/{unit}": spent[unit] for unit in UNITS if unit in spent}
        phases = {
            f"spent/{phase}/{unit}": part[unit] for phase, part in (spent.get("phases") or {}).items() for unit in UNITS if unit in part
        }
        self._spent |= {name: float(v) for name, v in (named | phases).items() if not (self._unpriced and name.endswith("/usd"))}
        return self._spent


def summary_of(result: Result, *, priced: bool = True) -> dict[str, float]:
    """The final numbers of a run; dollars only where every price is known."""
    found: dict[str, Any] = {
        "score/validation": result.score,
        "score/baseline": result.baseline,
        "score/gain_low": result.interval[0],
        "score/gain_high": result.interval[1],
        "score/significant": float(result.significant),
        **{f"spent/{name}": result.spent.get(name) for name in ("calls", "tokens", "seconds")},
        **({"spent/usd": result.spent.get("usd")} if priced else {}),
    }
    if result.test is not None:
        found |= {"score/test_before": result.test.before.mean.value, "score/test_after": result.test.after.mean.value}
    return {name: float(value) for name, value in found.items() if _number(value)}


def files_of(result: Result) -> dict[str, str]:
    """What a run leaves: the best values, what changed, and the whole result."""
    values = to_json(result.parameters, result.best.values)
    return {
        "parameters.json": json.dumps(values, ensure_ascii=False, indent=1, default=str) + "\n",
        "diff.txt": result.diff() + "\n",
        "result.json": json.dumps(record_of(result), ensure_ascii=False, indent=1) + "\n",
    }


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
