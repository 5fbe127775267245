"""The embedded model's weights as Parameters, and the two examples that train them with words."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import UsageError
from paragrad.llm.embedded.model import EmbeddedModel

torch = pytest.importorskip("torch")
EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTION = "Answer the question.\nTwo apples, a chair. How many fruits?"


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tuned() -> Any:
    return pg.ops.trainable(rank=2, layers=[4], matrices=["out"])


def answer(model: Any) -> str:
    (reply,) = model.complete([pg.llm.Request([{"role": "user", "content": QUESTION}])])
    return str(reply.text)


def test_the_loss_is_the_mean_over_tokens_whatever_the_batch(tuned: Any) -> None:
    alone = [tuned.predict(QUESTION, text) for text in ("2", "There are 2 fruits.")]
    counts = [len(tuned.module.tokenizer.encode(text)) + 1 for text in ("2", "There are 2 fruits.")]
    together = tuned.predict([QUESTION, QUESTION], ["2", "There are 2 fruits."])
    assert together == pytest.approx(np.average(alone, weights=counts), rel=1e-4)


def test_only_the_chosen_factors_are_parameters_and_a_step_lowers_the_loss(tuned: Any) -> None:
    assert list(tuned.named_parameters()) == ["layers.4.out.low", "layers.4.out.high"]
    instruction: Any = pg.Parameter("Answer the question.", name="instruction")

    def prompt() -> Any:
        return pg.format("{i}\nTwo apples, a chair. How many fruits?", i=instruction)

    with pg.overlay({}):
        loss = tuned([prompt()], ["Apples."])
        loss.backward()
        high = tuned.named_parameters()["layers.4.out.high"]
        assert np.abs(high.grad[0].value).max() > 0
        high.data = high.value - 0.05 * np.sign(high.grad[0].value)
        assert tuned.predict([prompt()], ["Apples."]) < loss.value
    loss = tuned([prompt()], ["2"])
    loss.backward("ask for the bare number")
    assert instruction.grad[0].value == "ask for the bare number"


def test_the_models_of_two_candidates_differ_and_the_first_is_the_packages(tuned: Any) -> None:
    assert answer(tuned.model()) == answer(EmbeddedModel())
    high = tuned.named_parameters()["layers.4.out.high"]
    with tuned.overlay({"layers.4.out.high": np.random.default_rng(0).normal(size=high.value.shape).astype("float32")}):
        changed = tuned.model()
    assert changed.digest != tuned.model().digest


def test_wrong_arguments_are_named(tuned: Any) -> None:
    with pytest.raises(UsageError, match=r"got \[9\]"):
        pg.ops.trainable(layers=[9])
    with pytest.raises(UsageError, match="rank is 0"):
        pg.ops.trainable(rank=0)
    with pytest.raises(UsageError, match="1 prompts but 2 answers"):
        tuned(["a"], ["b", "c"])
    with pytest.raises(UsageError, match="tokens"):
        tuned(["word " * 600], ["b"])


def test_weights_and_prompt_learn_together() -> None:
    found = example("embedded_weights").main(steps=1, test=4)
    assert found["before"] <= 0.25
    assert found.keys() >= {"after", "trained weights, first instruction", "first weights, trained instruction"}


def test_words_demos_and_numbers_learn_in_one_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path / ".paragrad"))
    result, table = example("mixed").train()
    scores = dict(table)
    assert result.significant
    assert set(result.best.changed()) == {"rate.instruction", "rate.demos", "weights", "threshold"}
    assert all(scores["as found"] > scores[name] for name in scores if name != "as found")
    assert scores["as found"] > scores["with none of them"] + 0.2
