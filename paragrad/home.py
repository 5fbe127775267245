"""Where the cache and the runs live: ``PARAGRAD_HOME``, or the nearest ``.paragrad/`` upwards."""

from __future__ import annotations

import os
from pathlib import Path


def find_home(start: str | Path | None = None) -> Path:
    """The ``.paragrad`` folder: PARAGRAD_HOME, else the nearest one upwards from ``start`` (default: the
    working folder), else a new one there. Nothing is created by looking."""
    named = os.environ.get("PARAGRAD_HOME")
    if named:
        return Path(named).expanduser().absolute()
    here = Path(start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / ".paragrad").is_dir():
            return folder / ".paragrad"
    return here / ".paragrad"


def made(home: Path) -> Path:
    """``home``, which exists afterwards and carries its own ``.gitignore``."""
    home.mkdir(parents=True, exist_ok=True)
    ignore = home / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return home
