"""Law: whatever a server does, a call ends at its deadline with a right answer or a classified error, and shows no key."""

from __future__ import annotations

import io
import logging
import threading
import time
import traceback

import pytest

from paragrad.errors import (
    AuthenticationFailed,
    BadRequest,
    BadResponse,
    DeadlineExceeded,
    ModelError,
    NotConnected,
    RateLimited,
    ServerFailed,
)
from paragrad.llm import OpenAICompatible, Request, Response, connect, stack
from paragrad.testing.wire import FaultServer, refused_url
from paragrad.testing.wire_faults import ANSWER, FAULTS

KEY = "sk-planted-0123456789abcdef"

RIGHT = {"ok", "ok content parts", "ok echoes the key", "ok other finish", "ok without usage", "ok wrong content type"}
RIGHT |= {"400 only max_completion_tokens"}
STREAMS = sorted(name for name in FAULTS if name.startswith("stream"))
PLAIN = sorted(set(FAULTS) - set(STREAMS))

EXPECTED = {
    "200 array": BadResponse,
    "200 choices empty": BadResponse,
    "200 choices null": BadResponse,
    "200 choices of text": BadResponse,
    "200 content null": BadResponse,
    "200 content number": BadResponse,
    "200 cut": ServerFailed,
    "200 cut, connection reset": ServerFailed,
    "200 duplicate keys": BadResponse,
    "200 empty": BadResponse,
    "200 error object": ServerFailed,
    "200 error text": BadResponse,
    "200 finish null": BadResponse,
    "200 html": BadResponse,
    "200 huge": BadResponse,
    "200 invalid utf-8": BadResponse,
    "200 lone surrogate": BadResponse,
    "200 message null": BadResponse,
    "200 nan": BadResponse,
    "200 not gzip": ServerFailed,
    "200 tool arguments cut": BadResponse,
    "200 tool without a name": BadResponse,
    "200 truncated JSON": BadResponse,
    "302 elsewhere": NotConnected,
    "307 elsewhere": NotConnected,
    "400 context length": BadRequest,
    "401": AuthenticationFailed,
    "401 echoes the key": AuthenticationFailed,
    "402": RateLimited,
    "403": AuthenticationFailed,
    "404 model": NotConnected,
    "408": ServerFailed,
    "413": BadRequest,
    "422": BadRequest,
    "429": RateLimited,
    "429 retry later": RateLimited,
    "429 retry now": RateLimited,
    "429 retry on a date": RateLimited,
    "429 without money": RateLimited,
    "500": ServerFailed,
    "502 empty": ServerFailed,
    "503 html": ServerFailed,
    "529": ServerFailed,
    "hang": DeadlineExceeded,
    "reset": ServerFailed,
    "slow body": DeadlineExceeded,
    "slow headers": DeadlineExceeded,
}


@pytest.fixture(scope="module", autouse=True)
def _sdk_loaded() -> None:
    import openai  # noqa: F401  its import takes longer than the deadlines here


@pytest.fixture
def log():
    """Everything that any library logs."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


def ask(*script: str, deadline: float = 0.6, stream: bool = False, retries: int = 0):
    with FaultServer(*script) as server:
        wire = OpenAICompatible("test", server.url, api_key=KEY)
        model = stack(wire, deadline=deadline, retries=retries, backoff=0.01, cache=False)
        request = Request([{"role": "user", "content": "2+2?"}], max_tokens=20)
        try:
            if stream:
                answer = model.stream(request)
                text = "".join(answer)
                answer = answer.response
                assert text == answer.text
            else:
                (answer,) = model.complete([request])
        except ModelError as error:
            answer = error
        finally:
            model.close()
    return answer, server


def everything_said(answer: Response | ModelError) -> str:
    if isinstance(answer, Response):
        return f"{answer!r}"
    return f"{answer!r} {''.join(traceback.format_exception(answer))} {answer.__cause__!r} {answer.__context__!r}"


@pytest.mark.parametrize("fault", PLAIN)
def test_a_fault_is_classified_in_time_and_shows_no_key(fault, log):
    waits = EXPECTED.get(fault) is DeadlineExceeded
    started = time.monotonic()
    answer, _server = ask(fault, deadline=0.6 if waits else 60)  # what answers at all must not be late on a busy machine
    assert time.monotonic() - started < 25, "hangs past its deadline"  # a hang would last 30 s or more
    if fault in RIGHT:
        assert isinstance(answer, Response), answer
        assert answer.text == ANSWER
    else:
        assert type(answer) is EXPECTED[fault], repr(answer)
    assert KEY not in everything_said(answer)
    assert KEY not in log.getvalue()
    assert KEY[3:] not in everything_said(answer) + log.getvalue()


@pytest.mark.parametrize("fault", STREAMS)
def test_a_broken_stream_is_no_answer(fault):
    answer, _ = ask(fault, stream=True)
    assert isinstance(answer, (ServerFailed, BadResponse)), repr(answer)


@pytest.mark.parametrize("fault", ["200 cut", "200 html", "401", "429", "500", "hang", "reset", "slow headers"])
def test_a_streamed_call_fails_like_any_other(fault):
    answer, _ = ask(fault, stream=True)
    assert isinstance(answer, ModelError)
    assert KEY not in everything_said(answer)


def test_a_whole_stream_is_the_answer():
    answer, server = ask("ok", stream=True, deadline=20)
    assert (answer.text, answer.finish) == (ANSWER, "stop")
    assert server.requests[0][2]["stream_options"] == {"include_usage": True}


def test_a_stream_that_spoke_is_not_repeated():
    answer, server = ask("stream cut", "ok", stream=True, retries=3, deadline=20)
    assert isinstance(answer, ServerFailed)
    assert len(server.requests) == 1


def test_nothing_listens():
    (answer,) = stack(OpenAICompatible("test", refused_url(), api_key=KEY), deadline=2, cache=False).complete(
        [Request([{"role": "user", "content": "?"}])]
    )
    assert type(answer) is NotConnected
    assert "is the server running" in str(answer)


@pytest.mark.parametrize("fault", sorted(name for name, kind in EXPECTED.items() if kind in (ServerFailed, BadResponse, RateLimited)))
def test_transient_faults_are_asked_again(fault):
    if fault in ("402", "429 without money", "429 retry later", "429 retry on a date"):
        answer, server = ask(fault, "ok", retries=2)
        assert isinstance(answer, RateLimited)
        assert len(server.requests) == 1
        return
    answer, server = ask(fault, "ok", retries=2, deadline=5)
    assert isinstance(answer, Response), repr(answer)
    assert answer.text == ANSWER
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", ["400 context length", "401", "403", "404 model", "413", "422", "307 elsewhere"])
def test_permanent_faults_are_asked_once(fault):
    answer, server = ask(fault, "ok", retries=4)
    assert isinstance(answer, ModelError)
    assert not answer.retryable
    assert len(server.requests) == 1


def test_a_server_that_went_away_is_no_missing_connection():
    with FaultServer("ok") as server:
        wire = OpenAICompatible("test", server.url)
        request = Request([{"role": "user", "content": "?"}])
        assert isinstance(wire.complete([request])[0], Response)
    (answer,) = wire.complete([request])
    assert type(answer) is ServerFailed
    wire.close()


def test_the_name_of_the_token_limit_is_learnt_once():
    with FaultServer("400 only max_completion_tokens") as server:
        wire = OpenAICompatible("test", server.url)
        request = Request([{"role": "user", "content": "?"}], max_tokens=5)
        assert all(isinstance(wire.complete([request])[0], Response) for _ in range(2))
        wire.close()
    assert ["max_tokens" in body for _, _, body in server.requests] == [True, False, False]


def test_a_redirect_sends_the_prompt_nowhere():
    with FaultServer("ok") as other:
        answer, _ = ask(lambda connection: connection.reply("", 307, headers={"location": f"{other.url}/chat/completions"}))
    assert isinstance(answer, NotConnected)
    assert other.requests == []


def test_the_account_is_not_sent_to_strangers(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    _, server = ask("ok", deadline=20)
    assert "org-secret" not in str(server.requests[0][1])
    assert server.requests[0][1]["authorization"] == f"Bearer {KEY}"


def test_sixty_four_at_once_over_one_server():
    with FaultServer("ok") as server:
        model = connect(f"{server.url}#test", cache=False, concurrency=64, api_key=KEY)
        answers = model.complete([Request([{"role": "user", "content": str(k)}]) for k in range(200)])
        model.close()
    assert [answer.text for answer in answers] == [ANSWER] * 200
    assert 1 < server.most_at_once <= 64


def test_the_private_thread_ends_with_close():
    before = set(threading.enumerate())
    for _ in range(3):
        ask("ok")
    made = [thread for thread in threading.enumerate() if thread not in before and thread.name == "paragrad-http"]
    for thread in made:  # close() asks it to end; it may still be on its way out
        thread.join(10)
    assert not [thread for thread in made if thread.is_alive()]


def test_an_idle_model_can_be_used_again_after_close():
    with FaultServer("ok") as server:
        model = connect(f"{server.url}#test", cache=False)
        assert model("?") == ANSWER
        model.close()
        assert model("?") == ANSWER
        model.close()


@pytest.mark.parametrize("key", ["sk-ünicode-123456", "sk-two words", "sk-new\nline"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key):
    with pytest.raises(ValueError, match="not shown here") as caught:
        OpenAICompatible("m", "http://127.0.0.1/v1", api_key=key)
    assert key[3:] not in str(caught.value)
