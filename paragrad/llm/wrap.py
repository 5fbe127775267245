"""wrap: the user's own ``openai`` or ``anthropic`` client, counted, budgeted, cached and recorded.

The client stays what it was, to the editor and to ``isinstance``: only its HTTP client is another one,
which hands every request on to the user's. Inside a run (or under :func:`paragrad.llm.caching`) a
model call goes through the same layers as every other one; elsewhere nothing is changed.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from paragrad.errors import UsageError
from paragrad.llm.prices import Price

if TYPE_CHECKING:
    from paragrad.llm.wrap_recorder import Recorder

C = TypeVar("C")

SDKS = ("anthropic", "openai")
LIBRARIES = ("httpx", "httpx2")
LONGEST = 3600.0  # seconds, whatever a client's own time-outs add up to
DEFAULT_SECONDS = 600.0  # of one attempt, where the client sets no limit


def wrap(
    client: C,
    *,
    deadline: float | None = None,
    price: Price | tuple[float, float] | None = None,
    cache: bool | str | Path | None = True,
    concurrency: int | None = None,
    per_minute: float | None = None,
) -> C:
    """The same client, whose calls a run knows of.

    ``chat.completions``, ``responses``, ``completions``, ``embeddings`` and ``messages`` are journaled,
    cached, retried and paid for like the calls of a connected model; a streamed one is read to its end
    first, then given as the stream that it was. Everything else (files, batches, background responses)
    is passed on, and the record says so. Outside a run the client does what it always did.

    Errors inside a run are the client's own and ours at once: ``openai.RateLimitError`` is also
    ``pg.errors.RateLimited``, so the program's handlers work and an outage is never a score.

    Args:
        client: ``openai.OpenAI``, ``openai.AsyncOpenAI``, ``anthropic.Anthropic``, ``anthropic.AsyncAnthropic``
            or a subclass. It stays usable; closing the result closes it too.
        deadline: seconds for one call, retries included; None: what the client's time-out and retries allow.
        price: dollars per million tokens (input, output); None: the list price of each model.
        cache: as in :func:`paragrad.llm.connect`. A path or mode is used outside runs as well.
        concurrency, per_minute: limits inside runs, per model.

    Raises:
        UsageError: it is no such client.
    """
    given: Any = client
    sdk = _sdk_of(given)
    if sdk is None:
        raise UsageError(
            f"pg.llm.wrap takes an openai or anthropic client, not {type(client).__name__}; "
            "for another client use pg.llm.use(function_from_text_to_text)"
        )
    if getattr(type(given), "_paragrad_recorded", False):
        return client
    longest = deadline if deadline is not None else min(LONGEST, _seconds(given.timeout) * (int(given.max_retries) + 1))
    options = {"deadline": longest, "price": price, "cache": cache, "concurrency": concurrency, "per_minute": per_minute}
    return cast("C", _made(given, sdk, {**options, "retries": int(given.max_retries)}))


def _made(client: Any, sdk: str, options: Mapping[str, Any]) -> Any:
    """The client over another HTTP client."""
    from paragrad.llm.wrap_recorder import Recorder

    inner = client._client
    library = import_module(_library_of(inner))
    recorder = Recorder(sdk, library, key=str(getattr(client, "api_key", None) or ""), options=options)
    made: Any = client.copy(http_client=_outer(library, inner, recorder))
    plain: Any = type(made)
    made.__class__ = _recorded(plain, sdk)
    return made


def _sdk_of(client: Any) -> str | None:
    """Which SDK's client this is."""
    if not (hasattr(client, "_client") and hasattr(client, "copy") and hasattr(client, "request")):
        return None
    packages = [base.__module__.partition(".")[0] for base in type(client).__mro__]
    return next((package for package in packages if package in SDKS), None)


def _library_of(http: Any) -> str:
    """The HTTP library an SDK uses."""
    packages = [base.__module__.partition(".")[0] for base in type(http).__mro__]
    found = next((package for package in packages if package in LIBRARIES), None)
    if found is None:
        raise UsageError(f"this client sends its requests with {type(http).__name__}, which cannot be recorded; give it an httpx client")
    return found


def _outer(library: Any, inner: Any, recorder: Recorder) -> Any:
    """An HTTP client that looks like the user's and hands requests on to it."""
    from paragrad.llm.wrap_transport import AsyncTransport, SyncTransport

    is_async = isinstance(inner, library.AsyncClient)
    kind = library.AsyncClient if is_async else library.Client
    return kind(
        transport=AsyncTransport(recorder, inner) if is_async else SyncTransport(recorder, inner),
        headers=inner.headers,
        params=inner.params,
        cookies=inner.cookies,
        base_url=inner.base_url,
        timeout=inner.timeout,
        follow_redirects=False,
        trust_env=False,
    )


@lru_cache(maxsize=64)
def _recorded(cls: Any, sdk: str) -> type[Any]:
    """A subclass that says what failed in both languages; otherwise the same."""
    from paragrad.llm.wrap_errors import translated

    original = cls.request

    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        with translated(sdk):
            return original(self, *args, **kwargs)

    async def arequest(self: Any, *args: Any, **kwargs: Any) -> Any:
        with translated(sdk):
            return await original(self, *args, **kwargs)

    def deepcopy(self: Any, memo: Any) -> Any:
        """A copy of a program shares its client."""
        return self

    body = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__deepcopy__": deepcopy,
        "_paragrad_recorded": True,
        "request": arequest if inspect.iscoroutinefunction(original) else request,
    }
    return type(cls.__name__, (cls,), body)


def _seconds(timeout: Any) -> float:
    """Seconds of one attempt from a client's time-out."""
    longest = getattr(timeout, "read", timeout)
    return float(longest) if isinstance(longest, (int, float)) and not isinstance(longest, bool) else DEFAULT_SECONDS
