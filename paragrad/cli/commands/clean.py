"""``paragrad clean``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from paragrad.cli.closing import near
from paragrad.cli.common import Command, Shell
from paragrad.journal.runs import RunFolder, Runs
from paragrad.runs.figures import plural, size
from paragrad.runs.lines import labelled
from paragrad.runs.starting import driven

CACHE = ("cache.sqlite", "cache.sqlite-wal", "cache.sqlite-shm", "cache.sqlite-peers")


@click.command(cls=Command)
@click.option("--runs", is_flag=True, help="Runs only.")
@click.option("--cache", is_flag=True, help="Cached answers only.")
@click.option("--keep", type=click.IntRange(0), default=0, metavar="N", help="Keep the newest N runs.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(shell: Shell, runs: bool, cache: bool, keep: int, yes: bool) -> None:
    """Remove runs and cached answers from the home folder; asks first. Parameter stores stay."""
    both = not runs and not cache
    folders = _removable(Runs(shell.home).all(), keep) if runs or both else []
    files = [shell.home / name for name in CACHE if (shell.home / name).is_file()] if cache or both else []
    freed = sum(_bytes(folder.path) for folder in folders) + sum(file.stat().st_size for file in files)
    data: dict[str, Any] = {
        "home": str(shell.home),
        "runs": [folder.id for folder in folders],
        "files": [file.name for file in files],
        "bytes": freed,
    }
    if not folders and not files:
        shell.give(data | {"removed": False})
        shell.show([labelled("", f"nothing to remove in {near(shell.home)}")])
        return
    what = " and ".join(part for part in (plural(len(folders), "run") if folders else "", "cached answers" if files else "") if part)
    if not shell.confirm(f"Remove {what} from {near(shell.home)} ({size(freed)})?", yes=yes):
        shell.give(data | {"removed": False})
        return
    for folder in folders:
        shutil.rmtree(folder.path)
    for file in files:
        file.unlink(missing_ok=True)
    shell.give(data | {"removed": True})
    shell.show([labelled("REMOVED", f"{what}, {size(freed)}")])


def _removable(folders: list[RunFolder], keep: int) -> list[RunFolder]:
    """Every run but the newest ``keep`` and those that are being driven."""
    old = folders[: len(folders) - keep] if keep else folders
    return [folder for folder in old if not driven(folder)]


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
