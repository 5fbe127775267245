"""``completion``: a language model as a distribution over answers to a prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from paragrad.errors import BadResponse, ModelError, UsageError
from paragrad.gen.distributions.base import Distribution, Gradient, plain
from paragrad.gen.distributions.categorical import pick
from paragrad.llm.current import as_model, current_model
from paragrad.llm.types import Request, Response

TOP = 20
_SEED_BITS = 31


class Completion(Distribution):
    """The answers of a language model at temperature 1, up to ``max_tokens`` tokens.

    ``gen.sample(gen.completion(model, "Which team?"), "answer")``. A value is the answer's text; its
    log density is the sum of its tokens' log-probabilities, the end's included, with the text cut into
    tokens in the model's one way. Every question goes through the model's own stack: budget, cache, record.

    Args:
        model: a model, a name for ``pg.llm.connect``, or None for the one in use (``pg.llm.use``).
        prompt: text or a Variable of it, or a list of messages.
        choices: the only possible answers; their probabilities are the model's, made to add up to 1.
        max_tokens: longest answer.
        system: text of a system message before the prompt.

    Weights need log-probabilities. A backend that scores given texts (attribute ``scores``; the
    embedded model does) gives them for every answer; one that reports top log-probabilities only
    for what it sampled itself, and for ``choices`` that differ in their first token. Without any, what
    it sampled has the log density nan: unknown.
    """

    __slots__ = ("_known", "_options", "_stacked")
    kind = "completion"
    names = ("prompt",)

    def __init__(
        self,
        model: Any,
        prompt: Any,
        *,
        choices: Sequence[str] | None = None,
        max_tokens: int = 64,
        system: str | None = None,
    ) -> None:
        self.args = (prompt,)
        self._stacked = model
        self._options = (tuple(choices) if choices is not None else None, max_tokens, system)
        self._known: dict[str, float] = {}
        if choices is not None and (not choices or isinstance(choices, str) or len(set(choices)) != len(choices)):
            raise UsageError(f"completion: choices is {choices!r:.80}; give a list of different answers")

    def with_args(self, *args: Any) -> Distribution:
        """The same model asked another prompt."""
        choices, max_tokens, system = self._options
        return type(self)(self._stacked, args[0], choices=choices, max_tokens=max_tokens, system=system)

    def sample(self, rng: Any) -> str:
        """An answer; ``rng`` seeds the model's sampling, or picks one of ``choices``.

        Raises:
            ModelError: the model gave no answer.
        """
        choices = self._options[0]
        if choices is not None:
            known = self._choice_densities(choices)
            return choices[pick(rng, [math.exp(known[choice]) for choice in choices])]
        model = self._model()
        logprobs = None if _scores(model) else 0
        (answer,) = _asked(model, [self._request(temperature=1.0, seed=rng.getrandbits(_SEED_BITS), logprobs=logprobs)])
        if logprobs is not None:
            self._known[answer.text] = _total(answer) if answer.logprobs else math.nan
        return answer.text

    def logpdf(self, value: Any) -> float:
        """Log-probability of an answer; -inf for one that cannot be.

        Raises:
            ModelError: the model gave no answer.
            UsageError: the backend has no log-probability for it; the message says what to do.
        """
        if not isinstance(value, str):
            raise self._no_value(value)
        choices = self._options[0]
        if choices is not None:
            return self._choice_densities(choices).get(value, -math.inf)
        if value not in self._known:
            self._known[value] = self._scored([value])[0]
        return self._known[value]

    def logpdf_grad(self, value: Any) -> Gradient:
        """No derivative: neither the answer nor the prompt is a number."""
        return None, (None,)

    def __repr__(self) -> str:
        return f"completion({plain(self.args)[0]!r:.60})"

    def _choice_densities(self, choices: tuple[str, ...]) -> dict[str, float]:
        if not self._known:
            found = self._scored(choices) if _scores(self._model()) else self._first_tokens(choices)
            top = max(found)
            if top == -math.inf:
                raise UsageError(f"completion: the model gives none of the choices {list(choices)!r:.80} any probability")
            total = top + math.log(sum([math.exp(x - top) for x in found]))
            self._known = {choice: x - total for choice, x in zip(choices, found, strict=True)}
        return self._known

    def _scored(self, texts: Sequence[str]) -> list[float]:
        """Each text's log-probability, all in one question to the model."""
        model = self._model()
        if not _scores(model):
            raise UsageError(
                f"{model!r} cannot score a given text ({texts[0]!r:.40}); give choices=[...] that differ in their first token, "
                "or use a backend that scores texts, such as pg.llm.connect('embedded')"
            )
        request = self._request(logprobs=0)
        answers = _asked(model, [replace(request, extra={"score": text}) for text in texts])
        return [_total(answer) if answer.text == text else -math.inf for text, answer in zip(texts, answers, strict=True)]

    def _first_tokens(self, choices: tuple[str, ...]) -> list[float]:
        """Each choice's log-probability by the first token alone; at most the least listed one where it is not listed."""
        (answer,) = _asked(self._model(), [replace(self._request(temperature=1.0, logprobs=TOP), max_tokens=1)])
        if not answer.logprobs:
            raise UsageError(f"{self._model()!r} reports no log-probabilities; completion needs them for choices=")
        top: Mapping[str, float] = answer.logprobs[0]["top"]
        sums = [sum([math.exp(top[token]) for token in top if _begins(choice, token, choices)]) for choice in choices]
        if not any(sums):
            raise UsageError(
                f"no first token of the choices {list(choices)!r:.80} is among the model's {len(top)} likeliest ({list(top)!r:.80})"
            )
        return [math.log(x) if x else min(top.values()) for x in sums]

    def _request(self, **options: Any) -> Request:
        _, max_tokens, system = self._options
        (prompt,) = plain(self.args)
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        return Request(messages, max_tokens=max_tokens, **options)

    def _model(self) -> Any:
        return current_model() if self._stacked is None else as_model(self._stacked)


def _scores(model: Any) -> bool:
    return bool(getattr(model.wire, "scores", False))


def _asked(model: Any, requests: list[Request]) -> list[Response]:
    """The answers.

    Raises:
        ModelError: the first failure.
    """
    answers: list[Response] = []
    for answer in model.complete(requests):
        if isinstance(answer, ModelError):
            raise answer
        answers.append(answer)
    return answers


def _total(answer: Response) -> float:
    if answer.logprobs is None:
        raise BadResponse(f"log-probabilities were asked for, but {answer.model or 'the model'} sent none")
    return math.fsum([token["logprob"] for token in answer.logprobs])


def _begins(choice: str, token: str, choices: tuple[str, ...]) -> bool:
    """Whether a first token means this choice.

    Raises:
        UsageError: it means several.
    """
    start = token.strip()
    meant = [other for other in choices if start and (other.startswith(start) or start.startswith(other))]
    if len(meant) > 1:
        raise UsageError(
            f"the choices {meant!r:.80} begin alike ({start!r}); a backend without scoring can tell only their first token apart"
        )
    return meant == [choice]
