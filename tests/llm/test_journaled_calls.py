"""Laws of fan-out and journal: program order names effects, a recorded answer is never asked again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import AuthenticationFailed, BadRequest, BudgetExceeded, Diverged, LostContext, ServerFailed
from paragrad.llm import BudgetLedger, Fake, Request, Response, stack


class MemoryJournal:
    """The Journal protocol in a dict of JSON texts."""

    def __init__(self) -> None:
        self.outcomes: dict[str, tuple[str, str, str]] = {}
        self.order: list[str] = []
        self.lock = threading.Lock()

    def effect(
        self, at: Coordinate, kind: str, digest: str, perform: Callable[[], Mapping[str, Any]], *, describe: Any = None
    ) -> tuple[Mapping[str, Any], bool]:
        with self.lock:
            self.order.append(str(at))
            known = self.outcomes.get(str(at))
        if known is not None:
            if known[:2] != (kind, digest):
                raise Diverged(f"{at}: recorded {known[1][:8]}, asked {digest[:8]}")
            return json.loads(known[2]), True
        text = json.dumps(perform(), default=dict)
        with self.lock:
            self.outcomes[str(at)] = (kind, digest, text)
        return json.loads(text), False


def ask(text: str, **more: Any) -> Request:
    return Request([{"role": "user", "content": text}], **more)


def run(model, journal, requests, *, ledger=None):
    with scope(Scope(Coordinate(step=1, item=2), seed=7, journal=journal, ledger=ledger)):
        return model.complete(requests)


def slow_echo(request: Request) -> str:
    time.sleep(Random(str(request.messages)).random() * 0.01)
    return f"said {request.messages[0]['content']}"


@pytest.mark.parametrize("width", [1, 4, 64])
def test_coordinates_are_given_in_program_order_at_any_width(width):
    journal = MemoryJournal()
    answers = run(stack(Fake(slow_echo), concurrency=width), journal, [ask(str(k)) for k in range(50)])
    assert [answer.text for answer in answers] == [f"said {k}" for k in range(50)]
    assert sorted(journal.outcomes) == sorted(f"1/0/2/0/task/{k}" for k in range(50))
    for k in range(50):
        assert json.loads(journal.outcomes[f"1/0/2/0/task/{k}"][2])["response"]["text"] == f"said {k}"


def test_a_recorded_answer_is_replayed_and_counted_as_it_was():
    journal = MemoryJournal()
    replies = [ServerFailed("down"), "one", "two"]
    first, second = BudgetLedger(), BudgetLedger()
    before = run(stack(Fake(replies, price=(1, 1)), backoff=0, concurrency=1), journal, [ask("a"), ask("b")], ledger=first)
    fake = Fake([])
    after = run(stack(fake, price=(1, 1)), journal, [ask("a"), ask("b")], ledger=second)
    assert fake.calls == 0
    assert after == before
    assert second.spent == first.spent
    assert second.total.calls == 3


def test_another_request_at_a_coordinate_is_raised_not_returned():
    journal = MemoryJournal()
    run(stack(Fake()), journal, [ask("a")])
    with pytest.raises(Diverged):
        run(stack(Fake()), journal, [ask("b")])
    with pytest.raises(Diverged):
        run(stack(Fake(name="another model")), journal, [ask("a")])


def test_a_refusal_is_an_outcome_an_outage_is_none():
    journal = MemoryJournal()
    replies = {"bad": BadRequest("too long", status=400), "key": AuthenticationFailed("no"), "down": ServerFailed("down")}
    fake = Fake(lambda request: replies[request.messages[0]["content"]])
    for _ in range(2):
        answers = run(stack(fake, retries=0), journal, [ask("bad"), ask("key"), ask("down")])
        assert [type(answer) for answer in answers] == [BadRequest, AuthenticationFailed, ServerFailed]
    assert list(journal.outcomes) == ["1/0/2/0/task/0"]
    assert fake.calls == 5
    assert (str(answers[0]), answers[0].status) == ("too long", 400)


def test_no_header_or_key_is_recorded_or_named_in_a_digest():
    journal = MemoryJournal()
    fake = Fake()
    secret = {"extra_headers": {"x-api-key": "planted"}, "api_key": "planted", "authorization": "planted"}
    run(stack(fake), journal, [ask("a", extra={**secret, "top_k": 3})])
    (recorded,) = journal.outcomes.values()
    assert "planted" not in str(recorded)
    assert json.loads(recorded[2])["request"]["extra"] == {"top_k": 3}
    assert fake.requests[0].extra["extra_headers"] == {"x-api-key": "planted"}
    run(stack(Fake([])), journal, [ask("a", extra={**secret, "api_key": "rotated", "top_k": 3})])


def test_several_choices_are_several_recorded_calls():
    journal = MemoryJournal()
    fake = Fake(["x", "y", "z"])
    (answer,) = run(stack(fake, concurrency=1), journal, [ask("a", n=3, seed=5)])
    assert answer.texts == ("x", "y", "z")
    assert [request.seed for request in fake.requests] == [5, 6, 7]
    assert list(journal.outcomes) == [f"1/0/2/0/task/0.{k}" for k in range(3)]


def test_a_spent_budget_is_raised_and_what_was_answered_is_kept():
    journal = MemoryJournal()
    with pytest.raises(BudgetExceeded):
        run(stack(Fake(), concurrency=1), journal, [ask(str(k)) for k in range(5)], ledger=BudgetLedger("3 calls"))
    assert len(journal.outcomes) == 3


def test_an_abandoned_item_asks_nothing():
    here = Scope(Coordinate())
    here.close()
    fake = Fake()
    with scope(here), pytest.raises(LostContext):
        stack(fake)("?")
    assert fake.calls == 0


def test_outside_a_run_nothing_is_recorded():
    assert stack(Fake(["x"]))("?") == "x"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request([]), "no messages"),
        (ask("a", n=0), "n=0"),
        (ask("\ud800"), "surrogate"),
        (Request([{1: "a", "b": 2}]), "not JSON-like"),
    ],
)
def test_a_request_that_can_never_be_sent_is_refused_in_its_place(request_, reason):
    fake = Fake()
    first, refused, last = stack(fake).complete([ask("a"), request_, ask("b")])
    assert (first.text, last.text) == ("a", "b")
    assert isinstance(refused, BadRequest)
    assert reason in str(refused)
    assert fake.calls == 2


def test_a_bug_in_a_backend_is_raised_after_the_others_have_ended():
    ended = []

    def answer(request: Request) -> str:
        if request.messages[0]["content"] == "0":
            raise ZeroDivisionError
        time.sleep(0.02)
        ended.append(1)
        return "x"

    with pytest.raises(ZeroDivisionError):
        stack(Fake(answer), concurrency=4).complete([ask(str(k)) for k in range(4)])
    assert len(ended) <= 3


def test_a_stream_is_recorded_and_replayed_as_one_piece():
    journal = MemoryJournal()
    for expected in ("piece", "piece"):
        with scope(Scope(Coordinate(), journal=journal)):
            stream = stack(Fake(["piece"])).stream("?")
            assert list(stream) == [expected]
            assert isinstance(stream.response, Response)
    assert len(journal.outcomes) == 1


async def _both(model):
    import asyncio

    return await asyncio.gather(model.acomplete([ask("a")]), model.acomplete([ask("b")]))


def test_the_async_twin_takes_coordinates_in_program_order():
    import asyncio

    journal = MemoryJournal()
    with scope(Scope(Coordinate(), journal=journal)):
        (first,), (second,) = asyncio.run(_both(stack(Fake(slow_echo))))
    assert (first.text, second.text) == ("said a", "said b")
    assert json.loads(journal.outcomes["0/0/0/0/task/0"][2])["response"]["text"] == "said a"
