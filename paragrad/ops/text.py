"""Textual rules of the string operators that do not simply hand words on.

Most do: words about an upper-cased text are words about the text. Comparisons and lengths do too,
since "too long" is said of a length but meant for the text. Only positions and counts that are
arguments, not text, receive nothing.
"""

from __future__ import annotations

from paragrad.trace.operation import PASS, STOP, TABLE

TABLE.attach(
    "text",
    {
        "cast": (PASS, STOP),
        "getattr": (PASS, STOP),
        "getitem": (PASS, STOP),
        "round": (PASS, STOP),
    },
)
