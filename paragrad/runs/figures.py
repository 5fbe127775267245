"""Figures and small pictures for people: percentages, bars, sparklines, times; every text made safe for a terminal."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from typing import Any

from paragrad.llm.secrets import redact
from paragrad.protocols.shares import are_shares as are_shares
from paragrad.spaces.wording import visible

BLOCKS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉"


def percent(share: float | None, digits: int = 0) -> str:
    """``0.975`` as ``97.5 %``; numbers that are no share (a score above 1 or below 0) as they are."""
    if share is None or not math.isfinite(share):
        return "–"
    return f"{share * 100:.{digits}f} %" if 0 <= share <= 1 else f"{share:.3g}"


def points(gain: float) -> str:
    """A difference of shares in points: ``+83.5``."""
    return f"{gain * 100:+.1f}"


def figure(value: float | None, shares: bool, digits: int = 1) -> str:
    """``97.5 %``, or a plain number beside scores that are no shares."""
    return percent(value, digits) if shares or value is None or not math.isfinite(value) else f"{value + 0.0:.4g}"


def interval(low: float, high: float, shares: bool) -> str:
    """``[98.1, 100.0]``, in percent like the scores beside it."""
    return f"[{100 * low:.1f}, {100 * high:.1f}]" if shares else f"[{low:.4g}, {high:.4g}]"


def change(gain: float, shares: bool) -> str:
    """A difference of scores: ``+83.5`` in points, or a plain ``+0.21``."""
    return points(gain) if shares else f"{gain:+.3g}"


def p_value(p: float) -> str:
    """``p<.001`` or ``p=.02``."""
    return "p<.001" if p < 0.001 else f"p={p:.3f}".replace("0.", ".", 1) if p < 0.0995 else f"p={p:.2f}".replace("0.", ".", 1)


def tokens(count: float) -> str:
    """``31k``."""
    return f"{count:.0f}" if count < 1000 else f"{count / 1000:.0f}k" if count < 999_500 else f"{count / 1e6:.1f}M"


def money(usd: float | None) -> str:
    """Dollars; what is not known is said."""
    return "price unknown" if usd is None else "$0.00" if usd == 0 else f"${usd:.4f}" if usd < 0.01 else f"${usd:.2f}"


def clock(seconds: float) -> str:
    """``1:34``."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def duration(seconds: float) -> str:
    """``1 min 34 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Bytes: ``94 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def bar(share: float, width: int) -> str:
    """A bar of eighths of a cell."""
    share = min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0
    whole, part = divmod(round(share * width * 8), 8)
    return ("█" * whole + (EIGHTHS[part] if part else "")).ljust(width)


def solid(share: float, width: int) -> str:
    """A bar of whole cells, at least one when there is anything."""
    return "▇" * max(1 if share > 0 else 0, round(min(1.0, max(0.0, share)) * width))


def sparkline(values: Sequence[float], width: int = 12) -> str:
    """The last ``width`` values between 0 and 1 (or between their own bounds when outside) as blocks."""
    shown = [v for v in values if math.isfinite(v)][-width:]
    low, high = min(0.0, *shown, 0.0), max(1.0, *shown, 1.0)
    return "".join(BLOCKS[min(7, int((v - low) / (high - low) * 7.999))] for v in shown)


def safe(text: Any) -> str:
    """A text that cannot move the cursor, hide words or show a key."""
    return visible(redact(str(text)))


def one_line(value: Any, limit: int = 80, *, middle: bool = False) -> str:
    """A value on one line of at most ``limit`` columns; line breaks are shown as ``⏎``.

    Args:
        middle: leave out the middle instead of the end, where both ends matter (questions, answers).
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > 8 * limit:
        text = f"{text[: 4 * limit]} … {text[-4 * limit :]}"
    whole = " ".join(safe(" ⏎ ".join(part for part in text.strip().splitlines() if part.strip())).split())
    if not middle or columns(whole) <= limit:
        return clip(whole, limit)
    tail = clip(whole[::-1], limit // 3)[::-1].lstrip()
    return f"{clip(whole, limit - columns(tail) - 1)} {tail}".replace("… …", "…")


def clip(text: str, limit: int) -> str:
    """At most ``limit`` columns; what is left out is marked ``…``."""
    if columns(text) <= limit:
        return text
    kept, used = [], 0
    for char in text:
        used += columns(char)
        if used > limit - 1:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"


def columns(text: str) -> int:
    """How many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, width: int, right: bool = False) -> str:
    """``text`` filled up to ``width`` columns."""
    fill = " " * max(0, width - columns(text))
    return fill + text if right else text + fill
