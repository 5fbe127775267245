"""The stack over the real run journal and a real server: resume pays for nothing twice, replay needs no server, no key is on disk."""

from __future__ import annotations

import pytest

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import BudgetExceeded
from paragrad.journal import RunJournal
from paragrad.llm import BudgetLedger, Request, Response, connect
from paragrad.testing.wire import FaultServer

KEY = "sk-planted-0123456789abcdef"


def ask(model, journal, ledger, items: int) -> list[str]:
    said = []
    for item in range(items):
        with scope(Scope(Coordinate(item=item), seed=1, journal=journal, ledger=ledger)) as at:
            answers = model.complete([Request([{"role": "user", "content": f"{item}.{k}"}], max_tokens=50) for k in range(3)])
            said += [answer.text for answer in answers if isinstance(answer, Response)]
            assert at.spent.total()["calls"] == 3
    return said


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path))
    return tmp_path


def test_resume_replay_and_a_scan_for_the_key(home):
    path = home / "runs" / "1" / "journal.sqlite"
    path.parent.mkdir(parents=True)
    with FaultServer("ok echoes the key", "503 html", "ok echoes the key") as server:
        options = {"api_key": KEY, "headers": {"x-api-key": KEY}, "price": (1.0, 2.0), "cache": "read-write"}
        model = connect(f"{server.url}#test", **options)
        journal = RunJournal(path, {"program": "p"})
        with pytest.raises(BudgetExceeded):
            ask(model, journal, BudgetLedger("8 calls + $1"), 4)
        journal.close()
        paid = len(server.requests)
        assert paid == 8
        journal, ledger = RunJournal(path, {"program": "p"}), BudgetLedger("$1")
        first = ask(model, journal, ledger, 4)
        assert len(server.requests) == 13 == ledger.total.calls, "12 answers and one 503"
        assert ledger.total.usd == pytest.approx(12 * (7 * 1.0 + 2 * 2.0) / 1e6)
        journal.close()
        model.close()
    journal = RunJournal(path, {"program": "p"})
    assert ask(connect(f"{server.url}#test", **options), journal, BudgetLedger("$1"), 4) == first, (
        "answered from the record, the server is gone"
    )
    journal.close()
    assert ask(connect("replay:1"), None, None, 4) == first
    for file in home.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file
