"""What every command has: the options that work everywhere, and the shell it talks through."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from paragrad.errors import UsageError

if TYPE_CHECKING:
    from paragrad.runs.lines import Line
    from paragrad.runs.progress import Screen

COMMON = ("json", "quiet", "home", "env_file", "debug")


def GLOBAL() -> list[click.Parameter]:
    """The options every command takes, before or after its name."""
    return [
        click.Option(["--json"], is_flag=True, help="Print one JSON object and nothing else."),
        click.Option(["--quiet", "-q"], is_flag=True, help="Print the outcome only."),
        click.Option(["--home"], metavar="DIR", help="Where runs and caches live (else PARAGRAD_HOME, else .paragrad upwards from here)."),
        click.Option(["--env-file"], metavar="FILE", help="Read keys from a file of NAME=VALUE lines."),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
    ]


class Command(click.Command):
    """A command with the common options, which it hands to the shell."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(GLOBAL())

    def invoke(self, ctx: click.Context) -> Any:
        """Take the common options, then run."""
        shell = ctx.find_object(Shell)
        assert shell is not None
        take_common(shell, {name: ctx.params.pop(name) for name in COMMON})
        return super().invoke(ctx)


class Shell:
    """How a command talks: lines for people on standard output, or one JSON object; errors on standard error.

    Attributes:
        hint: the command that goes on where Ctrl-C stops this one.
    """

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.debug = False
        self.hint = ""
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def setenv(self, name: str, value: str) -> None:
        """Set an environment variable until the command ends."""
        self._environment.setdefault(name, os.environ.get(name))
        os.environ[name] = value

    @cached_property
    def screen(self) -> Screen:
        """Standard output."""
        from paragrad.runs.progress import screen_for

        return screen_for(sys.stdout)

    @property
    def home(self) -> Path:
        """The home folder in use."""
        from paragrad.home import find_home

        return find_home()

    def say(self, *lines: Line) -> None:
        """Words around the outcome: not with --json or --quiet."""
        if not self.json and not self.quiet:
            self.screen.write(lines)

    def show(self, lines: Sequence[Line]) -> None:
        """The outcome, for people."""
        if not self.json:
            self.screen.write(lines)

    def give(self, data: Any) -> None:
        """The outcome as one JSON object, when that was asked for."""
        if self.json:
            click.echo(json.dumps(data, ensure_ascii=False, indent=1, default=str))

    @property
    def progress(self) -> Screen | None:
        """Where progress is shown: with --json on standard error, and there only on a terminal."""
        if self.quiet:
            return None
        if self.json:
            from paragrad.runs.progress import screen_for

            return screen_for(sys.stderr) if sys.stderr.isatty() else None
        return self.screen

    def confirm(self, question: str, *, yes: bool, flag: str = "--yes") -> bool:
        """Ask once. Without a terminal to ask on, ``flag`` must have been given.

        Raises:
            UsageError: nobody can be asked.
        """
        if yes:
            return True
        if self.json or not sys.stdin.isatty():
            raise UsageError(f"{question} there is no terminal to answer on; add {flag}")
        return bool(click.confirm(question, default=True))

    def trouble(self, lines: Sequence[Line]) -> None:
        """Words on standard error."""
        from paragrad.runs.progress import Plain, screen_for

        screen = screen_for(sys.stderr)
        if isinstance(screen, Plain):
            screen.width = 10_000
        screen.write(lines)


def take_common(shell: Shell, given: dict[str, Any]) -> None:
    """Common options, from before or after the command's name."""
    for name in ("json", "quiet", "debug"):
        setattr(shell, name, getattr(shell, name) or bool(given.get(name)))
    if given.get("env_file"):
        from paragrad.cli.envfile import read_env

        for name, value in read_env(Path(given["env_file"])).items():
            shell.setenv(name, value)
    if given.get("home"):
        shell.setenv("PARAGRAD_HOME", str(Path(given["home"]).expanduser().absolute()))
