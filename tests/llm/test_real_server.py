"""A server that somebody else wrote: ``transformers serve``, on a model with random weights made here.

Runs where ``transformers[serving]`` is installed; ``make peer-server`` installs it beside this
environment and runs this file. Nothing is downloaded: model and tokenizer are made in code and laid
where the server looks for downloaded ones.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import BadRequest
from paragrad.llm import BudgetLedger, auto
from paragrad.testing.models import check_model

pytest.importorskip("transformers", reason="transformers[serving] is not installed: make peer-server installs it beside this environment")
pytest.importorskip("uvicorn", reason="transformers[serving] is not installed: make peer-server installs it beside this environment")

NAME = "paragrad/random"
START_SECONDS = 400  # it loads torch; on a busy machine that takes minutes
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"


@dataclass
class Peer:
    """A running server and the folder of its model."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


def make_model(folder: Path) -> None:
    """A Llama of one layer with random weights, and a tokenizer of bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {token: k for k, token in enumerate(["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    bytes_only = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_only, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=1024, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    home = tmp_path_factory.mktemp("hf")
    commit = "0" * 40
    cached = home / "hub" / f"models--{NAME.replace('/', '--')}"
    folder = cached / "snapshots" / commit
    folder.mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    make_model(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [
        str(Path(sys.executable).parent / "transformers"),
        "serve",
        NAME,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--device",
        "cpu",
    ]
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server:
        try:
            wait_for(port, server, home / "log")
            yield Peer(port, folder)
        finally:
            server.terminate()


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server says that it is well."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()
    raise AssertionError(f"transformers serve did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def model(peer: Peer) -> Iterator[Any]:
    made = pg.llm.connect(f"{peer.url}#{NAME}", cache=False, retries=1, max_tokens=8, temperature=0)
    yield made
    made.close()


def test_its_models_are_listed(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert auto.first_model(peer.port, 5.0) == NAME
    for provider in auto.PROVIDERS.values():
        for key in provider.key_env:
            monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(auto, "PORTS", (peer.port,))
    assert auto.choose(seconds=5.0).name == f"{peer.url}#{NAME}"


def test_it_answers_what_its_model_says(peer: Peer, model: Any) -> None:
    from transformers import AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(peer.folder)
    prompt = tokenizer("user: hello\nassistant: ", return_tensors="pt")
    said = LlamaForCausalLM.from_pretrained(peer.folder).generate(**prompt, max_new_tokens=8, do_sample=False)[
        0, prompt["input_ids"].shape[1] :
    ]
    (answer,) = model.complete([pg.llm.Request([{"role": "user", "content": "hello"}])])
    assert isinstance(answer, pg.llm.Response), answer
    assert answer.text == tokenizer.decode(said, skip_special_tokens=True)
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.finish) == (prompt["input_ids"].shape[1], 8, "length")
    assert not answer.simulated


def test_the_kit_accepts_it(peer: Peer) -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(pg.llm.OpenAICompatible(NAME, peer.url))
        return made[-1]

    check_model(make, max_tokens=4)
    for wire in made:
        wire.close()


def test_its_stream_is_the_same_answer(model: Any) -> None:
    whole = model("hello")
    stream = model.stream("hello")
    pieces = list(stream)
    assert len(pieces) > 1
    assert "".join(pieces) == stream.response.text == whole
    assert stream.response.usage.output_tokens == 8


def test_a_model_it_does_not_have_is_refused_in_its_own_words(peer: Peer) -> None:
    other = pg.llm.connect(f"{peer.url}#no/such-model", cache=False, max_tokens=4)
    with pytest.raises(BadRequest, match="no/such-model") as caught:
        other("hello")
    other.close()
    assert caught.value.status == 400


def test_a_program_is_measured_on_it_and_the_budget_counts_its_tokens(model: Any) -> None:
    program = pg.Generator("Answer.", inputs=["question"])
    rows = [{"question": f"q{k}", "target": "x"} for k in range(3)]
    result = pg.evaluate(program, pg.data.rows(rows), metric="exact_match", model=model)
    assert (result.score, result.spent["calls"]) == (0.0, 3)
    assert 0 < result.spent["output_tokens"] <= 3 * 8


def test_a_wrapped_client_is_counted_on_it(peer: Peer) -> None:
    import openai

    ledger = BudgetLedger("3 calls")
    asked: Any = {"model": NAME, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8, "temperature": 0}
    with pg.llm.wrap(openai.OpenAI(base_url=peer.url, api_key="none"), cache=False) as client, scope(Scope(Coordinate(), ledger=ledger)):
        whole = client.chat.completions.create(**asked).choices[0].message.content
        pieces = client.chat.completions.create(**asked, stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == whole
    assert (ledger.total.calls, ledger.total.tokens) == (2, 2 * (len("user: hello\nassistant: ") + 8))
