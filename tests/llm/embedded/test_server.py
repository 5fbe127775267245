"""The loopback server over real HTTP: with the openai client where it is installed, and by hand."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from paragrad.llm.embedded import EmbeddedModel
from paragrad.llm.embedded.server import RunningServer, serve
from paragrad.llm.types import Request, Response

MESSAGES = [
    {"role": "system", "content": "Think in steps. Answer with a number only."},
    {"role": "user", "content": "Question: Two apples, a chair, three pears. How many fruits are there?"},
]


@pytest.fixture(scope="module")
def server(model: EmbeddedModel) -> Iterator[RunningServer]:
    with serve(model=model) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Any]:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as made:
        yield made


def post(server: RunningServer, body: bytes, **headers: str) -> tuple[int, Any]:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("POST", "/v1/chat/completions", body, headers)
    response = connection.getresponse()
    found = response.status, json.loads(response.read())
    connection.close()
    return found


def test_models_are_listed(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["embedded"]
    assert client.models.retrieve("embedded").owned_by == "paragrad"


def test_a_completion_is_the_model_s(client: Any, model: EmbeddedModel) -> None:
    (direct,) = model.complete([Request(MESSAGES, logprobs=2)])
    assert isinstance(direct, Response)
    got = client.chat.completions.create(model="embedded", messages=MESSAGES, logprobs=True, top_logprobs=2)
    assert got.choices[0].message.content == direct.text
    assert got.choices[0].finish_reason == "stop"
    assert got.usage.total_tokens == direct.usage.tokens
    assert len(got.choices[0].logprobs.content) == direct.usage.output_tokens
    assert len(got.choices[0].logprobs.content[0].top_logprobs) == 2


def test_n_seed_stop_and_max_tokens(client: Any) -> None:
    def ask(**options: Any) -> list[tuple[str, str]]:
        got = client.chat.completions.create(model="embedded", messages=MESSAGES, **options)
        return [(choice.message.content, choice.finish_reason) for choice in got.choices]

    assert ask(n=3, seed=5, temperature=1.3) == ask(n=3, seed=5, temperature=1.3)
    assert all("2" not in text for text, _ in ask(stop=["2"]))
    assert ask(max_tokens=3)[0][1] == "length"
    assert ask(max_completion_tokens=3) == ask(max_tokens=3)


@pytest.mark.parametrize("stop", [None, [". 1", "\n"]])
def test_a_stream_adds_up_to_the_answer(client: Any, stop: list[str] | None) -> None:
    options: dict[str, Any] = {"model": "embedded", "messages": MESSAGES, "n": 2, "temperature": 0.7, "seed": 1, "stop": stop}
    whole = client.chat.completions.create(**options)
    texts, finishes, usage = ["", ""], [None, None], None
    for event in client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True}):
        usage = event.usage or usage
        for choice in event.choices:
            texts[choice.index] += choice.delta.content or ""
            finishes[choice.index] = choice.finish_reason or finishes[choice.index]
    assert texts == [choice.message.content for choice in whole.choices]
    assert finishes == [choice.finish_reason for choice in whole.choices]
    assert usage == whole.usage


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"model": "gpt-9", "messages": []}', 404),
        (b'{"model": "embedded", "messages": []}', 400),
        (b'{"model": "embedded", "messages": [3]}', 400),
        (b'{"model": "embedded", "messages": [{"role": "user", "content": "a"}], "temperature": "hot"}', 400),
        (b'{"model": "embedded", "messages": [{"role": "user", "content": "a"}], "n": true}', 400),
        (b'{"model": "embedded", "messages": [{"role": "user", "content": "a"}], "stop": [1]}', 400),
        (b'{"model": "embedded", "messages": [], "stream": true}', 400),
    ],
)
def test_errors_are_json(server: RunningServer, body: bytes, status: int) -> None:
    found, answer = post(server, body)
    assert found == status
    assert answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"


def test_a_foreign_host_is_refused(server: RunningServer) -> None:
    assert post(server, json.dumps({"model": "embedded", "messages": MESSAGES}).encode(), Host="evil.example")[0] == 403


def test_an_unknown_path_is_a_404(server: RunningServer) -> None:
    connection = http.client.HTTPConnection(server.host, server.port)
    connection.request("GET", "/etc/passwd")
    assert connection.getresponse().status == 404
    connection.close()


def test_a_closed_server_is_gone(model: EmbeddedModel) -> None:
    running = serve(model=model)
    running.close()
    with pytest.raises(ConnectionError):
        post(running, b"{}")
