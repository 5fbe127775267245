"""Errors of a wrapped client: its own class and ours in one, so that both kinds of ``except`` work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from paragrad.errors import DeadlineExceeded, ModelError, ServerFailed
from paragrad.llm.openai_errors import from_status
from paragrad.llm.secrets import shorten
from paragrad.llm.wrap_use import in_use

KNOWN = "paragrad"  # the key of a response's extensions that holds its ModelError


class Carried(BaseException):
    """Carries an error through the SDK, which turns every ``Exception`` of its HTTP client into one of its own and retries.

    Attributes:
        error: what happened.
        request: the HTTP request.
    """

    def __init__(self, error: BaseException, request: Any) -> None:
        super().__init__(str(error))
        self.error = error
        self.request = request


@contextmanager
def translated(sdk: str) -> Iterator[None]:
    """Raise what happened in the block as the SDK's error and ours."""
    module = import_module(sdk)
    try:
        yield
    except Carried as carried:
        if isinstance(carried.error, ModelError):
            raise joined(carried.error, _own(module, carried.error, carried.request)) from None
        raise carried.error from None
    except module.APIStatusError as error:
        known = error.response.extensions.get(KNOWN) or (_classified(error) if in_use() else None)
        if known is None:
            raise
        raise joined(known, error) from None
    except module.APIConnectionError as error:
        if not in_use():
            raise
        late = isinstance(error, module.APITimeoutError)
        raise joined((DeadlineExceeded if late else ServerFailed)(shorten(str(error))), error) from error.__cause__


def joined(ours: ModelError, theirs: Exception) -> Exception:
    """One error of both classes, with the fields of both and our message.

    The SDK's constructors want what is not there any more, so the fields are copied instead.
    """
    classes: tuple[Any, Any] = (type(ours), type(theirs))
    kind = _class_of(*classes)
    made: Exception = kind.__new__(kind, str(ours))
    made.__dict__.update({**vars(theirs), **vars(ours), "retryable": ours.retryable})
    return made


@lru_cache(maxsize=256)
def _class_of(ours: Any, theirs: Any) -> type[Exception]:
    return type(theirs.__name__, (ours, theirs), {"__module__": theirs.__module__, "__str__": Exception.__str__})


def _own(module: Any, failure: ModelError, request: Any) -> Exception:
    """The SDK's error for a failure without an HTTP answer."""
    made: Exception
    made = module.APITimeoutError(request) if isinstance(failure, DeadlineExceeded) else module.APIConnectionError(request=request)
    return made


def _classified(error: Any) -> ModelError:
    """Our class for an HTTP answer that was passed on."""
    return from_status(error.status_code, error.body, error.response.headers, str(error.request.url.host))
