"""Interrupt a thread at a chosen place between two instructions, as Ctrl-C may."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOOKS = ("CALL", "RESUME", "JUMP_BACKWARD")


@contextmanager
def interrupted_at(step: int, place: str, anywhere: bool = False) -> Iterator[list[int]]:
    """Raise KeyboardInterrupt where Python looks for signals: after a call, at the start of a function and where a loop turns back.

    Args:
        step: at the so manieth of these.
        place: in files whose path begins with this.
        anywhere: before any instruction.

    Yields:
        How many there were.
    """
    seen = [0]
    last: dict[Any, str] = {}

    def each(frame: Any, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(place):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            looks = anywhere or last.get(frame, "").startswith(_LOOKS)
            last[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            seen[0] += looks
            if looks and seen[0] == step:
                raise KeyboardInterrupt
        return each

    before = sys.gettrace()
    sys.settrace(each)
    try:
        yield seen
    finally:
        sys.settrace(before)
