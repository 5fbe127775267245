"""Laws of the journal: answered once, durable first, the same again on resume."""

import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragrad.context import Coordinate
from paragrad.errors import Diverged, JournalError, UsageError
from paragrad.journal import RunJournal, parse_coordinate

HEADER = {"program": "a1", "data": "b2", "configuration": "c3", "package": "0.1"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def answer(value):
    return lambda: {"text": value}


def forbidden():
    raise AssertionError("a recorded effect was performed again")


def rows(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT seq, coordinate, kind, phase, request_sha256, payload, schema FROM event ORDER BY seq").fetchall()
    finally:
        connection.close()


def test_an_effect_is_performed_once(path):
    at = Coordinate(1, 2, 3, 0, "task", (4, 0))
    with RunJournal(path, HEADER) as journal:
        assert journal.effect(at, "model", "d", answer("yes")) == ({"text": "yes"}, False)
        assert journal.effect(at, "model", "d", forbidden) == ({"text": "yes"}, True)
    with RunJournal(path, HEADER) as journal:
        assert journal.effect(at, "model", "d", forbidden) == ({"text": "yes"}, True)
    assert [(row[1], row[2], row[3], row[4]) for row in rows(path)[1:]] == [
        ("1/2/3/0/task/4.0", "model", "intent", "d"),
        ("1/2/3/0/task/4.0", "model", "outcome", "d"),
    ]


def test_the_intent_is_durable_before_the_call_and_the_outcome_before_the_answer(path):
    seen = []
    with RunJournal(path, HEADER) as journal:
        journal.effect(Coordinate(), "model", "d", lambda: seen.append([row[3] for row in rows(path)]) or {})
        assert seen == [["note", "intent"]]
        assert [row[3] for row in rows(path)] == ["note", "intent", "outcome"]


def test_fresh_and_replayed_answers_are_equal(path):
    perform = lambda: {"t": (1, 2), 3: "x", "é": "\udcff", "f": 0.1}  # noqa: E731
    with RunJournal(path, HEADER) as journal:
        fresh, _ = journal.effect(Coordinate(), "io", "d", perform)
        assert fresh == journal.effect(Coordinate(), "io", "d", forbidden)[0] == {"t": [1, 2], "3": "x", "é": "\udcff", "f": 0.1}


def test_another_effect_at_a_coordinate_has_diverged(path):
    with RunJournal(path, HEADER) as journal:
        journal.effect(Coordinate(item=7), "model", "old", answer("x"), describe={"prompt": "Sort this ticket."})
        with pytest.raises(Diverged) as caught:
            journal.effect(Coordinate(item=7), "model", "new", forbidden, describe=lambda: {"prompt": "Route this ticket."})
        for part in ("0/0/7/0/task/", "old", "new", "Sort this ticket.", "Route this ticket.", "fork"):
            assert part in str(caught.value)
        with pytest.raises(Diverged, match="guide"):
            journal.effect(Coordinate(item=7), "guide", "old", forbidden)


def test_an_unanswered_intent_diverges_too(path):
    with RunJournal(path, HEADER) as journal:
        with pytest.raises(KeyboardInterrupt):
            journal.effect(Coordinate(), "model", "old", interrupted)
        with pytest.raises(Diverged):
            journal.effect(Coordinate(), "model", "new", forbidden)
        assert journal.effect(Coordinate(), "model", "old", answer("again")) == ({"text": "again"}, False)
    assert [row[3] for row in rows(path)] == ["note", "intent", "intent", "outcome"]


def interrupted():
    raise KeyboardInterrupt


def failing():
    raise ConnectionError("the line is down")


def test_a_failure_is_noted_and_repeated(path):
    with RunJournal(path, HEADER) as journal:
        with pytest.raises(ConnectionError):
            journal.effect(Coordinate(), "model", "d", failing)
        (failed,) = journal.events(phase="failed")
        assert failed.payload == {"type": "ConnectionError", "message": "the line is down"}
    with RunJournal(path, HEADER) as journal:
        assert journal.effect(Coordinate(), "model", "d", answer("up")) == ({"text": "up"}, False)


def test_an_outcome_that_is_not_json_is_refused(path):
    with RunJournal(path, HEADER) as journal, pytest.raises(UsageError, match="object"):
        journal.effect(Coordinate(), "model", "d", lambda: {"x": object()})


def test_another_header_is_refused_and_named(path):
    RunJournal(path, HEADER).close()
    with pytest.raises(Diverged, match=r"another data\n  data: recorded b2, now z9") as caught:
        RunJournal(path, {**HEADER, "data": "z9"})
    assert "program:" not in str(caught.value)
    with pytest.raises(Diverged, match=r"package: recorded 0\.1, now nothing"):
        RunJournal(path, {k: v for k, v in HEADER.items() if k != "package"})
    with RunJournal(path) as journal:
        assert journal.header == HEADER
        assert rows(path)[0][:4] == (0, "", "header", "note")


def test_notes_are_made_once(path):
    at = Coordinate(step=3, phase="optimizer")
    with RunJournal(path, HEADER) as journal:
        journal.note(at, "decision", {"accepted": True})
    with RunJournal(path, HEADER) as journal:
        journal.note(at, "decision", {"accepted": True})
        assert len(list(journal.events("decision"))) == 1
        with pytest.raises(Diverged, match=r'"accepted":true[\s\S]*"accepted":false'):
            journal.note(at, "decision", {"accepted": False})
        with pytest.raises(Diverged):
            journal.notes([(Coordinate(step=4), "decision", 1), (Coordinate(step=4), "decision", 2)])
        assert len(list(journal.events("decision"))) == 1, "all or none"
        journal.notes([(Coordinate(step=4), "decision", 1), (Coordinate(step=4), "other", 2)])
        assert [event.payload for event in journal.events(phase="note")][1:] == [{"accepted": True}, 1, 2]


def test_checkpoints(path):
    with RunJournal(path, HEADER) as journal:
        assert journal.last_checkpoint() is None
        for step in range(3):
            journal.checkpoint({"t": step}, Coordinate(step=step))
    with RunJournal(path, HEADER) as journal:
        assert journal.last_checkpoint() == (Coordinate(step=2), {"t": 2})
        journal.checkpoint({"t": 2}, Coordinate(step=2))
        with pytest.raises(Diverged):
            journal.checkpoint({"t": 9}, Coordinate(step=2))


def test_effects_of_many_threads(path):
    calls = []

    def one(number):
        item = number % 300
        return journal.effect(Coordinate(item=item), "model", f"d{item}", lambda: calls.append(item) or {"n": item})[0]["n"]

    with RunJournal(path, HEADER) as journal:
        with ThreadPoolExecutor(64) as pool:
            assert list(pool.map(one, range(600))) == [item % 300 for item in range(600)]
        assert len(calls) == 300, "two threads at one coordinate: one call"
        numbers = [event.seq for event in journal.events()]
        assert numbers == list(range(601))
        assert {event.seq for event in journal.events(phase="outcome", after=590)} == {n for n in outcomes(path) if n > 590}
    assert not [thread for thread in threading.enumerate() if thread.name == "paragrad-journal"]


def outcomes(path):
    return {row[0] for row in rows(path) if row[3] == "outcome"}


def test_effects_of_distinct_coordinates_overlap(path):
    barrier = threading.Barrier(4, timeout=20)
    with RunJournal(path, HEADER) as journal, ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda i: journal.effect(Coordinate(item=i), "model", "d", lambda: {"n": barrier.wait()}), range(4))
        assert sorted(payload["n"] for payload, _ in found) == [0, 1, 2, 3]


def test_closed_and_read_only(path):
    journal = RunJournal(path, HEADER)
    journal.note(Coordinate(), "x", 1)
    reader = RunJournal(path, read_only=True)
    assert [event.payload for event in reader.events("x")] == [1]
    with pytest.raises(JournalError, match="read-only"):
        reader.note(Coordinate(), "y", 1)
    reader.close()
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.effect(Coordinate(), "x", "d", forbidden)


def test_missing_foreign_and_damaged_files(tmp_path):
    with pytest.raises(JournalError, match="no run journal"):
        RunJournal(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(JournalError, match="folder"):
        RunJournal(tmp_path, HEADER)
    with pytest.raises(JournalError, match="opening"):
        RunJournal(tmp_path / "no" / "folder.db", HEADER)
    text = tmp_path / "notes.db"
    text.write_text("my shopping list")
    with pytest.raises(JournalError, match="not a run journal"):
        RunJournal(text, HEADER)
    assert text.read_text() == "my shopping list"
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="another program"):
        RunJournal(other, HEADER)


def test_an_interrupted_creation_begins_again(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    with pytest.raises(JournalError, match="interrupted"):
        RunJournal(path)
    RunJournal(path, HEADER).close()
    assert len(rows(path)) == 1


def test_a_flipped_byte_is_noticed(path):
    with RunJournal(path, HEADER) as journal:
        journal.effect(Coordinate(), "model", "d", answer("the right answer"))
    data = path.read_bytes()
    assert data.count(b"the right answer") == 1
    path.write_bytes(data.replace(b"the right answer", b"the ri&ht answer"))
    with RunJournal(path, HEADER) as journal, pytest.raises(JournalError, match="check sum"):
        journal.effect(Coordinate(), "model", "d", forbidden)


def test_cuts_are_an_error_or_a_clean_prefix(tmp_path):
    path = tmp_path / "whole.db"
    with RunJournal(path, HEADER) as journal:
        for item in range(40):
            journal.effect(Coordinate(item=item), "model", f"d{item}", answer("x" * 300))
    whole = [row[5] for row in rows(path)]
    data = path.read_bytes()
    for place, cut in enumerate(range(0, len(data), max(1, len(data) // 60))):
        file = tmp_path / f"cut{place}.db"
        file.write_bytes(data[:cut])
        try:
            with RunJournal(file) as journal:
                found = [json.dumps(event.payload, separators=(",", ":")) for event in journal.events()]
        except JournalError:
            continue
        assert found == whole[: len(found)]


ORDINALS = st.lists(st.integers(0, 9), max_size=4).map(tuple)


@given(st.builds(Coordinate, *[st.integers(0, 99)] * 4, st.sampled_from(["task", "guide"]), ORDINALS))
def test_coordinates_parse(at):
    assert parse_coordinate(str(at)) == at
