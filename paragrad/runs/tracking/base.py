"""Tracker: four verbs that every experiment tracker has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Tracker:
    """Told what happens in one run, in order, in a thread of its own; an error ends the telling and leaves the run alone.

    Subclasses override what they can show. They are made from the text after the colon in
    ``track="name:text"``, and registered with ``@paragrad.registry.trackers.register("name")`` or an entry
    point of the group ``paragrad.trackers``.
    """

    name = "tracker"

    def start(self, run_id: str, settings: Mapping[str, Any]) -> None:
        """A run begins, or goes on where it stopped (``settings["resumed"]``).

        Args:
            run_id: stable name of the run; empty for one that is not recorded.
            settings: plain values: optimizer, model, budget, seed, numbers of rows, parameters.
        """

    def scores(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers after a step: ``score/validation``, ``spent/calls``, ``spent/tokens``, ``spent/usd``, ``decision/...``."""

    def note(self, step: int, name: str, text: str) -> None:
        """Words: a decision, a warning."""

    def finish(self, status: str, summary: Mapping[str, float], files: Mapping[str, str]) -> None:
        """The run is over.

        Args:
            status: "finished", "parked" (it can be resumed) or "failed".
            summary: final numbers.
            files: name to text: ``parameters.json``, ``diff.txt``, ``result.json``; empty unless finished.
        """
