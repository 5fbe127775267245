"""The append-only record of a run, and the folders in which runs live."""

from paragrad.home import find_home
from paragrad.journal.journal import RunJournal
from paragrad.journal.late import note_late, refuse_late
from paragrad.journal.records import Event, parse_coordinate
from paragrad.journal.runs import RunFolder, Runs

__all__ = ["Event", "RunFolder", "RunJournal", "Runs", "find_home", "note_late", "parse_coordinate", "refuse_late"]
