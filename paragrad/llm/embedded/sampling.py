"""From logits to the next token: greedy or seeded, with stop strings and log-probabilities."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from paragrad.llm.embedded.tokenizer import CONTROL, Decoder, Tokenizer

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Options:
    """How to sample one answer.

    Args:
        temperature: 0 is greedy.
        max_tokens: most tokens of the answer.
        stop: strings that end the answer and are not part of it.
        seed: with ``index``, decides every random draw.
        index: which of a request's ``n`` answers this is.
        logprobs: how many top log-probabilities to record per token; None records nothing.
        forced: the answer's tokens, its end included, when a given text is scored and nothing is sampled.
    """

    temperature: float = 0.0
    max_tokens: int = 160
    stop: tuple[str, ...] = ()
    seed: int = 0
    index: int = 0
    logprobs: int | None = None
    forced: tuple[int, ...] | None = None


def log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """Log-probabilities of one position, in float64."""
    shifted = logits.astype(np.float64) - float(logits.max())
    result: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return result


def uniform(seed: int, index: int, step: int) -> float:
    """A number in [0, 1) that depends on its arguments only, the same on every machine."""
    digest = hashlib.sha256(f"{seed} {index} {step}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def draw(logits: Logits, temperature: float, u: float) -> int:
    """The token at quantile ``u`` of the tempered distribution; the most likely one at temperature 0."""
    if temperature <= 0:
        return int(logits.argmax())
    scaled = (logits.astype(np.float64) - float(logits.max())) / temperature
    summed = np.exp(scaled).cumsum()
    return int(min(np.searchsorted(summed, u * summed[-1], side="right"), len(logits) - 1))


@dataclass(slots=True)
class Answer:
    """One answer while it is written. ``finish`` is empty until it is done."""

    tokenizer: Tokenizer
    prompt: Sequence[int]
    options: Options
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    _decoder: Decoder | None = None

    def begin(self) -> None:
        """Forgets what was written; an interrupted batch is written anew."""
        self.tokens, self.text, self.finish, self.records, self._decoder = [], "", "", [], None

    def push(self, logits: Logits) -> int:
        """Takes the next token from its logits; returns it."""
        options, self._decoder = self.options, self._decoder or Decoder(self.tokenizer)
        if options.forced is None:
            token = draw(logits, options.temperature, uniform(options.seed, options.index, len(self.tokens)))
        else:
            token = options.forced[len(self.tokens)]
        if self.tokenizer.vocabulary[token] in CONTROL:
            if options.forced is not None and options.logprobs is not None:
                self.records.append(self._record(logits, token, len(self.text)))
            self.finish = "stop"
            self.text += self._decoder.flush()
            return token
        self.tokens.append(token)
        before = len(self.text)
        self.text += self._decoder.push(token)
        if options.logprobs is not None:
            self.records.append(self._record(logits, token, before))
        self._check_end(before)
        return token

    def _check_end(self, before: int) -> None:
        longest = max((len(stop) for stop in self.options.stop), default=0)
        found = [self.text.find(stop, max(0, before - longest)) for stop in self.options.stop if stop]
        cuts = [place for place in found if place >= 0]
        if cuts:
            self.text, self.finish = self.text[: min(cuts)], "stop"
        elif len(self.tokens) >= self.options.max_tokens:
            self.finish = "length"
            if self._decoder:
                self.text += self._decoder.flush()

    def _record(self, logits: Logits, token: int, begin: int) -> dict[str, Any]:
        words, values = self.tokenizer.vocabulary, log_softmax(logits)
        best = np.argsort(-values, kind="stable")[: self.options.logprobs]
        top = {words[number]: float(values[number]) for number in best.tolist()}
        return {"token": words[token], "logprob": float(values[token]), "top": top, "begin": begin}

    def logprobs(self) -> list[Mapping[str, Any]] | None:
        """The recorded log-probabilities of the tokens that are part of the text; None when none were asked for."""
        if self.options.logprobs is None:
            return None
        kept = [record for record in self.records if record["begin"] < len(self.text) or self.finish != "stop" or not self.options.stop]
        return [{key: value for key, value in record.items() if key != "begin"} for record in kept]
