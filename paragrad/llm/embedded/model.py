"""``EmbeddedModel``: the model as every other part of the library sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from paragrad.errors import BadRequest, Corrupted, ModelError, NotConnected
from paragrad.llm.layer import current_call
from paragrad.llm.types import Request, Response, Usage

if TYPE_CHECKING:
    from paragrad.llm.embedded.engine import Engine
    from paragrad.llm.embedded.sampling import Answer
    from paragrad.llm.embedded.tokenizer import Tokenizer
    from paragrad.llm.embedded.weights import Weights

MAX_TOKENS = 160
MOST_CHOICES = 128


class _Job:
    """Answers one caller waits for."""

    __slots__ = ("answers", "done")

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.done = False


class EmbeddedModel:
    """A small language model inside this package. It knows only its toy world (see docs/embedded-model.md).

    Weights load at first use. Threads may call ``complete`` at the same time: what arrives while a
    batch runs makes up the next batch. Answers depend on the request alone. A request without a
    temperature is answered greedily; one without a seed uses seed 0.

    Args:
        weights: other weights than the package's, for instance trained ones (``TorchModel.to_weights``).
    """

    name = "embedded"
    price = (0.0, 0.0)
    scores = True  # a request with extra={"score": text} is answered with that text and its tokens' log-probabilities, the end's included

    def __init__(self, weights: Weights | None = None) -> None:
        self._weights = weights
        self._loading = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Job] = []
        self._engine: Engine | None = None
        self._tokenizer: Tokenizer | None = None

    @property
    def digest(self) -> str:
        """sha256 of the weights."""
        return self._load()[0].network.weights.digest

    def complete(self, requests: list[Request]) -> list[Response | ModelError]:
        """Answers every request, in order. A request that cannot be answered gives its error, the others are not touched.

        A single answer that someone listens to is told token by token.
        """
        call = current_call()
        if call is not None and call.listener is not None and len(requests) == 1 and requests[0].n == 1:
            return [self._told(requests[0], call.hear)]
        try:
            engine, tokenizer = self._load()
        except Corrupted as error:
            return [NotConnected(str(error)) for _ in requests]
        prepared = [self._prepare(tokenizer, engine, request) for request in requests]
        self._run(engine, [answer for answers in prepared if not isinstance(answers, ModelError) for answer in answers])
        return [answers if isinstance(answers, ModelError) else _response(answers) for answers in prepared]

    def stream(self, request: Request, watch: Callable[[int, str], None]) -> Response:
        """Answers one request; ``watch(choice, text)`` gets each choice's text so far after every token.

        Raises:
            ModelError: the request cannot be answered.
        """
        engine, tokenizer = self._load()
        answers = self._prepare(tokenizer, engine, request)
        if isinstance(answers, ModelError):
            raise answers
        engine.run(answers, lambda answer: watch(answer.options.index, answer.text))
        return _response(answers)

    def _told(self, request: Request, hear: Callable[[str], None]) -> Response | ModelError:
        from paragrad.llm.embedded.pieces import Pieces

        pieces = Pieces(request.stop, hear)
        try:
            answer = self.stream(request, lambda _, text: pieces.grow(text))
        except Corrupted as error:
            return NotConnected(str(error))
        except ModelError as error:
            return error
        pieces.end(answer.text)
        return answer

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._load()[1].encode(text))

    def _load(self) -> tuple[Engine, Tokenizer]:
        with self._loading:
            if self._engine is None or self._tokenizer is None:
                from paragrad.llm.embedded.engine import Engine
                from paragrad.llm.embedded.network import Network
                from paragrad.llm.embedded.tokenizer import Tokenizer
                from paragrad.llm.embedded.weights import load

                weights = self._weights or load()
                tokenizer = Tokenizer(weights.vocabulary)
                self._engine, self._tokenizer = Engine(Network(weights), tokenizer.user), tokenizer
            return self._engine, self._tokenizer

    def _run(self, engine: Engine, answers: list[Answer]) -> None:
        job = _Job(answers)
        self._waiting.append(job)
        with self._turn:
            if job.done:
                return
            waiting, self._waiting = self._waiting, []
            jobs = [job, *(other for other in waiting if other is not job)]
            engine.run([answer for each in jobs for answer in each.answers])
            for each in jobs:
                each.done = True

    def _prepare(self, tokenizer: Tokenizer, engine: Engine, request: Request) -> list[Answer] | ModelError:
        from paragrad.llm.embedded.chat import encode_chat
        from paragrad.llm.embedded.sampling import Answer

        try:
            options = _check(request)
            options["forced"] = _forced(tokenizer, request)
            prompt = encode_chat(tokenizer, request.messages)
            room = engine.network.config.context - len(prompt)
            if room < 1:
                limit = engine.network.config.context
                raise BadRequest(f"the prompt has {len(prompt)} tokens, this model reads at most {limit - 1}; show fewer demos", status=400)
        except BadRequest as error:
            return error
        options["max_tokens"] = min(options["max_tokens"], room)
        return [Answer(tokenizer, prompt, _options(options, index)) for index in range(request.n)]


def _options(values: Mapping[str, Any], index: int) -> Any:
    from paragrad.llm.embedded.sampling import Options

    return Options(index=index, **values)


def _check(request: Request) -> dict[str, Any]:
    """Sampling options of a request.

    Raises:
        BadRequest: an option the model cannot follow.
    """
    temperature, most = request.temperature or 0.0, request.max_tokens
    if request.tools:
        raise BadRequest("the embedded model cannot call tools", status=400)
    if not 0 <= temperature <= 2:
        raise BadRequest(f"temperature is {temperature}; it must be between 0 and 2", status=400)
    if most is not None and most < 1:
        raise BadRequest(f"max_tokens is {most}; it must be at least 1", status=400)
    if not 1 <= request.n <= MOST_CHOICES:
        raise BadRequest(f"n is {request.n}; it must be between 1 and {MOST_CHOICES}", status=400)
    if request.logprobs is not None and not 0 <= request.logprobs <= 20:
        raise BadRequest(f"logprobs is {request.logprobs}; it must be between 0 and 20", status=400)
    return {
        "temperature": temperature,
        "max_tokens": most or MAX_TOKENS,
        "stop": tuple(request.stop),
        "seed": request.seed or 0,
        "logprobs": request.logprobs,
    }


def _forced(tokenizer: Tokenizer, request: Request) -> tuple[int, ...] | None:
    """The tokens of the text to score; None when the request asks for an answer."""
    text = request.extra.get("score")
    if text is None:
        return None
    if not isinstance(text, str):
        raise BadRequest(f"extra['score'] is {type(text).__name__}; it must be the text to score", status=400)
    return (*tokenizer.encode(text), tokenizer.end)


def _response(answers: list[Answer]) -> Response:
    first = answers[0]
    usage = Usage(len(first.prompt), sum(len(answer.tokens) for answer in answers), 0.0)
    return Response(
        text=first.text,
        logprobs=first.logprobs(),
        usage=usage,
        finish=first.finish,
        texts=tuple(answer.text for answer in answers),
        raw={"choices": [{"index": a.options.index, "finish_reason": a.finish, "logprobs": a.logprobs()} for a in answers]},
        model=EmbeddedModel.name,
    )
