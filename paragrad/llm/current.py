"""The model in use: of this block, in this context."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, cast

from paragrad.errors import NotConnected, UsageError
from paragrad.llm.callable import CallableModel
from paragrad.llm.connect import connect
from paragrad.llm.stack import Stacked, stack
from paragrad.protocols.model import LanguageModel

_CURRENT: ContextVar[Stacked | None] = ContextVar("paragrad_model", default=None)


class use:
    """``with pg.llm.use("openai:gpt-5-mini"):`` programs without a model of their own ask this one.

    Args:
        model: a name, a model, a bare backend, or a function from text to text.
    """

    def __init__(self, model: str | LanguageModel | Any) -> None:
        self.model = as_model(model)
        self._tokens: list[Token[Stacked | None]] = []

    def __enter__(self) -> Stacked:
        self._tokens.append(_CURRENT.set(self.model))
        return self.model

    def __exit__(self, *failure: object) -> None:
        _CURRENT.reset(self._tokens.pop())


def current_model() -> Stacked:
    """The model of this context.

    Raises:
        NotConnected: none was named.
    """
    model = _CURRENT.get()
    if model is None:
        raise NotConnected("no language model is named; give model='openai:gpt-5-mini', or write: with pg.llm.use('auto'): …")
    return model


def model_in_use() -> Stacked | None:
    """The model of this context, or None."""
    return _CURRENT.get()


def as_model(model: str | LanguageModel | Any) -> Stacked:
    """What people give as a model, stacked.

    Args:
        model: a name for :func:`connect`, a stacked model (returned as it is), a backend with
            ``complete(requests)``, or a function from text to text. Keep the result: every call makes
            a new stack, with limits of its own, of a bare backend.
    """
    if isinstance(model, Stacked):
        return model
    if isinstance(model, str):
        return connect(model)
    if isinstance(model, LanguageModel) and not isinstance(model, type):
        return stack(model)
    if callable(model) and not isinstance(model, type):
        return stack(CallableModel(cast("Callable[[Any], str]", model)))
    raise UsageError(f"{model!r:.80} is no model; give a name like 'openai:gpt-5-mini', a model, or a function from text to text")
