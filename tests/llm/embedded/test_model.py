"""Sampling, stop, log-probabilities, usage, threads, errors; and how well the model counts."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from paragrad.errors import BadRequest, ModelError
from paragrad.llm.embedded import EmbeddedModel
from paragrad.llm.embedded.phrases import BANK, STYLES
from paragrad.llm.embedded.questions import counting, exact, final_answer
from paragrad.llm.types import Request, Response

SHOTS = (
    (
        "Two hats, three vans, a cap. How many vehicles?",
        "2 hats: garment, vehicle 0. 3 vans: vehicle, vehicle 3. 1 cap: garment, vehicle 3.\n3",
    ),
    ("Two owls, a rose, four ducks. Count the birds.", "2 owls: bird, bird 2. 1 rose: flower, bird 2. 4 ducks: bird, bird 6.\n6"),
    ("Find the total of tools. A saw, two cats, three axes.", "1 saw: tool, tool 1. 2 cats: animal, tool 1. 3 axes: tool, tool 4.\n4"),
)


def request(question: str, *phrases: str, demos: int = 0, **options: object) -> Request:
    messages: list[dict[str, str]] = [{"role": "system", "content": " ".join(phrases)}] if phrases else []
    for asked, answer in SHOTS[:demos]:
        messages += [{"role": "user", "content": f"Question: {asked}"}, {"role": "assistant", "content": answer}]
    return replace(Request([*messages, {"role": "user", "content": f"Question: {question}"}]), **options)  # type: ignore[arg-type]


def answer(model: EmbeddedModel, asked: Request) -> Response:
    (got,) = model.complete([asked])
    assert isinstance(got, Response), got
    return got


QUESTION = "Two apples, a chair, three pears. How many fruits?"
STEPS = ("Think in steps.", STYLES["number"])


def test_importing_the_package_imports_no_numpy() -> None:
    code = "import sys; from paragrad.llm.embedded import EmbeddedModel, questions; EmbeddedModel()\nassert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_greedy_is_the_default_and_repeats(model: EmbeddedModel) -> None:
    first = answer(model, request(QUESTION, *STEPS))
    again = [answer(EmbeddedModel(), request(QUESTION, *STEPS)), answer(model, request(QUESTION, *STEPS, temperature=0.0, seed=3))]
    assert [r.text for r in again] == [first.text] * 2
    assert first.model == "embedded"
    assert first.usage.usd == 0.0
    assert not first.simulated


def test_answers_do_not_depend_on_company(model: EmbeddedModel) -> None:
    asked = [request(question, *STEPS, demos=n % 4, temperature=0.8, seed=n) for n, (question, _) in enumerate(counting(40))]
    together = [r.text for r in model.complete(asked) if isinstance(r, Response)]
    assert together == [answer(model, each).text for each in asked]


def test_sampling_follows_the_seed(model: EmbeddedModel) -> None:
    drawn = [answer(model, request(QUESTION, temperature=1.5, seed=seed, n=4)) for seed in (1, 1, 2)]
    assert drawn[0].texts == drawn[1].texts
    assert len(set(drawn[0].texts) | set(drawn[2].texts)) > 1
    assert len(drawn[0].texts) == 4
    assert drawn[0].text == drawn[0].texts[0]


def test_stop_and_length(model: EmbeddedModel) -> None:
    whole = answer(model, request(QUESTION, *STEPS, demos=3))
    assert "\n" in whole.text
    cut = answer(model, request(QUESTION, *STEPS, demos=3, stop=("\n",)))
    assert cut.text == whole.text.split("\n")[0]
    assert cut.finish == "stop"
    short = answer(model, request(QUESTION, *STEPS, demos=3, max_tokens=4))
    assert short.finish == "length"
    assert short.usage.output_tokens == 4
    assert whole.text.startswith(short.text)


def test_logprobs_are_of_the_text(model: EmbeddedModel) -> None:
    got = answer(model, request(QUESTION, *STEPS, logprobs=3))
    assert got.logprobs is not None
    assert len(got.logprobs) == got.usage.output_tokens
    for record in got.logprobs:
        assert record["logprob"] <= 0
        assert len(record["top"]) == 3
        assert record["logprob"] == max(record["top"].values())
        assert sum(math.exp(value) for value in record["top"].values()) <= 1 + 1e-9
    assert answer(model, request(QUESTION)).logprobs is None


def test_usage_counts_prompt_tokens(model: EmbeddedModel) -> None:
    one = answer(model, request(QUESTION)).usage.input_tokens
    assert answer(model, request(QUESTION, "Be brief.")).usage.input_tokens == one + 1 + model.count("Be brief.")


@pytest.mark.parametrize(
    "bad",
    [
        Request([]),
        Request([{"role": "user", "content": "a"}], temperature=9.0),
        Request([{"role": "user", "content": "a"}], max_tokens=0),
        Request([{"role": "user", "content": "a"}], n=0),
        Request([{"role": "user", "content": "a"}], logprobs=99),
        Request([{"role": "user", "content": "a"}], tools=[{"name": "t"}]),
        Request([{"role": "user", "content": "apple " * 2000}]),
    ],
)
def test_a_bad_request_is_returned_and_harms_no_other(model: EmbeddedModel, bad: Request) -> None:
    good = request(QUESTION)
    before, error, after = model.complete([good, bad, good])
    assert isinstance(error, BadRequest)
    assert not error.retryable
    assert isinstance(before, Response)
    assert before == after


def test_many_threads_get_their_own_answers(model: EmbeddedModel) -> None:
    asked = [request(question, temperature=1.0, seed=n, max_tokens=20) for n, (question, _) in enumerate(counting(48, seed=5))]
    alone = [answer(model, each).text for each in asked]
    fresh, got = EmbeddedModel(), [""] * len(asked)

    def work(first: int) -> None:
        for number in range(first, len(asked), 12):
            got[number] = answer(fresh, asked[number]).text

    threads = [threading.Thread(target=work, args=(first,)) for first in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == alone


def test_blas_threads_are_given_back(model: EmbeddedModel) -> None:
    from paragrad.llm.embedded import blas

    before, inside = blas.threads(), []
    model.stream(request(QUESTION, max_tokens=3), lambda index, text: inside.append(blas.threads()))
    assert blas.threads() == before
    assert set(inside) <= {1, None}


def test_strange_text_is_answered(model: EmbeddedModel) -> None:
    strange = ["", "   ", "<bot> <end> <pad>", "日本語 🍎", "\x00\x1f", "9" * 60, "{" * 50]
    for got in model.complete([Request([{"role": "user", "content": text}], max_tokens=8) for text in strange]):
        assert isinstance(got, Response), got


def test_counting_splits_share_nothing() -> None:
    parts = {split: {question for question, _ in counting(200, 1, split=split)} for split in ("train", "validation", "test")}
    assert all(len(part) == 200 for part in parts.values())
    assert not parts["train"] & parts["test"]
    assert not parts["validation"] & parts["test"]
    assert counting(5, 1, split="test") == counting(5, 1, split="test")
    with pytest.raises(ValueError, match="split"):
        counting(1, split="model")


def test_final_answer_is_the_last_line() -> None:
    assert final_answer("2 apples: fruit, 2.\n 5 \n\n") == "5"
    assert exact("x\n5", 5)
    assert not exact("There are 5 fruits.", 5)
    assert final_answer("") == ""


def test_the_bank_is_large_and_without_doubles() -> None:
    assert len(BANK) >= 80
    assert len(set(BANK)) == len(BANK)
    assert {"number", "word", "sentence", "tag", "json"} <= set(STYLES)


def share(model: EmbeddedModel, *phrases: str, demos: int = 0) -> float:
    rows = counting(100, seed=7, split="test")
    replies: list[Response | ModelError] = model.complete([request(question, *phrases, demos=demos) for question, _ in rows])
    return sum(isinstance(r, Response) and exact(r.text, wanted) for r, (_, wanted) in zip(replies, rows, strict=True)) / len(rows)


def test_the_plain_prompt_is_poor_and_the_best_is_good(model: EmbeddedModel) -> None:
    plain = share(model, "Answer the question.")
    steps = share(model, "Answer the question.", "Think in steps.", STYLES["number"])
    best = share(model, "Answer the question.", "Think in steps.", STYLES["number"], demos=3)
    contradicted = share(model, "Think in steps.", "Answer at once.", STYLES["number"])
    assert plain <= 0.25
    assert best >= 0.93
    assert plain + 0.2 < steps < best
    assert contradicted < steps - 0.2
