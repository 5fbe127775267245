"""The append-only record of a run, and the folders in which runs live."""

from paragrad.journal.journal import RunJournal
from paragrad.journal.records import Event, parse_coordinate
from paragrad.journal.runs import RunFolder, Runs, find_home

__all__ = ["Event", "RunFolder", "RunJournal", "Runs", "find_home", "parse_coordinate"]
