"""Where the cache and the runs live: the nearest ``.paragrad/`` upwards, or ``PARAGRAD_HOME``."""

from __future__ import annotations

import os
from pathlib import Path


def home_folder(*, create: bool = False) -> Path:
    """The home folder; with ``create`` it exists afterwards and carries its own ``.gitignore``."""
    given = os.environ.get("PARAGRAD_HOME")
    if given:
        home = Path(given)
    else:
        here = Path.cwd()
        found = next((folder for folder in (here, *here.parents) if (folder / ".paragrad").is_dir()), here)
        home = found / ".paragrad"
    if create:
        home.mkdir(parents=True, exist_ok=True)
        ignore = home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
    return home
