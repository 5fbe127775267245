"""connect: a model by name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paragrad.errors import NotConnected, UnknownName, UsageError
from paragrad.llm.openai import OpenAICompatible
from paragrad.llm.prices import FREE, Price, list_price, listed
from paragrad.llm.providers import PROVIDERS, address, key_of
from paragrad.llm.stack import Stacked, stack
from paragrad.protocols.model import LanguageModel
from paragrad.registry import models

_OWN_NAMES = ("auto", "embedded", "fake")
_FORMS = (
    "write 'provider:model' (e.g. 'openai:gpt-5-mini', 'ollama:qwen3'), 'http://HOST/v1#model', 'auto', 'embedded', 'fake' or 'replay:RUN'"
)


def connect(
    name: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    api_key_env: str | None = None,
    headers: Mapping[str, str] | None = None,
    deadline: float = 60.0,
    retries: int = 4,
    concurrency: int | None = None,
    per_minute: float | None = None,
    price: Price | tuple[float, float] | None = None,
    cache: bool | str | Path | None = True,
    hedge: float | None = None,
    embedded_ok: bool = False,
    **request: Any,
) -> Stacked:
    """A language model, ready for a run: limits, retries, cache, record and budget included.

    Nothing is sent until the first request (``"auto"`` asks local ports).

    Args:
        name: ``"openai:gpt-5-mini"``, ``"anthropic:…"``, ``"google:…"``, ``"azure:…"``, ``"bedrock:…"``,
            ``"ollama:…"``, ``"embedded"``, ``"fake"``, ``"replay:RUN"``, ``"auto"``, ``"http://HOST/v1#model"``;
            with ``base_url`` any name a server knows.
        base_url: where ``/chat/completions`` begins, for any compatible server; for ``anthropic:`` where
            ``/messages`` begins, for ``google:`` where ``/models`` begins.
        api_key: the key; better in the environment.
        api_key_env: the environment variable that holds it.
        headers: more headers for every request.
        deadline: seconds for one request, retries included.
        retries: attempts after the first.
        concurrency: requests in flight at most; None adapts to the server.
        per_minute: requests per minute at most.
        price: dollars per million tokens (input, output); None: the list price, if it is known.
        cache: True, False, a cache mode, or a path.
        hedge: seconds after which an unanswered call is asked a second time, and paid for twice; None: never.
        embedded_ok: whether ``"auto"`` may take the embedded model, which knows only a toy world.
        **request: defaults for every request (``temperature=0``, ``max_tokens=500``, …).

    Raises:
        UnknownName: no such provider, with the right spelling.
        NotConnected: no key, no server, no model.
    """
    options: dict[str, Any] = {"deadline": deadline, "retries": retries, "concurrency": concurrency, "per_minute": per_minute}
    options |= {"cache": cache, "hedge": hedge, "defaults": request}
    if name == "auto" and base_url is None:
        from paragrad.llm.auto import choose

        choice = choose(embedded_ok=embedded_ok)
        name, options["needs_budget"] = choice.name, choice.needs_budget
    if api_key_env is not None and api_key is None:
        api_key = _from_environment(api_key_env)
    wire, known = _wire(name, base_url, api_key, headers, deadline)
    if isinstance(wire, Stacked):
        return wire
    return stack(wire, price=price if price is not None else known, **options)


def _wire(
    name: str, base_url: str | None, key: str | None, headers: Mapping[str, str] | None, deadline: float
) -> tuple[LanguageModel, Price | None]:
    """The backend for a name, and its price where that is known."""
    if name.startswith(("http://", "https://")):
        url, _, model = name.partition("#")
        if not model:
            raise UsageError(
                f"{name[:80]!r} names no model; write 'http://HOST/v1#model', or 'http://HOST/v1#default' for a server of one model"
            )
        return OpenAICompatible(model, url, api_key=key, headers=headers, deadline=deadline), None
    prefix, colon, model = name.partition(":")
    if prefix in PROVIDERS and colon:
        return _provider(prefix, model, base_url, key, headers, deadline)
    if base_url is not None:
        return OpenAICompatible(name, base_url, api_key=key, headers=headers, deadline=deadline), None
    if name == "embedded":
        return models.get("embedded")(), FREE
    if name == "fake":
        return models.get("fake")(), FREE
    if prefix == "replay" and colon:
        from paragrad.llm.replay import Replay

        return Replay(model), FREE
    if colon and prefix in models.names():
        wire: LanguageModel = models.get(prefix)(model)
        return wire, None
    raise UnknownName(_unknown(name))


def _provider(
    prefix: str, model: str, base_url: str | None, key: str | None, headers: Mapping[str, str] | None, deadline: float
) -> tuple[LanguageModel, Price | None]:
    provider = PROVIDERS[prefix]
    if not model:
        raise UsageError(f"{prefix + ':'!r} names no model; write e.g. '{prefix}:{provider.default or 'NAME'}'")
    if key is None and base_url is None:
        key = key_of(prefix)
    common: dict[str, Any] = {"api_key": key, "headers": headers, "deadline": deadline}
    if provider.wire == "openai":
        common |= {"provider": prefix, "limit_name": provider.limit_name}
    wire: LanguageModel = models.get(provider.wire)(model, base_url if base_url is not None else address(prefix), **common)
    return wire, None if base_url is not None else provider.price or list_price(f"{prefix}:{model}")


def _from_environment(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise NotConnected(f"the environment variable {variable} (api_key_env) is not set; export it, or give another name")
    return key


def _unknown(name: str) -> str:
    """What the user probably meant."""
    shown = name[:60]
    prefix, slash, model = name.partition("/")
    if slash and prefix in PROVIDERS:
        return f"{shown!r}: write {f'{prefix}:{model}'!r}"
    owner = next((full for full in listed() if full.partition(":")[2] == name), None)
    if owner is not None:
        return f"{shown!r}: write {owner!r}, or give base_url= if another server has it"
    before = name.partition(":")[0].lower()
    near = difflib.get_close_matches(before, [*PROVIDERS, *_OWN_NAMES, "replay", *models.names()], n=1, cutoff=0.6)
    if near and ":" in name:
        return f"no provider {before[:30]!r}; did you mean {near[0] + ':' + name.partition(':')[2]!r}?"
    return f"no model {shown!r}; {_FORMS}"
