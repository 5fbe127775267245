"""Commands over a parameter store: the option, opening it, and its errors in words."""

from __future__ import annotations

import difflib
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
    place = _place(wanted)
    if place is not None and not place.exists():
        hint = "a demo or a run with store= makes one; or name another with --store URL"
        raise UsageError(f"there is no store at {place}; {hint}")
    try:
        yield open_store(wanted)
    except KeyError as error:
        raise UsageError(str(error.args[0] if error.args else error)) from error


def _place(url: str) -> Path | None:
    """The file or folder of a store on this machine, which a command that reads must not make; None: it is elsewhere."""
    for scheme in ("sqlite:///", "file://", "file:"):
        if url.startswith(scheme):
            return Path(url.removeprefix(scheme).partition("?")[0])
    return None


def known(store: Any, id: str) -> str:
    """The id of a parameter that the store holds.

    Raises:
        UsageError: it holds none of that id; names the nearest ones.
    """
    held = store.ids()
    if id in held:
        return id
    near = difflib.get_close_matches(id, held, n=3, cutoff=0.5) or held[:3]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "it is empty"
    raise UsageError(f"this store holds no parameter {id!r}; {hint}  (paragrad params list)")
