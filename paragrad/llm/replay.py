"""Replay: answers from a recorded run, strictly.

Reads the run's table ``event(seq, coordinate, kind, phase, request_sha256, payload, ...)``: rows of
kind ``"model"`` and phase ``"outcome"`` whose payload is what :mod:`paragrad.llm.journaled` writes.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from paragrad.errors import BadRequest, ModelError, NotConnected, UsageError
from paragrad.home import find_home
from paragrad.llm.journaled import read_outcome
from paragrad.llm.layer import current_call
from paragrad.llm.secrets import shorten
from paragrad.llm.types import Request, Response

_NEAR = 300  # the most recent requests compared when one is missing


class Replay:
    """A wire without a network: the same request gets the answer it got in that run.

    Several answers to one request are told apart by the coordinate, where there is one, else given in
    the recorded order, again from the first after the last.

    Args:
        run: the run's id under ``runs/`` in the home folder, or the path of a journal file.
    """

    cacheable = False
    price = None

    def __init__(self, run: str) -> None:
        self.run = run
        self.name = self.identity = f"replay:{run}"
        self._lock = Lock()
        self._answers: dict[str, list[tuple[str, Mapping[str, Any]]]] | None = None
        self._given: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Replay({self.run!r})"

    def complete(self, requests: list[Request], /) -> list[Response | ModelError]:
        """One recorded answer per request."""
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Response | ModelError:
        call = current_call()
        request = request if call is None else call.public_request()
        with self._lock:
            try:
                self._answers = _load(_path(self.run)) if self._answers is None else self._answers
            except NotConnected as error:
                return error
            key = request.digest()
            found = self._answers.get(key)
            if not found:
                return BadRequest(_missing(self.run, request, self._answers))
            number = self._given.get(key, 0)
            self._given[key] = number + 1
        at = "" if call is None or call.at is None else str(call.at)
        payload = next((payload for where, payload in found if where == at), found[number % len(found)][1])
        try:
            return read_outcome(payload)
        except BadRequest as refused:
            return refused


def _path(run: str) -> Path:
    """The journal's file.

    Raises:
        NotConnected: there is none; names the runs that are.
    """
    given = Path(run)
    if given.is_file():
        return given
    if not run or given.name != run or run in (".", ".."):
        raise UsageError(
            f"replay:{run[:60]} names no run; write replay:ID with an id from `paragrad runs`, or replay:PATH of a journal file"
        )
    runs = find_home() / "runs"
    path = runs / run / "journal.sqlite"
    if not path.is_file():
        known = sorted(folder.name for folder in runs.iterdir() if (folder / "journal.sqlite").is_file()) if runs.is_dir() else []
        raise NotConnected(f"no recorded run {run!r} in {runs}; recorded: {', '.join(known[-20:]) or 'none'}")
    return path


def _load(path: Path) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    """Recorded answers by request digest, each with its coordinate, in recorded order."""
    answers: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for coordinate, payload in _rows(path):
        recorded = payload.get("request") if isinstance(payload, dict) else None
        if not isinstance(recorded, dict) or not ("response" in payload or "refused" in payload):
            continue
        answers.setdefault(Request(**recorded).digest(), []).append((str(coordinate), payload))
    return answers


def _rows(path: Path) -> Iterator[tuple[Any, Any]]:
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            query = "SELECT coordinate, payload FROM event WHERE kind = 'model' AND phase = 'outcome' ORDER BY seq"
            for coordinate, payload in db.execute(query):
                yield coordinate, json.loads(payload)
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise NotConnected(f"{path} is no readable run journal: {shorten(str(error))}") from None


def _missing(run: str, request: Request, answers: Mapping[str, list[tuple[str, Mapping[str, Any]]]]) -> str:
    """What was asked, and the nearest that was recorded."""
    asked = json.dumps(request.to_json(), sort_keys=True, ensure_ascii=False, default=str)
    recorded = [
        json.dumps(rows[0][1]["request"], sort_keys=True, ensure_ascii=False, default=str) for rows in list(answers.values())[-_NEAR:]
    ]
    if not recorded:
        return f"run {run} holds no model call to answer from"
    nearest = max(recorded, key=lambda text: difflib.SequenceMatcher(None, asked[:2000], text[:2000]).quick_ratio())
    start = next((i for i, (a, b) in enumerate(zip(asked, nearest, strict=False)) if a != b), min(len(asked), len(nearest)))
    here = max(0, start - 30)
    return (
        f"run {run} holds no answer to this request; the nearest recorded one differs at character {start}: "
        f"asked …{shorten(asked[here : start + 90], 120)}…, recorded …{shorten(nearest[here : start + 90], 120)}…"
    )
