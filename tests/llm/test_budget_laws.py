"""R4: a budget is never passed, at 64 threads, whatever it limits; calls are exact."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import BudgetExceeded, DeadlineExceeded, ServerFailed
from paragrad.llm import Budget, BudgetLedger, Fake, Request, Response, Usage, stack
from paragrad.llm.ledger import worst_input


def replies(random: Random, lock: threading.Lock):
    """Answers that take anything up to what was reserved, and failures of every billing kind."""

    def answer(request: Request):
        with lock:
            kind, part = random.random(), random.random()
        if kind < 0.1:
            return ServerFailed("down", status=503)
        if kind < 0.2:
            return DeadlineExceeded("cut off")
        if kind < 0.25:
            return Response("no usage")
        return Response("x", usage=Usage(int(part * worst_input(request)), int(part * request.max_tokens)))

    return answer


def spend(ledger: BudgetLedger, seed: int, asked: int, price: tuple[float, float]) -> tuple[int, int]:
    """Ask from 64 threads until everything is asked or refused; (calls that reached the backend, refused)."""
    fake = Fake(replies(Random(seed), threading.Lock()), price=price)
    model = stack(fake, retries=1, backoff=0)
    request = Request([{"role": "user", "content": "w" * (seed % 50)}], max_tokens=10 + seed % 90)
    phases = ("task", "guide", "critic", "optimizer")

    def one(k: int) -> int:
        try:
            with scope(Scope(Coordinate(item=k, phase=phases[k % 4]), ledger=ledger)):
                model.complete([request])
        except BudgetExceeded:
            return 1
        return 0

    with ThreadPoolExecutor(64) as pool:
        refused = sum(pool.map(one, range(asked)))
    return fake.calls, refused


@pytest.mark.parametrize("block", range(10))
def test_no_random_budget_is_passed(block):
    for seed in range(block * 12, block * 12 + 12):
        random = Random(seed)
        price = (random.uniform(0, 20), random.uniform(0, 100))
        budget = Budget(
            calls=random.choice([None, random.randrange(60)]),
            tokens=random.choice([None, random.randrange(6000)]),
            usd=random.choice([None, random.random() * 0.2]),
        )
        ledger = BudgetLedger(budget)
        made, refused = spend(ledger, seed, 80, price)
        total = ledger.total
        assert total.calls == made == sum(tally.calls for tally in ledger.spent.values())
        assert budget.calls is None or total.calls <= budget.calls
        assert budget.tokens is None or total.tokens <= budget.tokens
        assert budget.usd is None or total.usd <= budget.usd
        assert refused or made >= 80
        if budget.tokens is None and budget.usd is None and budget.calls is not None and refused:
            assert made == budget.calls, "a budget of calls is used up exactly"


def test_calls_are_exact_at_64_threads():
    ledger = BudgetLedger("57 calls")
    fake = Fake(lambda request: "x")
    model = stack(fake)

    def one(k: int) -> None:
        with scope(Scope(Coordinate(item=k), ledger=ledger)):
            for _ in range(5):
                model.complete([Request([{"role": "user", "content": str(k)}])])

    with ThreadPoolExecutor(64) as pool:
        outcomes = [future.exception() for future in [pool.submit(one, k) for k in range(64)]]
    assert fake.calls == ledger.total.calls == 57
    assert all(error is None or isinstance(error, BudgetExceeded) for error in outcomes)


def test_a_call_waits_for_those_in_flight_rather_than_being_refused():
    """Worst cases beside each other do not fit; one after another all do."""
    ledger = BudgetLedger("1000 tokens")
    fake = Fake(lambda request: time.sleep(0.002) or Response("x", usage=Usage(1, 1)))
    model = stack(fake)

    def one(k: int) -> None:
        with scope(Scope(Coordinate(item=k), ledger=ledger)):
            model.complete([Request([{"role": "user", "content": "?"}], max_tokens=400)])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(64)))
    assert (fake.calls, ledger.total.tokens) == (64, 128)


@pytest.mark.parametrize("budget", ["$5", "1000 tokens"])
def test_an_unknown_worst_case_is_refused_before_it_is_paid(budget):
    fake = Fake(lambda request: "x", price=(1, 1))
    with scope(Scope(Coordinate(), ledger=BudgetLedger(budget))), pytest.raises(BudgetExceeded, match="max_tokens"):
        stack(fake)("no max_tokens")
    assert fake.calls == 0


@pytest.mark.parametrize(
    ("budget", "price", "sent"), [("$5", (1, 1), 8192), ("20k tokens", (0, 0), 8192), ("$5", (0, 0), None), ("9 calls", (1, 1), None)]
)
def test_a_run_names_a_longest_answer_only_where_a_limit_needs_one(budget, price, sent):
    asked: list[Request] = []
    fake = Fake(lambda request: asked.append(request) or Response("x", usage=Usage(1, 1)), price=price)
    with scope(Scope(Coordinate(), ledger=BudgetLedger.of_run(budget))):
        assert stack(fake)("no max_tokens") == "x"
        stack(fake)("some", max_tokens=5)
    assert [request.max_tokens for request in asked] == [sent, 5]


def test_a_model_without_a_price_is_refused_under_dollars():
    class Unpriced(Fake):
        def __init__(self) -> None:
            super().__init__(lambda request: "x")
            self.price = None

    fake = Unpriced()
    with scope(Scope(Coordinate(), ledger=BudgetLedger("$5"))), pytest.raises(BudgetExceeded, match="price"):
        stack(fake)("?", max_tokens=5)
    assert fake.calls == 0


def test_a_free_model_needs_no_max_tokens_under_dollars():
    with scope(Scope(Coordinate(), ledger=BudgetLedger("$5"))):
        assert stack(Fake(["free"]))("?") == "free"


def test_a_linked_image_has_no_known_size():
    image = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
    assert worst_input(Request([{"role": "user", "content": [image]}])) is None
    inline = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert worst_input(Request([{"role": "user", "content": [inline]}])) > 8000


def test_no_call_starts_after_the_time():
    now = [0.0]
    ledger = BudgetLedger("10 s", clock=lambda: now[0])
    model = stack(Fake(lambda request: "x"))
    with scope(Scope(Coordinate(), ledger=ledger)):
        assert model("?") == "x"
        now[0] = 10.0
        with pytest.raises(BudgetExceeded, match="time is over"):
            model("?")


def test_retries_and_queues_end_with_the_time():
    """Neither a long back-off nor a slow pace outlasts the budget's seconds."""
    for model in (
        stack(Fake(lambda request: ServerFailed("down", retry_after=20)), retries=5),
        stack(Fake(lambda request: "x"), per_minute=1),
        stack(Fake(lambda request: time.sleep(0.2) or "x"), concurrency=1),
    ):
        started = time.monotonic()
        with scope(Scope(Coordinate(), ledger=BudgetLedger("0.3 s"))), pytest.raises(BudgetExceeded):
            model.complete([Request([{"role": "user", "content": str(k)}]) for k in range(30)])
        assert time.monotonic() - started < 10


def test_the_state_goes_on_where_it_was():
    ledger = BudgetLedger("$1 + 10 calls")
    spend(ledger, 5, 4, (1.0, 2.0))
    state = json.loads(json.dumps(ledger.state()))
    again = BudgetLedger("$1 + 10 calls", state)
    assert again.spent == ledger.spent
    assert again.seconds >= state["seconds"]
    again.replay(phase="task", calls=2, tokens=5, usd=0.25)
    assert again.total.calls == ledger.total.calls + 2


def test_a_call_inside_a_call_does_not_wait_for_itself():
    ledger = BudgetLedger("600 tokens")
    inner = stack(Fake(lambda request: "inner"))
    outer = stack(Fake(lambda request: inner(str(request.messages[0]["content"]), max_tokens=400)))
    with scope(Scope(Coordinate(), ledger=ledger)), pytest.raises(BudgetExceeded, match="inside another"):
        outer("?", max_tokens=400)
    assert ledger._state.open == set()


def test_a_reservation_is_settled_once():
    ledger = BudgetLedger()
    reservation = ledger.reserve(phase="task", tokens=None, usd=None)
    ledger.settle(reservation, tokens=1, usd=None)
    with pytest.raises(ValueError, match="settled already"):
        ledger.settle(reservation, tokens=1, usd=None)


def test_a_bug_in_the_backend_leaves_no_open_reservation():
    ledger = BudgetLedger("1000 tokens")

    def broken(request):
        raise ZeroDivisionError

    with scope(Scope(Coordinate(), ledger=ledger)), pytest.raises(ZeroDivisionError):
        stack(Fake(broken))("?", max_tokens=10)
    assert ledger._state.open == set()
    assert ledger.total.calls == 1
