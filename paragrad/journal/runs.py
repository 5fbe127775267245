"""Run folders: ``.paragrad/runs/<number>[-name]/``, one per run, found upwards from the working folder."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from paragrad.errors import JournalError, UnknownName, UsageError
from paragrad.home import find_home, made

Status = Literal["unfinished", "finished", "parked"]

STATUSES: tuple[Status, ...] = ("finished", "parked", "unfinished")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")
_FOLDER = re.compile(r"(\d+)(?:-(.+))?")


class RunFolder:
    """One run's folder: its journal, its status, and the lock of whoever drives it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        match = _FOLDER.fullmatch(self.path.name)
        if match is None:
            raise UsageError(f"{self.path} is not a run folder; those are called NUMBER or NUMBER-NAME")
        self.number = int(match[1])
        self.name: str | None = match[2]

    @property
    def id(self) -> str:
        """The name of the folder: number, or number and name."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """Where the run's journal is, or will be."""
        return self.path / "journal.db"

    def info(self) -> Mapping[str, Any]:
        """The stored status with everything said about it.

        Raises:
            JournalError: the status file is missing or damaged.
        """
        file = self.path / "status.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise JournalError(f"{file} cannot be read: {error}; the run's folder was damaged") from error
        if not isinstance(found, dict) or found.get("status") not in STATUSES:
            raise JournalError(f"{file} holds no run status: {str(found)[:80]}")
        return found

    @property
    def status(self) -> Status:
        """ "unfinished", "finished" or "parked"."""
        return cast(Status, self.info()["status"])

    def set_status(self, status: Status, **more: Any) -> None:
        """Store the status (all or nothing); ``more`` is JSON-like, for instance the reason."""
        if status not in STATUSES:
            raise UsageError(f"{status!r} is no run status; choose one of {', '.join(STATUSES)}")
        _write(self.path / "status.json", {**self.info(), **more, "status": status})

    @contextmanager
    def lock(self) -> Iterator[RunFolder]:
        """Drive this run alone. The lock dies with the process.

        Raises:
            JournalError: another process (or another part of this one) is driving it.
        """
        with _flock(self.path / "lock", wait=False) as held:
            if held is None:
                owner = (self.path / "lock").read_text(encoding="utf-8", errors="replace").strip()
                raise JournalError(f"run {self.id} is being driven by process {owner or '?'}; wait for it, stop it, or start a new run")
            os.ftruncate(held, 0)
            os.pwrite(held, str(os.getpid()).encode(), 0)
            yield self

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"


class Runs:
    """All runs under one home.

    Args:
        home: the ``.paragrad`` folder; None finds it (:func:`find_home`).
    """

    def __init__(self, home: str | Path | None = None) -> None:
        self.home = Path(home).expanduser().absolute() if home is not None else find_home()
        self.path = self.home / "runs"

    def create(self, name: str | None = None) -> RunFolder:
        """A new folder with the next number. Numbers are never given twice, not even after a deletion.

        Raises:
            UsageError: a name that cannot be a folder's.
            JournalError: the home is not writable.
        """
        if name is not None and (not _NAME.fullmatch(name) or name.isdigit()):
            raise UsageError(f"{name[:80]!r} cannot name a run; use letters, digits, '.', '_' and '-', and not a number alone")
        try:
            made(self.home)
            self.path.mkdir(parents=True, exist_ok=True)
            with _flock(self.path / ".last", wait=True) as held:
                assert held is not None
                return self._create(held, name)
        except OSError as error:
            raise JournalError(f"no run can be recorded in {self.home}: {error}; choose another folder with PARAGRAD_HOME") from error

    def all(self) -> list[RunFolder]:
        """Every run, oldest first."""
        if not self.path.is_dir():
            return []
        found = [RunFolder(path) for path in self.path.iterdir() if path.is_dir() and _FOLDER.fullmatch(path.name)]
        return sorted(found, key=lambda run: run.number)

    def latest(self) -> RunFolder:
        """The newest run.

        Raises:
            UnknownName: there is none.
        """
        runs = self.all()
        if not runs:
            raise UnknownName(f"there is no run in {self.home} yet")
        return runs[-1]

    def find(self, which: int | str) -> RunFolder:
        """A run by number, by folder name, or the newest run of a name.

        Raises:
            UnknownName: with the nearest known names.
        """
        text = str(which)
        runs = self.all()
        for run in reversed(runs):
            if text in (run.id, run.name) or (text.isdigit() and int(text) == run.number):
                return run
        known = [known for run in runs for known in (run.name or str(run.number),)]
        near = difflib.get_close_matches(text, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(dict.fromkeys(known)) or 'none'}"
        raise UnknownName(f"no run is called {text[:80]!r} in {self.home}; {hint}")

    def _create(self, counter: int, name: str | None) -> RunFolder:
        """Under the lock: allot the number, fill a folder aside, move it into place."""
        for left in self.path.glob(".new-*"):  # of a process that died in between
            shutil.rmtree(left, ignore_errors=True)
        last = os.pread(counter, 32, 0).decode("ascii", "replace").strip()
        number = max([int(last) if last.isdigit() else 0, *(run.number for run in self.all())]) + 1
        os.ftruncate(counter, 0)
        os.pwrite(counter, str(number).encode(), 0)
        aside = self.path / f".new-{number}"
        aside.mkdir()
        _write(aside / "status.json", {"status": "unfinished", "created": datetime.now(UTC).isoformat(timespec="seconds")})
        final = self.path / (f"{number}-{name}" if name else str(number))
        aside.rename(final)
        return RunFolder(final)


@contextmanager
def _flock(path: Path, *, wait: bool) -> Iterator[int | None]:
    """An exclusive lock on ``path`` as a file descriptor, or None when it is taken and ``wait`` is false."""
    import fcntl  # POSIX only; where it is missing, runs cannot be recorded

    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield held
    finally:
        os.close(held)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a small JSON file: the old one or the new one, never half."""
    aside = path.with_name(path.name + ".new")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
