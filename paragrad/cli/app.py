"""The ``paragrad`` command: a table of names, each command loaded when it is called.

Exit codes: 0 done (a run without a gain too), 1 failed, 2 wrong usage or nothing connected, 3 a
condition that was set was not met, 130 interrupted and resumable.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from paragrad import __version__
from paragrad.cli.common import GLOBAL, Shell, take_common
from paragrad.cli.failures import code_of, report

COMMANDS = {
    "demo": "train a small program on the model in this package: no key, no network",
    "tune": "improve a prompt file on a table of examples",
    "train": "run a training job written in Python",
    "eval": "score a prompt or a program on data",
    "predict": "answer every row of a table",
    "resume": "go on with an interrupted run",
    "runs": "list the runs",
    "show": "show what a run came to",
    "compare": "compare two runs row by row",
    "diff": "show what differs between two runs, prompts or saved folders",
    "params": "look into a parameter store: list, history, diff, export",
    "releases": "list the releases of a store",
    "tag": "put a tag on a release",
    "rollback": "make the values of an earlier release current again",
    "graph": "draw one recorded call of a program",
    "connect": "check a model, and use it from now on",
    "doctor": "check this installation",
    "serve-embedded": "serve the model in this package to OpenAI clients",
    "clean": "remove runs and caches",
}
"""Name to help line, in the order of ``--help``; ``serve-embedded`` is in ``commands/serve_embedded.py``."""


class App(click.Group):
    """The group that loads its commands by name and turns every error into one clear message."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command, imported now; None for an unknown name."""
        if name not in COMMANDS:
            return None
        found = import_module(f"paragrad.cli.commands.{name.replace('-', '_')}").command
        return found if isinstance(found, click.Command) else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that ``args`` name.

        Raises:
            click.UsageError: unknown, with the nearest name.
        """
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
            hint = f"did you mean 'paragrad {near[0]}'?" if near else f"commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {name[:60]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and help lines, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run, report any error, and exit with its code."""
        shell = Shell()
        given = list(args) if args is not None else sys.argv[1:]
        try:
            with shell:
                code = super().main(args=given, prog_name="paragrad", standalone_mode=False, **{**extra, "obj": shell})
        except BaseException as error:
            code = code_of(error)
            if code is None:
                raise
            report(error, shell)
        _flush()
        sys.exit(code if isinstance(code, int) else 0)


def _flush() -> None:
    """A reader that went away (``paragrad runs | head``) is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=App, params=GLOBAL(), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, no_args_is_help=True
)
@click.version_option(__version__, message="paragrad %(version)s")
@click.pass_context
def app(ctx: click.Context, /, **common: Any) -> None:
    """Gradients for paragraphs and parameters: train prompts, examples, choices and numbers on your data.

    Start with `paragrad demo`: a real training run in two minutes, without a key.
    """
    take_common(ctx.obj, common)
