"""Laws of the retry layer: by class, within the deadline, the same waits for the same coordinate."""

from __future__ import annotations

import time
from random import Random

import pytest

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import BadRequest, DeadlineExceeded, LostContext, RateLimited, ServerFailed
from paragrad.llm import Fake, Request, stack

ASK = Request([{"role": "user", "content": "?"}])


def test_a_transient_failure_is_asked_again_and_the_last_cause_is_told():
    fake = Fake([ServerFailed("first"), ServerFailed("second"), "yes"])
    assert stack(fake, backoff=0)("?") == "yes"
    fake = Fake(lambda request: ServerFailed("boom sk-abcdefgh12345678", status=500))
    (error,) = stack(fake, backoff=0, retries=2).complete([ASK])
    assert type(error) is ServerFailed
    assert str(error) == "no usable answer in 3 attempts; last: boom [key]"
    assert error.status == 500
    assert fake.calls == 3


def test_a_permanent_failure_is_asked_once():
    fake = Fake(lambda request: BadRequest("no"))
    assert isinstance(stack(fake).complete([ASK])[0], BadRequest)
    assert fake.calls == 1


def test_it_never_sleeps_past_the_deadline():
    fake = Fake(lambda request: RateLimited("slow down", retry_after=50))
    started = time.monotonic()
    (error,) = stack(fake, deadline=1).complete([ASK])
    assert isinstance(error, RateLimited)
    assert "50 s, longer than what is left" in str(error)
    assert error.retry_after == 50
    assert time.monotonic() - started < 40
    (error,) = stack(Fake(lambda request: ServerFailed("down")), deadline=0.2, retries=1000, backoff=0.1).complete([ASK])
    assert isinstance(error, DeadlineExceeded)
    assert "last: down" in str(error)


def test_the_waits_are_drawn_from_the_coordinate(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr("paragrad.llm.retry.time.sleep", waits.append)
    model = stack(Fake(lambda request: ServerFailed("down")), retries=3)
    for _ in range(2):
        with scope(Scope(Coordinate(item=4), seed=9)):
            model.complete([ASK])
    assert waits[:3] == waits[3:]
    random = Random(Coordinate(item=4, ordinal=(0,)).seed(9))
    assert waits[:3] == [random.uniform(0, 0.5 * 2.0**k) for k in range(3)]


def test_an_abandoned_item_has_no_further_attempt():
    here = Scope(Coordinate())

    def answer(request):
        here.close()
        return ServerFailed("down")

    fake = Fake(answer)
    with scope(here), pytest.raises(LostContext):
        stack(fake, backoff=0).complete([ASK])
    assert fake.calls == 1


def test_fifteen_percent_of_transient_errors_cost_less_than_a_fifth_more():
    failures = [Random(k) for k in range(3000)]

    def answer(request: Request):
        number = int(request.messages[0]["content"])
        return ServerFailed("down", status=503) if failures[number].random() < 0.15 else f"answer {number}"

    fake = Fake(answer)
    requests = [Request([{"role": "user", "content": str(k)}]) for k in range(3000)]
    answers = stack(fake, backoff=0, retries=10, concurrency=8).complete(requests)
    assert [answer.text for answer in answers] == [f"answer {k}" for k in range(3000)]
    assert fake.calls <= 1.2 * 3000
