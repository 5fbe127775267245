"""A language model as a distribution: what it samples, what that weighs, and what a backend must know for it."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import BadRequest, UsageError
from paragrad.llm import Request, Response

PROMPT = "How many legs does a spider have?"


@pytest.fixture(scope="module")
def model() -> pg.llm.LanguageModel:
    return pg.llm.connect("embedded", cache=False)


def test_the_score_of_a_text_is_the_product_of_its_tokens(model: pg.llm.LanguageModel) -> None:
    (greedy,) = model.complete([Request([{"role": "user", "content": PROMPT}], logprobs=0, max_tokens=64)])
    scored = gen.completion(model, PROMPT).logpdf(greedy.text)
    written = sum(token["logprob"] for token in greedy.logprobs)
    assert -5.0 < scored - written <= 0.0  # the end of the text is one token more
    assert gen.completion(model, PROMPT).logpdf(greedy.text) == scored
    assert gen.completion(model, PROMPT).logpdf("zebra zebra zebra") < scored - 5


def test_the_score_is_the_network_s_own(model: pg.llm.LanguageModel) -> None:
    """One forward pass over prompt and answer gives the same number."""
    from paragrad.llm.embedded.chat import encode_chat
    from paragrad.llm.embedded.network import Network
    from paragrad.llm.embedded.sampling import log_softmax
    from paragrad.llm.embedded.tokenizer import Tokenizer
    from paragrad.llm.embedded.weights import load

    weights = load()
    tokenizer = Tokenizer(weights.vocabulary)
    prompt, answer = encode_chat(tokenizer, [{"role": "user", "content": PROMPT}]), [*tokenizer.encode("A spider."), tokenizer.end]
    logits = Network(weights).all_logits(np.array([*prompt, *answer]))
    expected = sum(log_softmax(logits[len(prompt) + i - 1])[token] for i, token in enumerate(answer))
    assert gen.completion(model, PROMPT).logpdf("A spider.") == pytest.approx(expected, rel=1e-12)
    assert gen.completion(model, PROMPT, max_tokens=1).logpdf("A spider.") == -math.inf


def test_choices_share_all_the_probability(model: pg.llm.LanguageModel) -> None:
    choices = ["six", "eight", "eight legs"]
    asked = gen.completion(model, PROMPT, choices=choices)
    assert sum(math.exp(asked.logpdf(choice)) for choice in choices) == pytest.approx(1.0)
    free = gen.completion(model, PROMPT)
    assert asked.logpdf("six") - asked.logpdf("eight") == pytest.approx(free.logpdf("six") - free.logpdf("eight"))
    assert asked.logpdf("seven") == -math.inf
    assert asked.sample(Random(0)) in choices


def test_a_constrained_answer_has_its_weight(model: pg.llm.LanguageModel) -> None:
    @gen.generative
    def ask(question: str) -> str:
        return gen.sample(gen.completion(model, question, choices=["yes", "no"]), "answer")

    trace, weight = gen.generate(ask, (PROMPT,), {"answer": "no"})
    assert trace.retval == "no"
    assert weight == trace.score == gen.completion(model, PROMPT, choices=["yes", "no"]).logpdf("no")
    with gen.seed(3):
        drawn = gen.simulate(ask, (PROMPT,))
    assert drawn["answer"] in ("yes", "no")


def test_samples_follow_the_seed(model: pg.llm.LanguageModel) -> None:
    asked = gen.completion(model, PROMPT, system="Answer briefly.")
    assert asked.sample(Random(4)) == asked.sample(Random(4))
    assert len({asked.sample(Random(seed)) for seed in range(6)}) > 1


def test_the_call_goes_through_the_model_s_stack() -> None:
    asked: list[Request] = []

    class Backend:
        name = "scorer"
        scores = True

        def complete(self, requests: list[Request]) -> list[Response]:
            asked.extend(requests)
            return [Response(r.extra["score"], logprobs=[{"token": "t", "logprob": -1.5, "top": {}}] * 2) for r in requests]

    with pg.llm.use(pg.llm.stack(Backend(), cache=False)):
        assert gen.completion(None, pg.Variable("Which?")).logpdf("a") == -3.0
    assert asked[0].messages == [{"role": "user", "content": "Which?"}]
    assert asked[0].extra == {"score": "a"}


def test_a_backend_with_top_probabilities_tells_choices_apart_by_their_first_token() -> None:
    top = {"yes": math.log(0.5), " Yes": math.log(0.1), "no": math.log(0.2), "ye": math.log(0.05)}

    def answer(request: Request) -> Response:
        return Response("yes", logprobs=[{"token": "yes", "logprob": top["yes"], "top": top}])

    fake = pg.llm.Fake(answer)
    asked = gen.completion(fake, "Well?", choices=["yes", "no"])
    assert math.exp(asked.logpdf("yes")) == pytest.approx(0.55 / 0.75)
    assert gen.completion(fake, "Well?").sample(Random(0)) == "yes"
    with pytest.raises(UsageError, match="begin alike"):
        gen.completion(fake, "Well?", choices=["yes", "yesterday"]).logpdf("yes")
    with pytest.raises(UsageError, match="among the model's 4 likeliest"):
        gen.completion(fake, "Well?", choices=["red", "blue"]).logpdf("red")


def test_a_backend_without_probabilities_can_sample_only() -> None:
    fake = pg.llm.Fake(lambda request: "hello")
    asked = gen.completion(fake, "Well?")
    assert asked.sample(Random(0)) == "hello"
    assert math.isnan(asked.logpdf("hello"))
    with pytest.raises(UsageError, match=r"cannot score a given text \('bye'\); give choices="):
        asked.logpdf("bye")
    with pytest.raises(UsageError, match="reports no log-probabilities"):
        gen.completion(fake, "Well?", choices=["a", "b"]).sample(Random(0))


def test_a_text_to_score_must_be_text(model: pg.llm.LanguageModel) -> None:
    (answer,) = model.complete([Request([{"role": "user", "content": PROMPT}], extra={"score": 3})])
    assert isinstance(answer, BadRequest)
    assert "must be the text to score" in str(answer)


def test_failures_are_raised_and_wrong_arguments_named() -> None:
    failing = pg.llm.Fake(lambda request: BadRequest("no"))
    with pytest.raises(BadRequest):
        gen.completion(failing, "Well?").sample(Random(0))
    with pytest.raises(UsageError, match="list of different answers"):
        gen.completion(failing, "Well?", choices=["a", "a"])
    with pytest.raises(UsageError, match="cannot be a value of completion"):
        gen.completion(failing, "Well?").logpdf(3)
