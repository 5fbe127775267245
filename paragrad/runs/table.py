"""The table of a result: what ``print(result)`` and the command line show, from the run's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from paragrad.runs.figures import are_shares, change, duration, figure, interval, money, one_line, p_value, pad, plural, safe, solid
from paragrad.runs.lines import LABEL, WIDTH, Line, Part, diff_parts, facts, labelled, plain
from paragrad.runs.records import record_of, shares_of

BAR = 30
LONGEST_DIFF = 6  # lines of one parameter's difference

Record = Mapping[str, Any]


def table(result: Any) -> str:
    """Held-out scores, what changed, what it took: plain text of at most 100 columns."""
    return plain(table_lines(record_of(result)))


def table_lines(record: Record) -> list[Line]:
    """The table as styled lines."""
    return [*scores(record), *measured(record), *example(record), *changes(record), *spent(record)]


def scores(record: Record) -> list[Line]:
    """Before and after, with intervals; on held-out rows when there are some, else on validation rows."""
    test = record.get("test")
    if test is None:
        return [
            *_both("CHECKED", record["baseline"], record["score"], shares_of(record)),
            *_gain(record["gain"], record["significant"], record),
        ]
    lines = _both("HELD OUT", test["before"], test["after"], shares_of(record))
    counts = (f"fixed {test['fixed']}", f"broken {test['broken']}", f"same {test['same']}")
    return [*lines, *_gain(test["gain"], record["significant"], record), labelled("", f"{'rows':<9}", " · ".join(counts))]


def _both(label: str, before: Record, after: Record, shares: bool) -> list[Line]:
    found = []
    for head, name, one, style in ((label, "before", before, "dim"), ("", "after", after, "accent")):
        low, high = one.get("low"), one.get("high")
        around = ""
        if low is not None and high is not None and isfinite(low) and isfinite(high) and one.get("n") != 1:
            around = interval(low, high, shares)
        shown = pad(figure(one["score"], shares), 8 if shares else 10, right=True)
        length = solid(one["score"], BAR) if shares else ""
        found.append(labelled(head, f"{name:<7}", (shown, "strong"), "  ", (pad(length, BAR), style), f"  {around}"))
    return found


def _gain(gain: Record, significant: bool, record: Record) -> list[Line]:
    score = gain.get("score", record["score"]["score"] - record["baseline"]["score"])
    p = f", {p_value(gain['p'])}" if gain.get("p") is not None else ""
    verdict: Part = ("significant", "good") if significant else ("NOT significant", "bad")
    one = (record.get("test") or record)["after" if record.get("test") else "score"]
    if one.get("n") == 1:
        verdict = ("better", "good") if significant else ("no better", "bad")
        return [labelled("", f"{'gain':<7}", (pad(f"{score:+.3g}", 8, right=True), "strong"), "  one number, taken as exact: ", verdict)]
    shares = shares_of(record)
    unit = "points " if shares else ""
    around = f"[{change(gain['low'], shares)}, {change(gain['high'], shares)}]"
    return [
        labelled(
            "", f"{'gain':<7}", (pad(change(score, shares), 8 if shares else 10, right=True), "strong"), f"  {unit}{around}{p}: ", verdict
        )
    ]


def measured(record: Record) -> list[Line]:
    """With an objective: what it named, at the start and at the end, on the validation rows."""
    found = record.get("measured") or {}
    before, after = found.get("before") or {}, found.get("after") or {}
    lines = [f"{safe(name)} {before[name]:.4g} → {after[name]:.4g}" for name in before if name in after]
    return [facts("MEASURED", lines), facts("", [f"objective: {safe(record['objective'])}"])] if lines else []


def example(record: Record) -> list[Line]:
    """One held-out question with the answers before and after: the first one that was fixed, else the first."""
    rows: Sequence[Record] = record.get("rows") or ()
    if not rows or not record.get("diffs"):
        return []
    fixed = [row for row in rows if (row["after"]["score"] or 0) > (row["before"]["score"] or 0)]
    return answers((fixed or rows)[0], shares=shares_of(record))


def answers(row: Record, label: str = "EXAMPLE", *, shares: bool = True) -> list[Line]:
    """One row with both answers."""
    found = [labelled(label, f'"{asked(row["inputs"], WIDTH - LABEL - 2)}"')]
    for name in ("before", "after"):
        found.append(labelled("", f"{name:<7}", *answer(row[name]["output"], row[name]["score"], row["target"], shares)))
    return found


def asked(inputs: Mapping[str, Any], limit: int) -> str:
    """A row's inputs on one line."""
    return one_line(" · ".join(one_line(value, 2 * limit, middle=True) for value in inputs.values()), limit, middle=True)


def answer(output: Any, score: float | None, target: Any, shares: bool = True) -> list[Part]:
    """An answer with its mark, and what was wanted where it is not fully right; a score that is no share stands for itself."""
    if not (shares and are_shares(score)):
        scored: list[Part] = [] if score is None else [(f"  score {figure(score, False)}", "")]
        return [
            (f'"{one_line(output, 60, middle=True)}"', ""),
            *scored,
            *([] if target is None else [(f" wanted {one_line(target, 24)}", "dim")]),
        ]
    right = score is not None and score >= 1
    mark: Part = ("  ✓", "good") if right else ("  ✗", "bad")
    wanted: list[Part] = [] if right or target is None else [(f" wanted {one_line(target, 24)}", "dim")]
    return [(f'"{one_line(output, 60, middle=True)}"', ""), mark, *wanted]


def changes(record: Record) -> list[Line]:
    """What changed in every parameter; what did not is not shown."""
    diffs: Mapping[str, str] = record.get("diffs") or {}
    if not diffs:
        why = f" ({safe(record['stopped'])})" if record.get("stopped") else ""
        return [labelled("CHANGED", (f"nothing: no change was proven to help{why}", "dim"))]
    label = "CHANGED" if record["significant"] else "TRIED"
    wide = min(30, max(len(id) for id in diffs)) + 2
    found = []
    for place, (id, text) in enumerate(diffs.items()):
        rows = safe(text).split("\n")
        more = len(rows) - LONGEST_DIFF
        rows = [*rows[:LONGEST_DIFF], *([f"… {plural(more, 'more line')}"] if more > 0 else [])]
        head = label if place == 0 else ""
        for number, row in enumerate(rows):
            first = Line(
                (((head if number == 0 else "").ljust(LABEL), "label"), *_named(id if number == 0 else "", wide, row)), LABEL + wide
            )
            found.append(first)
    if not record["significant"]:
        found.append(labelled("", ("not taken: the values you started with stay", "dim")))
    if str(record.get("stopped")).endswith("still gained"):
        found.append(labelled("", (f"{safe(record['stopped'])}: fit again from here, or with larger steps", "dim")))
    return found


def _named(id: str, wide: int, text: str) -> list[Part]:
    """A parameter's name and one line of its difference."""
    style = "good" if text.startswith("+ ") else "bad" if text.startswith("- ") else ""
    row = _demo(text, WIDTH - LABEL - wide) if style else text.replace(" -> ", " → ")
    parts: list[Part] = [(row, style)] if style else diff_parts(row)
    return [(pad(safe(id), wide), "strong"), *parts]


def _demo(text: str, width: int) -> str:
    """One line of a demo: the beginning of its inputs and of its output."""
    asked, arrow, given = text.rpartition(" → ")
    if not arrow or len(text) <= width:
        return one_line(text, width, middle=True)
    room = width - len(arrow)
    right = min(len(given), max(room // 2, room - len(asked)))
    return one_line(asked, room - right) + arrow + one_line(given, right)


def spent(record: Record) -> list[Line]:
    """Calls, tokens, dollars and time."""
    used = record["spent"]
    phases = used.get("phases") or {}
    by = " · ".join(f"{name} {phase['calls']:,}" for name, phase in phases.items())
    cached = f"{used['cached']:,} more from the cache" if used.get("cached") else None
    calls = f"{used['calls']:,} calls" + (f" ({by})" if len(phases) > 1 else "")
    seconds = duration(used["seconds"]) if used.get("seconds") is not None else None
    return [facts("SPENT", (calls, cached, f"{used['tokens']:,} tokens", money(used.get("usd")), seconds))]
