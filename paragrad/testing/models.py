"""check_model: what every model backend must do, for plug-in authors too."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from paragrad.errors import ModelError
from paragrad.llm.stack import stack
from paragrad.llm.types import Request, Response
from paragrad.protocols.model import LanguageModel


def check_model(
    make: Callable[[], LanguageModel], prompts: Sequence[str] = ("Say one.", "Say two.", "Say three."), *, max_tokens: int = 32
) -> None:
    """Check the laws of a backend.

    One answer per request, in order; failures are values; the answer is text with finish and usage and
    survives JSON; ``identity`` is stable text and no key is shown; two threads do not disturb each
    other; it can be stacked.

    Args:
        make: a new backend, or a stacked model; asked ``len(prompts)`` questions a few times.
        prompts: texts it can answer.
        max_tokens: for every request.

    Raises:
        AssertionError: names the law that is broken.
    """
    model = make()
    requests = [Request([{"role": "user", "content": prompt}], max_tokens=max_tokens) for prompt in prompts]
    _law(isinstance(model, LanguageModel), "a backend has complete(requests)")
    _law(model.complete([]) == [], "no request, no answer")
    answers = model.complete(list(requests))
    _check_answers(answers, len(requests))
    _law(requests == [replace(request) for request in requests], "requests are not changed")
    _check_names(model, make())
    _check_threads(model, requests)
    stacked: Any = model if hasattr(model, "wire") else stack(model, cache=False, retries=0)
    _check_answers(stacked.complete(requests), len(requests))


def _law(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(f"check_model: {text}")


def _check_answers(answers: Any, count: int) -> None:
    _law(isinstance(answers, list) and len(answers) == count, f"complete() gives a list of {count} answers for {count} requests")
    for answer in answers:
        _law(isinstance(answer, (Response, ModelError)), f"an answer is a Response or a ModelError, not {type(answer).__name__}")
        if isinstance(answer, Response):
            _check_response(answer)


def _check_response(response: Response) -> None:
    _law(isinstance(response.text, str), "text is a str")
    response.text.encode()
    _law(isinstance(response.finish, str) and bool(response.finish), "finish says why the answer ended")
    usage = response.usage
    _law(usage.input_tokens >= 0 and usage.output_tokens >= 0, "usage counts from 0")
    _law(usage.usd is None or usage.usd >= 0, "usd is None when unknown, never negative")
    again = Response.from_json(json.loads(json.dumps(response.to_json())))
    _law(again.text == response.text and again.usage == usage, "a response survives JSON")


def _check_names(one: Any, other: Any) -> None:
    identity = getattr(one, "identity", None)
    _law(isinstance(identity, str) and bool(identity), "identity is text that names model and version in digests")
    _law(identity == other.identity, "two backends made alike have the same identity")
    _law(isinstance(getattr(one, "name", None), str), "name is text for people")


def _check_threads(model: LanguageModel, requests: list[Request]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        for answers in pool.map(lambda _: model.complete(list(requests)), range(4)):
            _check_answers(answers, len(requests))
