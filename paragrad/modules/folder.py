"""Folders of plain files that change together: after a crash a reader finds all of the old files or all of the new ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from paragrad.disk import sync_folder
from paragrad.errors import DataError

MARK = ".saving.json"
"""The commit point: while it is there, the new files it lists count, wherever they stand."""

Writer = Callable[[Path], None]


def write_together(folder: Path, files: Mapping[str, bytes | Writer]) -> None:
    """Write several files of a folder: all of them or none.

    Each is written beside its place; then one mark makes them count; then they are moved, the old ones never removed before.

    Args:
        folder: the folder.
        files: name to content, or to a function that writes a file at a path and makes it last.

    Raises:
        DataError: they cannot be written; the old ones are as they were.
    """
    try:
        _settle(folder)
        try:
            for name, content in files.items():
                if callable(content):
                    content(aside(folder, name))
                else:
                    _write(aside(folder, name), content)
            _write(aside(folder, MARK), json.dumps(list(files)).encode())
            sync_folder(folder)
            aside(folder, MARK).replace(folder / MARK)
        except BaseException:
            for name in (*files, MARK):
                aside(folder, name).unlink(missing_ok=True)
            raise
        sync_folder(folder)
        _settle(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror or error}; nothing of it was changed") from error


def current(folder: Path, name: str) -> Path:
    """Where the current content of a file stands: in its place, or beside it when a save was interrupted after it counted."""
    new = aside(folder, name)
    return new if name in _marked(folder) and new.exists() else folder / name


def aside(folder: Path, name: str) -> Path:
    """Where a new file waits."""
    return folder / f".{name}.new"


def _settle(folder: Path) -> None:
    """Finish a save that counted."""
    names = _marked(folder)
    for name in names:
        with suppress(FileNotFoundError):  # moved before the interruption
            aside(folder, name).replace(folder / name)
    if names:
        sync_folder(folder)
        (folder / MARK).unlink(missing_ok=True)


def _marked(folder: Path) -> list[str]:
    """The files of a save that counted and was not finished."""
    try:
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    names = found if isinstance(found, list) else []
    return [name for name in names if isinstance(name, str) and name == os.path.basename(name) and "\0" not in name]


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
