"""The scripted model, functions as models, replay of a run, the wire's body, limits and keys."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import (
    AuthenticationFailed,
    BadRequest,
    BadResponse,
    DeadlineExceeded,
    NotConnected,
    RateLimited,
    ServerFailed,
    UsageError,
)
from paragrad.llm import CallableModel, Fake, OpenAICompatible, Replay, Request, Response, connect, stack
from paragrad.llm.layer import Call, Deadline
from paragrad.llm.limiter import Pace, Window
from paragrad.llm.openai_body import read_completion
from paragrad.llm.openai_request import body_of
from paragrad.llm.secrets import Secret, redact, shorten, without_secrets
from paragrad.testing.models import check_model
from paragrad.testing.wire import FaultServer
from paragrad.testing.wire_faults import completion


def ask(text: str, **more) -> Request:
    return Request([{"role": "user", "content": text}], **more)


# -- the kit -----------------------------------------------------------------------------------------
def test_the_kit_accepts_our_backends():
    check_model(lambda: Fake(lambda request: "x"))
    check_model(lambda: CallableModel(str.upper))
    check_model(lambda: connect("fake"))
    with FaultServer("ok") as server:
        made = []

        def make():
            made.append(OpenAICompatible("test", server.url))
            return made[-1]

        check_model(make)
        for wire in made:
            wire.close()


class Drops(Fake):
    def complete(self, requests, /):
        return super().complete(requests)[1:]


class Renamed(Fake):
    def __init__(self) -> None:
        super().__init__(lambda request: "x", name=f"model-{id(self)}")


class Plain(Fake):
    def complete(self, requests, /):
        return ["text" for _ in requests]


@pytest.mark.parametrize(
    ("make", "law"), [(lambda: Drops(), "3 answers for 3"), (Renamed, "same identity"), (lambda: Plain(), "Response or a ModelError")]
)
def test_the_kit_notices_broken_backends(make, law):
    kept = []
    with pytest.raises(AssertionError, match=law):
        check_model(lambda: kept.append(make()) or kept[-1])


# -- Fake --------------------------------------------------------------------------------------------
def test_everything_a_fake_says_is_marked_simulated():
    fake = Fake(["text", Response("whole"), RateLimited("slow down")])
    text, whole, error = fake.complete([ask("a")] * 3)
    assert text.simulated
    assert whole.simulated
    assert isinstance(error, RateLimited)
    assert isinstance(fake.complete([ask("a")])[0], BadRequest)
    with pytest.raises(BadRequest, match="no reply left"):
        fake("a")


def test_a_fake_may_raise_its_model_errors_and_refuses_what_is_no_reply():
    def raising(request):
        raise ServerFailed("down")

    assert isinstance(Fake(raising).complete([ask("a")])[0], ServerFailed)
    with pytest.raises(UsageError, match="return a str"):
        Fake(lambda request: 4).complete([ask("a")])
    with pytest.raises(UsageError, match="is a text"):
        Fake("text")


def test_a_sequence_is_given_out_once_under_threads():
    fake = Fake(str(k) for k in range(500))
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda _: fake("?"), range(500)))
    assert sorted(said, key=int) == [str(k) for k in range(500)]


# -- functions ---------------------------------------------------------------------------------------
class ClientError(Exception):
    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status_code = status


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientError("slow", 429), RateLimited),
        (ClientError("key sk-planted-12345678", 401), AuthenticationFailed),
        (ClientError("broken", 500), ServerFailed),
        (ClientError("odd"), ServerFailed),
        (ConnectionResetError("reset"), ServerFailed),
        (ClientError("bad", 400), BadRequest),
    ],
)
def test_errors_of_foreign_clients_are_outages_by_class(error, kind):
    def function(text):
        raise error

    (answer,) = CallableModel(function).complete([ask("a")])
    assert type(answer) is kind
    assert "planted" not in str(answer)


def test_a_bug_in_a_function_is_a_bug():
    with pytest.raises(ZeroDivisionError):
        stack(CallableModel(lambda text: str(1 / 0)))("?")
    (answer,) = CallableModel(lambda text: None).complete([ask("a")])
    assert isinstance(answer, BadResponse)


def test_a_function_past_its_deadline_is_abandoned():
    release = threading.Event()
    model = stack(CallableModel(lambda text: release.wait(20) and "late"), deadline=0.1)
    (answer,) = model.complete([ask("a")])
    assert isinstance(answer, DeadlineExceeded)
    release.set()


def test_a_function_may_take_messages():
    model = CallableModel(lambda messages: messages[-1]["role"], messages=True)
    assert stack(model)("?") == "user"
    several = Request([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    (answer,) = CallableModel(lambda text: text).complete([several])
    assert answer.text == "system: Be brief.\n\nuser: Hi"


# -- replay ------------------------------------------------------------------------------------------
def record(folder, monkeypatch):
    monkeypatch.setenv("PARAGRAD_HOME", str(folder))
    path = folder / "runs" / "7" / "journal.sqlite"
    path.parent.mkdir(parents=True)
    rows = []
    for ordinal, text in enumerate(["first", "second"]):
        rows.append((f"0/0/0/0/task/{ordinal}", "outcome", {"request": ask("q").to_json(), "response": Response(text).to_json()}))
    rows.append(("0/0/0/0/task/2", "outcome", {"request": ask("long").to_json(), "refused": {"message": "too long", "status": 400}}))
    rows.append(("0/0/0/0/task/3", "intent", {"request": ask("never answered").to_json()}))
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, coordinate, kind, phase, request_sha256, payload, schema)")
        for coordinate, phase, payload in rows:
            insert = "INSERT INTO event (coordinate, kind, phase, payload, schema) VALUES (?, 'model', ?, ?, 1)"
            db.execute(insert, (coordinate, phase, json.dumps(payload)))
    db.close()
    return path


def test_a_run_answers_again_and_nothing_else(tmp_path, monkeypatch):
    record(tmp_path, monkeypatch)
    model = connect("replay:7")
    assert [model("q"), model("q"), model("q")] == ["first", "second", "first"]
    with scope(Scope(Coordinate(), journal=None)):
        assert [model("q"), model("q")] == ["first", "second"]
    refused, missing, unanswered = model.complete([ask("long"), ask("questions"), ask("never answered")])
    assert (type(refused), refused.status, str(refused)) == (BadRequest, 400, "too long")
    assert isinstance(missing, BadRequest)
    assert "nearest" in str(missing)
    assert '"q"' in str(missing)
    assert isinstance(unanswered, BadRequest)


def test_a_run_that_is_not_there_is_named_with_those_that_are(tmp_path, monkeypatch):
    record(tmp_path, monkeypatch)
    (error,) = connect("replay:8").complete([ask("q")])
    assert isinstance(error, NotConnected)
    assert "recorded: 7" in str(error)
    (tmp_path / "bad.sqlite").write_text("no database" * 100)
    (error,) = Replay(str(tmp_path / "bad.sqlite")).complete([ask("q")])
    assert isinstance(error, NotConnected)


# -- what is sent, what is read ----------------------------------------------------------------------
def test_only_what_is_given_is_sent():
    assert body_of(ask("a"), "m", limit_name="max_tokens", stream=False) == {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    full = ask(
        "a",
        tools=[{"name": "add", "parameters": {}}],
        schema={"title": "An answer!", "type": "object"},
        temperature=0.0,
        max_tokens=5,
        stop=["END"],
        seed=1,
        n=2,
        logprobs=3,
        extra={"top_k": 4, "extra_headers": {"x": "y"}},
    )
    body = body_of(full, "m", limit_name="max_completion_tokens", stream=False)
    assert body["tools"] == [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    assert body["response_format"]["json_schema"]["name"] == "An_answer_"
    assert (body["temperature"], body["max_completion_tokens"], body["n"], body["top_k"]) == (0.0, 5, 2, 4)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)
    assert "extra_headers" not in body


def test_tool_calls_logprobs_and_stops_are_read():
    call = {"id": "t1", "function": {"name": "add", "arguments": '{"a": 1}'}}
    response = read_completion(completion(None, "tool_calls", tool_calls=[call]), ask("a"), "m")
    assert (response.tool_calls[0].name, response.tool_calls[0].arguments, response.text) == ("add", {"a": 1}, "")
    body = completion("one END two", "length")
    body["choices"][0]["logprobs"] = {"content": [{"token": "one", "logprob": -1, "top_logprobs": [{"token": "One", "logprob": -2.0}]}]}
    response = read_completion(body, ask("a", stop=["END"], logprobs=1), "m")
    assert (response.text, response.finish) == ("one ", "stop")
    assert response.logprobs == [{"token": "one", "logprob": -1.0, "top": {"One": -2.0}}]
    assert read_completion(completion(None, "stop", refusal="I will not."), ask("a"), "m").finish == "refusal"
    with pytest.raises(BadRequest, match="content filter"):
        read_completion(completion(None, "content_filter"), ask("a"), "m")
    with pytest.raises(BadResponse, match="1 of 2"):
        read_completion(completion(), ask("a", n=2), "m")


# -- limits ------------------------------------------------------------------------------------------
def test_no_minute_holds_more_than_the_pace_allows():
    now = [0.0]
    pace = Pace(30, clock=lambda: now[0])
    starts = []
    for _ in range(100):
        starts.append(now[0] + pace.reserve())
    assert all(later - earlier == pytest.approx(2.0) for earlier, later in itertools.pairwise(starts))
    assert pace.reserve(longest=1.0) is None
    assert starts[0] == 0.0


def call() -> Call:
    return Call(ask("a"), "m", Deadline(10))


def test_the_window_halves_once_per_round_and_grows_by_one():
    window = Window(32)
    assert window.size == 32
    entered = [window.enter(call()) for _ in range(32)]
    for moment in entered:
        window.leave(moment, "limited")
    assert window.size == 16
    for _ in range(17):
        window.leave(window.enter(call()), "ok")
    assert 16.9 < window.size <= 17.1
    for _ in range(100):
        window.leave(window.enter(call()), "limited")
    assert window.size == 1
    assert window.in_flight == 0


def test_no_more_than_the_limit_is_in_flight_over_all_callers():
    lock, now, most = threading.Lock(), [0], [0]

    def answer(request):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1
        return "x"

    model = stack(Fake(answer), concurrency=3)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: model.complete([ask("a")] * 5), range(8)))
    assert most[0] == 3


def test_waiting_in_our_own_queue_is_not_counted_against_the_deadline():
    model = stack(Fake(lambda request: time.sleep(0.05) or "x"), concurrency=1, deadline=0.3, retries=0)
    assert [answer.text for answer in model.complete([ask("a")] * 12)] == ["x"] * 12


# -- keys --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "key sk-proj-abcDEF123456789",
        "Authorization: Bearer abc.def-123456",
        '{"api_key": "abcdef123456"}',
        "x-api-key=abcdef123456",
        "AIzaSyA-abcdefghijklmnop1234",
        "gsk_abcdefgh12345",
    ],
)
def test_what_looks_like_a_key_is_removed(text):
    cleaned = redact(text)
    assert "[key]" in cleaned
    assert not any(part in cleaned for part in ("abcDEF", "abc.def", "abcdef", "abcdefgh"))


def test_a_secret_shows_itself_nowhere():
    secret = Secret("planted-key-value")
    assert "planted" not in f"{secret} {secret!r} {[secret]} {secret.redact('it is planted-key-value')}"
    assert secret.reveal() == "planted-key-value"


def test_ordinary_text_is_left_alone():
    for text in (
        "the task-oriented risk-averse answer",
        "ask-me-anything is a skill",
        "max_tokens=5 is too small",
        "the key to the answer",
    ):
        assert redact(text) == text
    assert without_secrets({"max_tokens": 5, "token": "x", "headers": {}, "top_k": 1, "API_KEY": "x"}) == {"max_tokens": 5, "top_k": 1}
    assert shorten("a " * 500).endswith("…")
