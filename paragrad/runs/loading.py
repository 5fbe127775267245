"""``load``: a saved program from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paragrad.modules.files import load_program
from paragrad.runs.promptfile import FILES, Prompted, ours, read_prompt
from paragrad.trace import Module


def load(address: str | Path) -> Module:
    """A program from a folder that ``paragrad tune``, ``Result.save`` or ``Module.save`` wrote: ``pg.load("tuned/")``.

    Raises:
        DataError: no saved program there, or one that needs its own class.
        UsageError: the folder's files were damaged.
    """
    folder = Path(address).expanduser()
    if (folder / FILES[2]).is_file() and ours(folder):
        program: Any = Prompted(read_prompt(folder / FILES[0]))
        return program  # type: ignore[no-any-return]
    return load_program(folder)
