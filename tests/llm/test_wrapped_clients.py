"""pg.llm.wrap: real ``openai`` and ``anthropic`` clients against loopback servers.

The embedded server is the library's own; ``FaultServer`` and the Anthropic stub are simulated servers.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import AuthenticationFailed, BudgetExceeded, NotConnected, Outage, RateLimited, ServerFailed, UsageError
from paragrad.journal import RunJournal
from paragrad.llm import BudgetLedger, caching
from paragrad.llm.embedded.server import serve
from paragrad.testing.wire import Connection, FaultServer, refused_url
from paragrad.testing.wire_faults import chunk, completion, stream

KEY = "sk-planted-0123456789"
ASKED: Any = [{"role": "user", "content": "Question: Two apples. How many?"}]


def client(url: str, **more: Any) -> openai.OpenAI:
    """A wrapped client without a cache."""
    options = {"cache": False, **{name: more.pop(name) for name in ("cache", "price", "deadline") if name in more}}
    return pg.llm.wrap(openai.OpenAI(base_url=url, api_key=KEY, **more), **options)


def ask(made: Any, **more: Any) -> str:
    """One chat completion's text."""
    return str(made.chat.completions.create(model="test", messages=ASKED, **more).choices[0].message.content)


class Run:
    """A scope with a journal in a folder and a ledger, entered as often as wanted: again is a resumed run."""

    def __init__(self, folder: Path, budget: str = "100 calls") -> None:
        self.path, self.budget = folder / "journal.sqlite", budget
        self.ledger = BudgetLedger(budget)

    @contextmanager
    def __call__(self) -> Iterator[Scope]:
        self.ledger = BudgetLedger(self.budget)
        with RunJournal(self.path, {"program": "x"}) as journal, scope(Scope(Coordinate(), journal=journal, ledger=self.ledger)) as inside:
            yield inside

    def rows(self, kind: str, phase: str | None = None) -> list[Any]:
        """Rows of the record."""
        with RunJournal(self.path, read_only=True) as journal:
            return list(journal.events(kind, phase))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of its own."""
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path))
    return Run(tmp_path)


# --- what stays the same ---------------------------------------------------------------------------
def test_it_is_the_same_client_to_everyone_who_asks() -> None:
    for plain in (openai.OpenAI(api_key=KEY), anthropic.Anthropic(api_key=KEY)):
        made = pg.llm.wrap(plain)
        assert isinstance(made, type(plain))
        assert (type(made).__name__, type(made).__module__) == (type(plain).__name__, type(plain).__module__)
        assert (made.api_key, made.base_url, made.timeout, made.max_retries) == (
            plain.api_key,
            plain.base_url,
            plain.timeout,
            plain.max_retries,
        )
        assert pg.llm.wrap(made) is made
        assert type(made.with_options(timeout=3)) is type(made)
        made.close()
    mine = type("Mine", (openai.AsyncOpenAI,), {})(api_key=KEY, timeout=7, max_retries=5, default_headers={"x-team": "blue"})
    made = pg.llm.wrap(mine)
    assert (isinstance(made, type(mine)), made.timeout, made.max_retries) == (True, 7, 5)
    assert made.default_headers["x-team"] == "blue"


@pytest.mark.parametrize("thing", [None, "openai", openai, lambda text: text, pg.llm.Fake()])
def test_what_is_no_client_is_refused(thing: Any) -> None:
    with pytest.raises(UsageError, match="takes an openai or anthropic client"):
        pg.llm.wrap(thing)


def test_outside_a_run_the_client_does_what_it_always_did() -> None:
    with FaultServer("500", "ok") as server, client(server.url, max_retries=1) as made:
        assert ask(made) == "four"
        assert [headers["x-stainless-retry-count"] for _, headers, _ in server.requests] == ["0", "1"], "the SDK retried, as it does"
    with FaultServer("429") as server, client(server.url, max_retries=0) as made:
        with pytest.raises(openai.RateLimitError) as caught:
            ask(made)
        assert not isinstance(caught.value, Outage), "nobody's run is concerned"
    with FaultServer("ok") as server, client(server.url) as made:
        pieces = made.chat.completions.create(model="test", messages=ASKED, stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "four"
        assert "stream_options" not in server.requests[0][2]


def test_a_client_that_a_model_function_uses_is_counted_once(run: Run) -> None:
    with FaultServer("ok") as server, client(server.url) as made:
        model = pg.llm.stack(pg.llm.CallableModel(lambda text: ask(made)), cache=False)
        with run():
            assert model("?") == "four"
    assert run.ledger.total.calls == 1
    assert len(run.rows("model", "outcome")) == 1


# --- recorded, counted, replayed -------------------------------------------------------------------
def test_a_call_in_a_run_is_counted_recorded_and_never_paid_for_twice(run: Run) -> None:
    with serve() as server, client(server.url) as made:
        with run() as inside:
            first = made.chat.completions.create(model="embedded", messages=ASKED, max_tokens=8)
        spent = inside.spent.total()
        assert first.usage is not None
        assert (spent["calls"], spent["input_tokens"] + spent["output_tokens"]) == (1, first.usage.total_tokens)
        assert (run.ledger.total.calls, run.ledger.total.tokens) == (1, first.usage.total_tokens)
        (row,) = run.rows("model", "outcome")
        assert row.payload["model"] == f"http:embedded@127.0.0.1:{server.port}"
        assert row.payload["request"]["messages"] == ASKED
        assert row.payload["response"]["text"] == first.choices[0].message.content
        assert KEY not in json.dumps(row.payload)
    gone = client(server.url, max_retries=0)  # the server is gone; the record answers
    with run() as inside:
        again = gone.chat.completions.create(model="embedded", messages=ASKED, max_tokens=8)
    assert again == first
    assert inside.spent.total() == spent
    assert run.ledger.total.calls == 1, "a replayed call counts as what it took"
    gone.close()


def test_two_questions_at_one_place_diverge(run: Run) -> None:
    with FaultServer("ok") as server, client(server.url) as made:
        with run():
            ask(made)
        with run(), pytest.raises(pg.errors.Diverged):
            ask(made, temperature=0.5)


def test_the_budget_is_hard_and_its_error_arrives_as_it_is(run: Run) -> None:
    run.budget = "2 calls"
    with FaultServer("ok") as server, client(server.url, max_retries=5) as made:
        with run():
            ask(made)
            ask(made)
            with pytest.raises(BudgetExceeded):
                ask(made)
        assert len(server.requests) == 2
    with FaultServer("ok") as server, client(server.url, price=(1000.0, 1000.0)) as made:
        run.budget, run.path = "$1", run.path.with_name("other.sqlite")
        with run() as inside:
            with pytest.raises(BudgetExceeded, match="unknown"):
                ask(made)
            with pytest.raises(BudgetExceeded):
                ask(made, max_tokens=5000, n=2)
            assert ask(made, max_tokens=2) == "four"
        assert inside.spent.total()["usd"] == pytest.approx(0.009)
        assert len(server.requests) == 1


def test_the_cache_answers_inside_runs_and_where_it_is_asked_for(run: Run) -> None:
    with FaultServer("ok") as server, client(server.url, cache=True) as made:
        for _ in range(2):
            with scope(Scope(Coordinate(), ledger=run.ledger)):
                assert ask(made) == "four"
        assert (len(server.requests), run.ledger.total.calls, run.ledger.total.cached_calls) == (1, 1, 1)
        ask(made)
        assert len(server.requests) == 2, "outside a run no cache is in use"
        with caching("read-write"):
            assert ask(made) == "four"
        assert len(server.requests) == 2
        with caching("replay-only"), pytest.raises(openai.APIConnectionError, match="replay-only"):
            ask(made, temperature=1)


def test_parsed_and_raw_answers_come_through_the_same_layers(run: Run) -> None:
    class Answer(BaseModel):
        number: int

    with FaultServer(lambda c: c.reply(completion('{"number": 4}'))) as server, client(server.url) as made:
        for _ in range(2):
            with run():
                parsed = made.chat.completions.parse(model="test", messages=ASKED, response_format=Answer)
                raw = made.chat.completions.with_raw_response.create(model="test", messages=ASKED)
            assert parsed.choices[0].message.parsed == Answer(number=4)
            assert (raw.status_code, raw.parse().choices[0].message.content) == (200, '{"number": 4}')
        assert len(server.requests) == 2


def test_keys_reach_no_record(run: Run) -> None:
    tools: Any = [{"type": "mcp", "server_label": "x", "authorization": "Bearer planted-token", "headers": {"x": "planted-header"}}]
    body = {"id": "r", "object": "response", "output": [{"type": "message", "content": [{"type": "output_text", "text": f"echo {KEY}"}]}]}
    with FaultServer(lambda c: c.reply(body)) as server, client(server.url) as made, run():
        made.responses.create(model="test", input="?", tools=tools)
    assert "planted-token" in json.dumps(server.requests[0][2]), "the server gets them"
    assert "planted" not in run.path.read_bytes().decode("latin-1")


# --- streams ---------------------------------------------------------------------------------------
def counted(c: Connection) -> None:
    """A stream that tells its usage when it is asked to."""
    last = {"id": "c1", "model": "test", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}
    usage = ["data: " + json.dumps(last) + "\n\n"] if "stream_options" in c.body else []
    stream(c, chunk("fo"), chunk("ur"), chunk(finish="stop"), *usage, "data: [DONE]\n\n")


def refuses_options(c: Connection) -> None:
    """A server that does not know stream_options."""
    if "stream_options" in c.body:
        c.reply({"error": {"message": "unknown field stream_options"}}, 400)
    else:
        counted(c)


@pytest.mark.parametrize(("script", "requests"), [(counted, 1), (refuses_options, 2)])
def test_a_stream_in_a_run_is_counted_recorded_and_given_again(run: Run, script: Any, requests: int) -> None:
    with FaultServer(script) as server, client(server.url) as made:
        for _ in range(2):
            with run() as inside:
                pieces = list(made.chat.completions.create(model="test", messages=ASKED, stream=True))
            assert [piece.choices[0].delta.content for piece in pieces] == ["fo", "ur", None], "no chunk the program did not ask for"
        assert len(server.requests) == requests
        if requests == 1:
            assert inside.spent.total()["input_tokens"] == 7
        assert run.ledger.total.tokens > 0
    assert run.rows("model", "outcome")[0].payload["response"]["text"] == "four"


def test_usage_that_was_asked_for_is_shown(run: Run) -> None:
    with FaultServer(counted) as server, client(server.url) as made, run():
        pieces = list(made.chat.completions.create(model="test", messages=ASKED, stream=True, stream_options={"include_usage": True}))
    assert pieces[-1].usage is not None
    assert len(server.requests) == 1


def test_a_cut_stream_is_asked_again(run: Run) -> None:
    with FaultServer(lambda c: stream(c, chunk("fo")), counted) as server, client(server.url) as made, run():
        assert len(list(made.chat.completions.create(model="test", messages=ASKED, stream=True))) == 3
    assert len(server.requests) == 2


# --- failures --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "theirs", "ours", "attempts"),
    [
        ("401", openai.AuthenticationError, AuthenticationFailed, 1),
        ("429", openai.RateLimitError, RateLimited, 2),
        ("503", openai.InternalServerError, ServerFailed, 2),
        ("reset before", openai.APIConnectionError, ServerFailed, 2),
        ("404", openai.NotFoundError, NotConnected, 1),
    ],
)
def test_a_failure_is_both_errors_and_the_stack_alone_retries(run: Run, fault: str, theirs: Any, ours: Any, attempts: int) -> None:
    script: Any = {"reset before": lambda c: c.reset()}.get(fault) or (lambda c: c.reply({"error": {"message": f"no {KEY}"}}, int(fault)))
    with FaultServer(script) as server, client(server.url, max_retries=1) as made:
        with run(), pytest.raises(theirs) as caught:
            ask(made)
        assert isinstance(caught.value, ours)
        assert isinstance(caught.value, Outage), "a run never takes it for a score"
        assert KEY not in str(caught.value)
        assert len(server.requests) == attempts == run.ledger.total.calls
        if fault.isdigit():
            assert (caught.value.status_code, caught.value.status) == (int(fault), int(fault))


def test_a_refusal_on_record_is_the_same_error(run: Run) -> None:
    with FaultServer(lambda c: c.reply({"error": {"message": "no such thing", "code": "x"}}, 400)) as server, client(server.url) as made:
        for _ in range(2):
            with run(), pytest.raises(openai.BadRequestError, match="no such thing") as caught:
                ask(made)
            assert isinstance(caught.value, pg.errors.BadRequest)
        assert len(server.requests) == 1


def test_no_server_and_no_time(run: Run) -> None:
    with client(refused_url(), max_retries=3) as made, run(), pytest.raises(openai.APIConnectionError) as caught:
        ask(made)
    assert isinstance(caught.value, NotConnected)
    run.path = run.path.with_name("other.sqlite")
    with FaultServer(lambda c: c.wait(5)) as server, client(server.url, max_retries=1, deadline=0.3) as made:
        with run(), pytest.raises(openai.APITimeoutError) as late:
            ask(made)
        assert isinstance(late.value, pg.errors.DeadlineExceeded)


def test_an_abandoned_item_makes_no_call(run: Run) -> None:
    with FaultServer("ok", "ok") as server, client(server.url) as made, run() as inside:
        ask(made)
        inside.close()
        with pytest.raises(pg.errors.LostContext):
            ask(made)
    assert len(server.requests) == 1


# --- what cannot be recorded -----------------------------------------------------------------------
def test_what_cannot_be_recorded_is_passed_on_and_the_record_says_so(run: Run) -> None:
    def answers(c: Connection) -> None:
        c.reply({"id": "f1", "object": "file", "status": "queued", "output": [], "data": []})

    with FaultServer(answers) as server, client(server.url) as made, run():
        made.models.list()
        made.responses.create(model="test", input="?", background=True)
        made.post("/threads/t1/messages", cast_to=object, body={"content": "?"})
    assert [row.payload for row in run.rows("passed on")] == [
        {"method": "GET", "host": "127.0.0.1", "path": "/v1/models"},
        {"method": "POST", "host": "127.0.0.1", "path": "/v1/responses"},
        {"method": "POST", "host": "127.0.0.1", "path": "/v1/threads/t1/messages"},
    ]
    assert len(server.requests) == 3
    assert run.ledger.total.calls == 2
    assert run.rows("model") == []


def test_a_failure_that_was_passed_on_is_an_outage_too(run: Run) -> None:
    with FaultServer("500") as server, client(server.url, max_retries=0) as made:
        with run(), pytest.raises(openai.InternalServerError) as caught:
            made.models.list()
        assert isinstance(caught.value, ServerFailed)
        assert len(server.requests) == 1


def test_embeddings_and_responses_are_recorded(run: Run) -> None:
    def answers(c: Connection) -> None:
        if c.path.endswith("/embeddings"):
            c.reply(
                {
                    "object": "list",
                    "model": "e",
                    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
                    "usage": {"prompt_tokens": 3, "total_tokens": 3},
                }
            )
        else:
            item = {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "four", "annotations": []}],
            }
            c.reply({"id": "r", "object": "response", "model": "test", "output": [item], "usage": {"input_tokens": 5, "output_tokens": 1}})

    with FaultServer(answers) as server, client(server.url) as made:
        for _ in range(2):
            with run() as inside:
                assert made.embeddings.create(model="e", input=["a"], encoding_format="float").data[0].embedding == [0.5]
                assert made.responses.create(model="test", instructions="Be brief.", input="?").output_text == "four"
            assert (inside.spent.total()["input_tokens"], inside.spent.total()["output_tokens"]) == (8, 1)
        assert len(server.requests) == 2
    asked = run.rows("model", "outcome")[1].payload["request"]["messages"]
    assert asked == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}]


# --- async -----------------------------------------------------------------------------------------
def test_async_calls_go_out_together_and_keep_program_order(run: Run) -> None:
    def echoes(c: Connection) -> None:
        c.wait(0.02 * (3 - int(c.body["messages"][0]["content"])))
        c.reply(completion(f"a{c.body['messages'][0]['content']}"))

    async def program(url: str) -> list[str]:
        async with pg.llm.wrap(openai.AsyncOpenAI(base_url=url, api_key=KEY), cache=False) as made:
            calls = [made.chat.completions.create(model="test", messages=[{"role": "user", "content": str(k)}]) for k in range(4)]
            return [str(answer.choices[0].message.content) for answer in await asyncio.gather(*calls)]

    with FaultServer(echoes) as server:
        for _ in range(2):
            with run():
                assert asyncio.run(program(server.url)) == ["a0", "a1", "a2", "a3"]
        assert (len(server.requests), run.ledger.total.calls) == (4, 4)
        assert server.most_at_once > 1
    assert [row.coordinate.rpartition("/")[2] for row in run.rows("model", "intent")].count("0") == 1


def test_a_cancelled_async_call_is_cut_off(run: Run) -> None:
    async def program(url: str) -> None:
        async with pg.llm.wrap(openai.AsyncOpenAI(base_url=url, api_key=KEY), cache=False) as made:
            task = asyncio.create_task(made.chat.completions.create(model="test", messages=ASKED))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with FaultServer(lambda c: c.wait(5)) as server, run():
        asyncio.run(program(server.url))
    assert run.rows("model", "outcome") == []


def test_async_failures_are_both_errors_too(run: Run) -> None:
    async def program(url: str) -> None:
        async with pg.llm.wrap(openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=1), cache=False) as made:
            await made.chat.completions.create(model="test", messages=ASKED)

    with FaultServer("500") as server, run(), pytest.raises(openai.InternalServerError) as caught:
        asyncio.run(program(server.url))
    assert isinstance(caught.value, ServerFailed)
    assert len(server.requests) == 2


def test_one_async_client_serves_the_loops_of_all_workers(run: Run) -> None:
    before = set(threading.enumerate())
    made = pg.llm.wrap(openai.AsyncOpenAI(api_key=KEY, base_url="http://127.0.0.1:9", max_retries=0), cache=False)

    def slow(c: Connection) -> None:
        c.wait(0.005)
        c.reply(completion("yes"))

    async def program(question: str) -> str:
        asked: Any = [{"role": "user", "content": question}]
        both = await asyncio.gather(*(there.chat.completions.create(model="test", messages=asked) for _ in range(2)))
        return str(both[1].choices[0].message.content)

    with FaultServer(slow) as server:
        there = made.with_options(base_url=server.url)
        result = pg.evaluate(program, [{"question": f"q{k}", "target": "yes"} for k in range(24)], metric="exact_match", workers=8)
        assert (result.score, result.spent["calls"]) == (1.0, 48)
        assert server.most_at_once > 2
        asyncio.run(made.close())
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith(("paragrad-wrap", "paragrad-http")):
            thread.join(10)
            assert not thread.is_alive(), "closing the client ends its threads"


# --- Anthropic (a simulated server) ----------------------------------------------------------------
def message(c: Connection) -> None:
    """The Messages API, whole and streamed."""
    body = {"id": "m1", "type": "message", "role": "assistant", "model": "claude", "stop_sequence": None}
    if not c.body.get("stream"):
        c.reply(
            {
                **body,
                "content": [{"type": "text", "text": "four"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 7, "output_tokens": 2},
            }
        )
        return
    events = [
        {
            "type": "message_start",
            "message": {**body, "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 0}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    stream(c, *(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events))


def claude(url: str, **more: Any) -> anthropic.Anthropic:
    """A wrapped Anthropic client; its address has no /v1."""
    return pg.llm.wrap(anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key=KEY, **more), cache=False)


def test_anthropic_messages_are_recorded_and_replayed(run: Run) -> None:
    said: Any = {"model": "claude", "max_tokens": 9, "system": "Be brief.", "messages": ASKED}
    with FaultServer(message) as server, claude(server.url) as made:
        for _ in range(2):
            with run() as inside:
                assert made.messages.create(**said).content[0].text == "four"
                with made.messages.stream(**said) as pieces:
                    assert "".join(pieces.text_stream) == "four"
            assert (inside.spent.total()["calls"], inside.spent.total()["input_tokens"]) == (2, 14)
        assert len(server.requests) == 2
    row = run.rows("model", "outcome")[0].payload
    assert row["request"]["messages"] == [{"role": "system", "content": "Be brief."}, *ASKED]
    assert (row["request"]["max_tokens"], row["response"]["text"]) == (9, "four")
    assert KEY not in run.path.read_bytes().decode("latin-1")


def test_anthropic_failures_are_both_errors(run: Run) -> None:
    script: Callable[[Connection], None] = lambda c: c.reply({"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, 529)  # noqa: E731
    with FaultServer(script) as server, claude(server.url, max_retries=1) as made:
        with run(), pytest.raises(anthropic.APIStatusError) as caught:
            made.messages.create(model="claude", max_tokens=9, messages=ASKED)
        assert isinstance(caught.value, ServerFailed)
        assert len(server.requests) == 2


# --- a whole run -----------------------------------------------------------------------------------
def test_a_program_with_its_own_client_trains_and_an_outage_is_no_score(tmp_path: Path) -> None:
    answers = {"q": "no", "Say yes. q": "yes"}

    def knows(c: Connection) -> None:
        c.reply(completion(answers.get(c.body["messages"][0]["content"][:10].rstrip("0123456789"), "no")))

    def trained(made: openai.OpenAI, workers: int, run_name: str) -> Any:
        instruction = pg.Parameter("", "what the model is told first", space=pg.Choice(["", "Say yes. "]))

        def program(question: str) -> str:
            return str(
                made.chat.completions.create(model="test", messages=[{"role": "user", "content": f"{instruction}{question}"}])
                .choices[0]
                .message.content
            )

        rows = [{"question": f"q{k}", "target": "yes"} for k in range(24)]
        return pg.fit(
            program,
            pg.data.rows(rows),
            metric="exact_match",
            parameters=[instruction],
            budget="300 calls",
            workers=workers,
            home=tmp_path,
            run=run_name,
        )

    with FaultServer(knows) as server, client(server.url) as made:
        one, eight = trained(made, 1, "one"), trained(made, 8, "eight")
        assert one.sha256 == eight.sha256
        assert (one.baseline, one.score) == (0.0, 1.0)
        assert one.spent["calls"] <= len(server.requests)
    with FaultServer("500") as server, client(server.url, max_retries=0) as made, pytest.raises(Outage, match="got no answer"):
        trained(made, 2, "out")
