"""Streams: true pieces, one typed result at the end, and never half an answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Barrier, Event
from threading import enumerate as threads
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import BudgetExceeded, ExecutionError, ModelError, Outage, ServerFailed, UsageError
from paragrad.journal import RunJournal
from paragrad.llm import BudgetLedger
from paragrad.testing.wire import Connection, FaultServer
from paragrad.testing.wire_faults import chunk, stream


@pg.prompt
def say(question: str) -> str:
    """Answer."""
    ...


@pg.prompt
def pick(question: str) -> Literal["four", "five"]:
    """Pick."""
    ...


class Pipeline(pg.Module):
    """Rewrites, then answers; the answer is what a reader waits for."""

    def __init__(self) -> None:
        self.rewrite = pg.Generator("Rewrite.", inputs=["question"])
        self.answer = pg.Generator("Answer.", inputs=["question"])

    def forward(self, question: str) -> str:
        return self.answer(question=self.rewrite(question=question))


def connected(server: FaultServer, **options: Any) -> Any:
    return pg.llm.use(pg.llm.connect(f"{server.url}#test", **{"cache": False, "retries": 2, **options}))


def test_a_piece_is_there_before_the_next_one_is_sent() -> None:
    gate = Event()

    def gated(connection: Connection) -> None:
        connection.head(200, {"content-type": "text/event-stream", "connection": "close"})
        connection.send(chunk("fo").encode())
        assert gate.wait(10)
        connection.send((chunk("ur") + chunk(finish="stop") + "data: [DONE]\n\n").encode())

    with FaultServer(gated) as server, connected(server):
        answer = pick.stream("2 + 2?")
        pieces = iter(answer)
        assert next(pieces) == "fo"
        with pytest.raises(UsageError, match="has not ended"):
            _ = answer.result
        gate.set()
        assert list(pieces) == ["ur"]
        assert answer.result == "four"
        assert list(answer) == [], "it is over"


def test_of_several_calls_the_last_generators_pieces_come() -> None:
    with FaultServer("ok") as server, connected(server):
        answer = Pipeline().stream("2 + 2?")
        assert (list(answer), answer.result) == (["fo", "ur"], "four")
        assert [bool(body.get("stream")) for _, _, body in server.requests] == [False, True]
        bound = Pipeline().bind(model=pg.llm.connect(f"{server.url}#other", cache=False)).stream("2 + 2?")
        assert (list(bound), bound.result) == (["fo", "ur"], "four")
        assert server.requests[-1][2]["model"] == "other"


def cut(connection: Connection) -> None:
    stream(connection, chunk("fo"))


def failing(connection: Connection) -> None:
    stream(connection, chunk("fo"), 'data: {"error": {"message": "overloaded"}}\n\n')


@pytest.mark.parametrize("fault", [cut, failing, "reset mid stream"])
def test_a_broken_stream_is_an_outage_and_no_result(fault: Any) -> None:
    if fault == "reset mid stream":

        def fault(connection: Connection) -> None:
            connection.head(200, {"content-type": "text/event-stream"})
            connection.send(chunk("fo").encode())
            connection.wait(0.05)
            connection.reset()

    with FaultServer(fault) as server, connected(server):
        answer = say.stream("2 + 2?")
        got: list[str] = []
        with pytest.raises(ModelError) as caught:
            got.extend(answer)
        assert isinstance(caught.value, Outage)
        assert got == ["fo"]
        with pytest.raises(ModelError):
            _ = answer.result
        assert len(server.requests) == 1, "what was said cannot be taken back, so it is not asked again"


def test_before_the_first_piece_it_is_asked_again() -> None:
    with FaultServer("503 html", "ok") as server, connected(server):
        answer = say.stream("2 + 2?")
        assert (list(answer), answer.result, len(server.requests)) == (["fo", "ur"], "four", 2)


def test_an_answer_of_the_wrong_type_is_the_programs_failure() -> None:
    def seven(connection: Connection) -> None:
        stream(connection, chunk("seven"), chunk(finish="stop"), "data: [DONE]\n\n")

    with FaultServer(seven) as server, connected(server):
        answer = pick.stream("2 + 2?")
        with pytest.raises(ExecutionError, match="none of: four, five"):
            list(answer)
        with pytest.raises(ExecutionError):
            _ = answer.result


def test_models_that_cannot_stream_give_one_piece() -> None:
    with pg.llm.use(pg.llm.Fake(lambda request: "four")):
        assert list(say.stream("q")) == ["four"]

    class Fixed(pg.Module):
        def forward(self, question: str) -> str:
            return question.upper()

    answer = Fixed().stream("q")
    assert (list(answer), answer.result) == (["Q"], "Q")


def test_the_embedded_model_streams_its_tokens() -> None:
    with pg.llm.use("embedded"):
        answer = say.stream("What is 2 plus 2?")
        pieces = list(answer)
        assert len(pieces) > 1
        assert "".join(pieces).strip() == answer.result == say.predict("What is 2 plus 2?")


def test_it_is_journaled_budgeted_and_settled(tmp_path: Path) -> None:
    def counted(connection: Connection) -> None:
        usage = 'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\n'
        stream(connection, chunk("fo"), chunk("ur"), chunk(finish="stop"), usage, "data: [DONE]\n\n")

    path = tmp_path / "journal.sqlite"
    with FaultServer(counted) as server, connected(server, price=(1.0, 1.0), max_tokens=5):
        for expected in (["fo", "ur"], ["four"]):  # the second time from the record, in one piece
            journal, ledger = RunJournal(path, {"program": "p"}), BudgetLedger("1 calls + $1")
            with scope(Scope(Coordinate(), journal=journal, ledger=ledger)) as at:
                assert list(say.stream("q")) == expected
                assert at.spent.total()["calls"] == 1
            assert (ledger.total.calls, ledger.total.tokens) == (1, 9)
            assert ledger.total.usd == pytest.approx(9e-6)
            journal.close()
        with scope(Scope(Coordinate(item=1), ledger=BudgetLedger("0 calls"))), pytest.raises(BudgetExceeded):
            list(say.stream("q"))
        assert len(server.requests) == 1


def test_astream() -> None:
    async def read(program: Any) -> tuple[list[str], Any]:
        answer = program.astream("2 + 2?")
        pieces = [piece async for piece in answer]
        assert [piece async for piece in answer] == []
        return pieces, answer.result

    async def many() -> list[Any]:
        return await asyncio.gather(*(read(pick) for _ in range(40)))

    meeting = Barrier(40)  # no pool of a few threads stands in the way

    def together(connection: Connection) -> None:
        meeting.wait(20)
        stream(connection, chunk("fo"), chunk("ur"), chunk(finish="stop"), "data: [DONE]\n\n")

    with FaultServer(*[together] * 40, "ok") as server, connected(server, retries=0):
        assert asyncio.run(many()) == [(["fo", "ur"], "four")] * 40
        outside = pick.astream("2 + 2?")

        async def later() -> list[str]:
            return [piece async for piece in outside]

        assert asyncio.run(later()) == ["fo", "ur"]

    async def broken() -> None:
        async for _ in say.astream("q"):
            pass

    with pg.llm.use(pg.llm.stack(pg.llm.Fake([ServerFailed("down")]), retries=0)), pytest.raises(ServerFailed):
        asyncio.run(broken())


def test_a_reader_that_leaves_holds_nothing_up() -> None:
    with FaultServer("ok") as server, connected(server):
        answer = say.stream("q")
        assert next(iter(answer)) == "fo"
        del answer
        for thread in threads():
            if thread.name == "paragrad-stream":
                thread.join(10)
        assert not [thread for thread in threads() if thread.name == "paragrad-stream"]
