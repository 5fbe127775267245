"""structured: ask until the answer parses, saying each time exactly what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Generic, TypeVar

from paragrad.errors import BadResponse, ModelError
from paragrad.llm.secrets import shorten
from paragrad.llm.types import Request, Response, Usage
from paragrad.protocols.model import LanguageModel

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Structured(Generic[T]):
    """A checked answer.

    Attributes:
        value: what ``parse`` made of it.
        response: the answer it came from, with ``parsed`` filled in.
        errors: what was wrong with the answers before it.
        usage: of all attempts together.
    """

    value: T
    response: Response
    errors: tuple[str, ...]
    usage: Usage


def structured(model: LanguageModel, request: Request, parse: Callable[[str], T], *, attempts: int = 3) -> Structured[T]:
    """Ask, parse, and ask again with the reply and its exact error appended.

    Args:
        model: any model.
        request: what to ask; with ``schema`` where the server may help (the server is not trusted with it).
        parse: the value in a reply; ValueError or TypeError (pydantic's errors are ValueErrors) when it is none.
        attempts: askings in all.

    Raises:
        ModelError: the model gave no answer.
        BadResponse: no reply could be parsed; holds the last error.
    """
    errors: list[str] = []
    usages: list[Usage] = []
    asked = request
    for _ in range(attempts):
        (answer,) = model.complete([asked])
        if isinstance(answer, ModelError):
            raise answer
        usages.append(answer.usage)
        try:
            value = parse(answer.text)
        except (ValueError, TypeError, RecursionError) as error:
            errors.append(_explain(error, answer))
            asked = again(request, answer, errors[-1])
            continue
        return Structured(value, replace(answer, parsed=value), tuple(errors), _sum(usages))
    raise BadResponse(f"no usable answer in {attempts} attempts; the last one was refused: {shorten(errors[-1], 300)}")


def _explain(error: Exception, answer: Response) -> str:
    reason = str(error) or type(error).__name__
    return f"the answer was cut off at its token limit ({reason})" if answer.finish == "length" else reason


def again(request: Request, answer: Response, error: str) -> Request:
    """The first request, with the refused reply and what was wrong with it."""
    told = [{"role": "assistant", "content": answer.text}, {"role": "user", "content": _template().replace("{error}", error[:2000])}]
    return replace(request, messages=[*request.messages, *told])


@cache
def _template() -> str:
    return (files("paragrad.llm") / "prompts" / "reask.txt").read_text("utf-8").rstrip("\n")


def _sum(usages: list[Usage]) -> Usage:
    dollars = [usage.usd for usage in usages if usage.usd is not None]
    usd = sum(dollars) if len(dollars) == len(usages) else None
    return Usage(sum(usage.input_tokens for usage in usages), sum(usage.output_tokens for usage in usages), usd)
