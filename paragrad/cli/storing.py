"""Commands over a parameter store: the option, opening it, and its errors in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from paragrad.cli.common import Shell
from paragrad.errors import UsageError
from paragrad.runs.starting import default_store

F = TypeVar("F", bound=Callable[..., Any])


def store_option(command: F) -> F:
    """``--store URL``."""
    help = "The store, e.g. sqlite:///params.sqlite.  [default: parameters.sqlite in the home folder]"
    return click.option("--store", "url", metavar="URL", help=help)(command)


@contextmanager
def opened(shell: Shell, url: str | None) -> Iterator[Any]:
    """The store, which must be there already; what it does not hold is a usage error.

    Raises:
        UsageError: no such store, parameter, version or release.
    """
    from paragrad.stores import open as open_store

    wanted = url or default_store(shell.home)
    file = Path(wanted.removeprefix("sqlite:///"))
    if wanted.startswith("sqlite:///") and not file.is_file():
        hint = "a demo or a run with store= makes one; or name another with --store URL"
        raise UsageError(f"there is no store at {file}; {hint}")
    try:
        yield open_store(wanted)
    except KeyError as error:
        raise UsageError(str(error.args[0] if error.args else error)) from error
