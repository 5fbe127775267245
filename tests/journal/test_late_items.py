"""An item that was abandoned once is abandoned in every resumed run, with the same words and the same costs."""

from __future__ import annotations

import pytest

from paragrad.context import Coordinate, Scope
from paragrad.errors import Diverged
from paragrad.journal import RunJournal, note_late, refuse_late
from paragrad.llm import BudgetLedger

AT = Coordinate(3, 1, 7, 0)
SPENT = {"calls": 2, "tokens": 30, "usd": 0.5}


@pytest.fixture
def path(tmp_path):
    with RunJournal(tmp_path / "journal.db", {"program": "p"}) as journal:
        journal.effect(Coordinate(3, 1, 7, 0, "task", (0,)), "model", "d", lambda: {"spent": SPENT})
        with pytest.raises(ConnectionError):
            journal.effect(Coordinate(3, 1, 7, 0, "task", (1,)), "model", "e", lost)
        journal.effect(Coordinate(3, 1, 7, 0, "guide", (2, 0)), "model", "f", lambda: {"spent": SPENT})
        journal.effect(Coordinate(3, 1, 70, 0, "task", (0,)), "model", "g", lambda: {"spent": SPENT})
        note_late(journal, AT, TimeoutError("item 7 took longer"))
    return tmp_path / "journal.db"


def lost():
    raise ConnectionError("cut off")


def test_a_resumed_run_is_told_the_same_and_counts_the_same(path):
    ledger = BudgetLedger()
    with RunJournal(path) as journal:
        refuse_late(Scope(Coordinate(3, 1, 70, 0), journal=journal, ledger=ledger))
        assert ledger.total.calls == 0
        with pytest.raises(TimeoutError, match=r"^item 7 took longer$"):
            refuse_late(Scope(AT, journal=journal, ledger=ledger))
        note_late(journal, AT, TimeoutError("item 7 took longer"))
        assert len(list(journal.events("late"))) == 1
        with pytest.raises(Diverged):
            note_late(journal, AT, TimeoutError("item 7 took even longer"))
    assert {phase: (tally.calls, tally.tokens, tally.usd) for phase, tally in ledger.spent.items()} == {
        "task": (3, 30, 0.5),
        "guide": (2, 30, 0.5),
    }


def test_without_a_journal_nothing_is_late():
    note_late(None, AT, TimeoutError("late"))
    refuse_late(None)
    refuse_late(Scope(AT))


def test_a_read_only_journal_sees_notes_made_meanwhile(path):
    with RunJournal(path, read_only=True) as reader, RunJournal(path) as journal:
        journal.note(Coordinate(9), "decision", {"kept": 1})
        assert reader.noted(Coordinate(9), "decision") == {"kept": 1} == journal.noted(Coordinate(9), "decision")
        assert reader.noted(Coordinate(8), "decision") is None
        assert len(journal.of_item(AT)) == 7
