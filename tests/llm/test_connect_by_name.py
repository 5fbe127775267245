"""Names lead to models, wrong names to the right spelling, missing keys to what must be set."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest

from paragrad.errors import BudgetExceeded, NotConnected, UnknownName, UsageError
from paragrad.events import on
from paragrad.llm import Fake, LanguageModel, OpenAICompatible, Replay, as_model, auto, connect, current_model, model_in_use, stack, use
from paragrad.llm.prices import FREE, Price, list_price
from paragrad.llm.providers import PROVIDERS
from paragrad.testing.wire import FaultServer

KEYS = [name for provider in PROVIDERS.values() for name in provider.key_env]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    for name in (*KEYS, "AZURE_OPENAI_ENDPOINT", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path))
    monkeypatch.setattr(auto, "PORTS", ())


NAMES = {
    "openai:gpt-5": ("openai:gpt-5@api.openai.com", "OPENAI_API_KEY"),
    "anthropic:claude-haiku-4-5": ("anthropic:claude-haiku-4-5@api.anthropic.com", "ANTHROPIC_API_KEY"),
    "google:gemini-2.5-flash": ("google:gemini-2.5-flash@generativelanguage.googleapis.com", "GEMINI_API_KEY"),
    "ollama:qwen3:8b": ("ollama:qwen3:8b@127.0.0.1:11434", None),
    "http://10.0.0.7:8000/v1#gpt-oss-20b": ("http:gpt-oss-20b@10.0.0.7:8000", None),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_leads_to_its_server_and_shows_no_key(name, monkeypatch):
    identity, variable = NAMES[name]
    if variable:
        monkeypatch.setenv(variable, "sk-planted-0123456789")
    model = connect(name)
    assert isinstance(model, LanguageModel)
    assert model.identity == identity
    assert "planted" not in f"{model!r} {model.wire!r} {vars(model.wire)!r}"


@pytest.mark.parametrize("name", [name for name, (_, variable) in NAMES.items() if variable])
def test_a_missing_key_is_named(name):
    with pytest.raises(NotConnected, match=NAMES[name][1]):
        connect(name)


def test_clouds_need_their_address():
    with pytest.raises(NotConnected, match="AZURE_OPENAI_ENDPOINT"):
        connect("azure:gpt-5", api_key="k")
    with pytest.raises(NotConnected, match="AWS_REGION"):
        connect("bedrock:openai.gpt-oss-20b", api_key="k")


def test_clouds_are_addressed_from_the_environment(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert connect("azure:gpt-5", api_key="k").wire.base_url == "https://mine.openai.azure.com/openai/v1/"
    assert connect("bedrock:m", api_key="k").wire.host == "bedrock-runtime.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("openai/gpt-5", "'openai:gpt-5'"),
        ("gpt-5-mini", "'openai:gpt-5-mini'"),
        ("opnai:gpt-5", "'openai:gpt-5'"),
        ("olama:qwen3", "'ollama:qwen3'"),
        ("gibberish", "provider:model"),
        ("", "provider:model"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(name, hint):
    with pytest.raises(UnknownName) as caught:
        connect(name)
    assert hint in str(caught.value)


@pytest.mark.parametrize("name", ["http://HOST/v1", "openai:", "replay:../../no/such/file"])
def test_half_a_name_is_refused(name):
    with pytest.raises(UsageError):
        connect(name, api_key="k")("?")


def test_any_server_by_base_url(monkeypatch):
    monkeypatch.setenv("VLLM_KEY", "k-from-environment")
    with FaultServer("ok") as server:
        model = connect(
            "org/some-model", base_url=server.url, api_key_env="VLLM_KEY", headers={"x-team": "blue"}, temperature=0, top_k=5, cache=False
        )
        assert model("?") == "four"
        model.close()
    _, headers, body = server.requests[0]
    assert (headers["authorization"], headers["x-team"]) == ("Bearer k-from-environment", "blue")
    assert (body["model"], body["temperature"], body["top_k"]) == ("org/some-model", 0, 5)
    monkeypatch.delenv("VLLM_KEY")
    with pytest.raises(NotConnected, match="VLLM_KEY"):
        connect("m", base_url=server.url, api_key_env="VLLM_KEY")


@pytest.mark.parametrize("url", ["ftp://host/v1", "host/v1", "http://", "http://user:secret@host/v1"])
def test_an_address_that_is_none_is_refused_without_showing_secrets(url):
    with pytest.raises(UsageError) as caught:
        connect("m", base_url=url)
    assert "secret" not in str(caught.value)


def test_prices_are_listed_given_free_or_unknown():
    assert connect("openai:gpt-5-mini", api_key="k").price == Price(0.25, 2.0, "list price of 2025-10")
    assert list_price("openai:gpt-5-2025-08-07") == list_price("openai:gpt-5")
    assert list_price("openai:gpt-5-codex-max") is None
    assert connect("openai:gpt-5", base_url="http://10.0.0.1/v1").price is None
    assert connect("openai:gpt-5", api_key="k", price=(1, 2)).price == Price(1, 2)
    assert connect("ollama:x").price == FREE
    assert connect("http://h/v1#m").price is None
    with pytest.raises(UsageError, match="dollars per million"):
        connect("ollama:x", price=3)


@pytest.mark.parametrize(
    "options", [{"deadline": 0}, {"concurrency": 0}, {"per_minute": -1}, {"retries": -1}, {"cache": None, "deadline": "60"}]
)
def test_limits_that_cannot_be_meant_are_refused(options):
    with pytest.raises(UsageError):
        connect("ollama:x", **options)


def test_the_fake_and_replay_by_name():
    assert connect("fake")("echo me") == "echo me"
    assert isinstance(connect("replay:3").wire, Replay)


def test_auto_takes_a_key_first_and_spends_only_within_a_budget(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    told = []
    off = on("model", told.append)
    model = connect("auto")
    off()
    assert model.name == "anthropic:claude-haiku-4-5"
    assert told[0]["why"] == "ANTHROPIC_API_KEY is set"
    with pytest.raises(BudgetExceeded, match="give a budget"):
        model("?")


def test_auto_finds_a_local_server(monkeypatch):
    def models(connection) -> None:
        if connection.path == "/v1/models":
            connection.reply({"data": [{"id": "local-model"}]})
        else:
            connection.reply({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})

    with FaultServer(models) as server:
        monkeypatch.setattr(auto, "PORTS", (server.port,))
        model = connect("auto", cache=False)
        assert model.identity == f"http:local-model@127.0.0.1:{server.port}"
        assert model("?") == "hi"
        model.close()


@pytest.mark.parametrize("fault", ["200 html", "401", "200 array", "200 empty", "reset", "200 choices null", "hang"])
def test_auto_is_not_fooled_by_other_servers(fault, monkeypatch):
    with FaultServer(fault) as server:
        monkeypatch.setattr(auto, "PORTS", (server.port,))
        with pytest.raises(NotConnected, match="no language model is connected"):
            connect("auto")


def test_nothing_connected_says_what_was_looked_for(monkeypatch):
    monkeypatch.setattr(auto, "PORTS", (11434, 8080, 8000, 1234))
    text = auto.nothing_found()
    assert text == (
        "no language model is connected\n"
        "  looked for OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY; servers on :11434 :8080 :8000 :1234\n"
        "  do one of  export OPENAI_API_KEY=… | ollama pull qwen3 | --model NAME --base-url http://HOST/v1\n"
        "  (the embedded model knows only its toy world: that is for `paragrad demo`)"
    )


def test_the_embedded_model_is_taken_only_when_allowed(monkeypatch):
    taken = auto.choose(embedded_ok=True)
    assert taken.name == "embedded"
    assert taken.needs_budget is None


def test_use_nests_and_ends():
    assert model_in_use() is None
    with pytest.raises(NotConnected, match=r"pg\.llm\.use"):
        current_model()
    inner = stack(Fake(["inner"]))
    with use("fake") as outer:
        assert current_model() is outer
        with use(inner) as taken:
            assert taken is current_model() is inner
        assert current_model() is outer
    assert model_in_use() is None


def test_what_people_give_as_a_model():
    fake = Fake(["x"])
    assert as_model(fake).wire is fake
    stacked = stack(fake)
    assert as_model(stacked) is stacked
    assert as_model(str.upper)("shout") == "SHOUT"
    assert as_model("fake")("x") == "x"
    for wrong in (3, None, Fake):
        with pytest.raises(UsageError, match="is no model"):
            as_model(wrong)
    with pytest.raises(UsageError, match="stacked already"):
        stack(stacked)
    assert copy.deepcopy({"model": stacked})["model"] is stacked
    with pytest.raises(TypeError, match=r"pg\.llm\.Request"):
        stacked.complete(["text"])


def test_importing_loads_no_third_party_module():
    late = "{'openai', 'httpx', 'httpx2', 'numpy', 'pydantic', 'asyncio', 'sqlite3'}"
    code = f"import sys, paragrad.llm; print(sorted({{m.split('.')[0] for m in sys.modules}} & {late}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_table_of_providers_is_sorted():
    assert list(PROVIDERS) == sorted(PROVIDERS)
    assert isinstance(connect("ollama:x").wire, OpenAICompatible)
