"""Every error as one clear message and an exit code."""

from __future__ import annotations

import errno
import traceback
from typing import TYPE_CHECKING, Any

import click

from paragrad.cli.common import Shell
from paragrad.errors import AuthenticationFailed, NotConnected, ParagradError, UsageError

if TYPE_CHECKING:
    from paragrad.runs.lines import Line

FAILED, USAGE, CONDITION, INTERRUPTED = 1, 2, 3, 130


class ConditionNotMet(ParagradError):
    """A condition set with --require-gain or --fail-under was not met."""


def code_of(error: BaseException) -> int | None:
    """The exit code for an error; None for what is not ours to end with."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else FAILED
    if isinstance(error, (click.UsageError, UsageError, NotConnected, AuthenticationFailed)):
        return USAGE
    if isinstance(error, ConditionNotMet):
        return CONDITION
    return FAILED if isinstance(error, Exception) else None


def report(error: BaseException, shell: Shell) -> None:
    """Say what went wrong on standard error, and with --json as an object on standard output."""
    if isinstance(error, (click.exceptions.Exit, SystemExit)):
        return
    if isinstance(error, BrokenPipeError):
        return
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    text = message_of(error, shell)
    if shell.debug and isinstance(error, Exception):
        click.echo(safe("".join(traceback.format_exception(error))), err=True)
    shell.trouble(_lines(text, interrupted=code_of(error) == INTERRUPTED))
    shell.give({"error": text, "type": type(error).__name__, "exit": code_of(error)})


def safe(text: Any) -> str:
    """See :func:`paragrad.runs.figures.safe`; imported when there is something to say."""
    from paragrad.runs.figures import safe as made_safe

    return made_safe(text)


def message_of(error: BaseException, shell: Shell) -> str:
    """What is wrong, and what to do."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return f"stopped; nothing is lost, this goes on there:  {shell.hint}" if shell.hint else "stopped"
    if isinstance(error, click.UsageError):
        help = f"\n  see  {error.ctx.command_path} --help" if error.ctx is not None else ""
        return safe(error.format_message().rstrip(".")) + help
    if isinstance(error, click.ClickException):
        return safe(error.format_message())
    if isinstance(error, ParagradError):
        return _with_hint(safe(error), shell)
    if isinstance(error, OSError):
        return _with_hint(_of_system(error), shell)
    last = traceback.extract_tb(error.__traceback__)
    where = f" at {last[-1].filename}:{last[-1].lineno}" if last else ""
    return f"{type(error).__name__}: {safe(error)}{where}\n  this is not one of the errors we know; --debug shows the traceback"


def _with_hint(text: str, shell: Shell) -> str:
    return f"{text}\n  what was done is kept; to go on:  {shell.hint}" if shell.hint else text


def _of_system(error: OSError) -> str:
    name = f" ({safe(error.filename)})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{name}; make room, or choose another folder with --home"
    return f"{safe(error.strerror or error)}{name}"


def _lines(text: str, *, interrupted: bool) -> list[Line]:
    from paragrad.runs.lines import line

    first, *rest = text.split("\n")
    head = ("", "") if interrupted else ("error: ", "bad")
    return [line(head, first, indent=2), *(line(row, indent=4) for row in rest)]
