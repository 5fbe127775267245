"""Every error this library raises on purpose, in one tree::

ParagradError
├── UsageError (ValueError)      a call that cannot mean anything; the message says what to write instead
│   ├── UnknownName              a name that no registry knows, with its nearest relatives
│   └── DataError                a missing file, a wrong column, an unreadable row
├── NothingToTrain               no trainable Parameter is reached
├── StaleTrace                   a gradient for a cell that has moved on
├── LostContext                  a trained Parameter read outside the pinned context of its run
├── Diverged                     a resumed run asks for another effect than the one recorded
├── ExecutionError               a traced operation failed; ``.output`` is the Variable that says so
├── MetricError                  a metric raised or returned something that is no score
├── ProposalError                an optimizer's proposal was refused; nothing was changed
├── StoreError                   a parameter store cannot do what was asked
│   ├── Conflict                 another writer was faster; read again and retry
│   └── Corrupted                stored bytes do not match their digest
├── JournalError                 the run record cannot be read or written
├── BudgetExceeded               a hard limit was reached; nothing was paid for after it
├── Outage                       the world failed, not the program: never a score
│   └── ModelError               a language model gave no usable answer
│       ├── NotConnected         no model, no key, refused connection
│       ├── AuthenticationFailed wrong or missing key
│       ├── BadRequest           the server refuses this request; retrying cannot help
│       ├── RateLimited          retried with back-off
│       ├── ServerFailed         5xx or a broken body; retried
│       ├── BadResponse          an answer that is not one; retried
│       └── DeadlineExceeded     the whole call, retries included, took too long
└── SandboxError                 model-written code was stopped
    ├── Timeout
    ├── MemoryLimit
    ├── Forbidden
    ├── Crashed
    └── BadCode
"""

from __future__ import annotations

from typing import Any


class ParagradError(Exception):
    """Base of every error raised on purpose."""


class UsageError(ParagradError, ValueError):
    """A call that cannot mean anything."""


class UnknownName(UsageError, KeyError):
    """A name that no registry knows."""

    __str__ = Exception.__str__


class DataError(UsageError):
    """A missing file, a wrong column, an unreadable row."""


def not_installed(feature: str, package: str, extra: str, kind: type[ParagradError] = UsageError) -> ParagradError:
    """The error of a feature whose optional package is missing, to raise where its import failed.

    Args:
        feature: what was asked for. package: what it imports. extra: of this library, which brings it.
        kind: the class of the error.
    """
    return kind(f"{feature} needs {package}, which is not installed: pip install 'paragrad[{extra}]'")


class NothingToTrain(ParagradError, RuntimeError):
    """No trainable Parameter is reached by the feedback. (A RuntimeError too, as where ``backward`` comes from.)"""


class StaleTrace(ParagradError):
    """A gradient for a cell that has moved on since it was read."""


class LostContext(ParagradError):
    """A trained Parameter was read outside its run's pinned context."""


class Diverged(ParagradError):
    """A resumed run asks for another effect than the one recorded at its coordinate."""


class ExecutionError(ParagradError):
    """A traced operation failed. ``output`` is a Variable whose value is the error's report."""

    def __init__(self, message: str, output: Any = None) -> None:
        super().__init__(message)
        self.output = output


class MetricError(ParagradError):
    """A metric raised or returned something that is no score."""


class ProposalError(ParagradError):
    """A proposal was refused; no parameter was changed."""


class StoreError(ParagradError):
    """A parameter store cannot do what was asked."""


class Conflict(StoreError):
    """Another writer was faster."""


class Corrupted(StoreError):
    """Stored bytes do not match their digest."""


class JournalError(ParagradError):
    """The run record cannot be read or written."""


class BudgetExceeded(ParagradError):
    """A hard limit of calls, tokens, dollars or seconds was reached."""


class Outage(ParagradError):
    """The world failed, not the program. Never a score, never feedback."""


class ModelError(Outage):
    """A language model gave no usable answer.

    Attributes:
        retryable: whether the same request may succeed later.
        status: the HTTP status, when there was one.
        retry_after: seconds the server asked to wait, when it did.
    """

    retryable = False

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class NotConnected(ModelError):
    """No model, no key, or a refused connection."""


class AuthenticationFailed(ModelError):
    """The server refuses the key."""


class BadRequest(ModelError):
    """The server refuses this request; retrying cannot help."""


class RateLimited(ModelError):
    """Too many requests."""

    retryable = True


class ServerFailed(ModelError):
    """The server failed, or the connection broke."""

    retryable = True


class BadResponse(ModelError):
    """An answer came, but it is not a valid one."""

    retryable = True


class DeadlineExceeded(ModelError):
    """The whole call, retries included, took longer than its deadline."""


class SandboxError(ParagradError):
    """Model-written code was stopped."""


class Timeout(SandboxError):
    """It ran too long."""


class MemoryLimit(SandboxError):
    """It used too much memory."""


class Forbidden(SandboxError):
    """It tried something that is not allowed."""


class Crashed(SandboxError):
    """Its process died."""


class BadCode(SandboxError):
    """Its syntax, name or signature is wrong."""
