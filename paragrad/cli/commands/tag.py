"""``paragrad tag``."""

from __future__ import annotations

import click

from paragrad.cli.common import Command, Shell
from paragrad.cli.storing import opened, store_option
from paragrad.runs.figures import safe
from paragrad.runs.lines import labelled


@click.command(cls=Command)
@click.argument("release")
@click.argument("tag")
@click.option(
    "--expect", metavar="RELEASE", help="Only when the tag is on this release now ('' for on none): two people cannot both move it."
)
@store_option
@click.pass_obj
def command(shell: Shell, release: str, tag: str, expect: str | None, url: str | None) -> None:
    """Put TAG on RELEASE, e.g. `paragrad tag answer@2 production`; it leaves the release that had it."""
    with opened(shell, url) as store:
        view = store.resolve_release(release)
        store.tag(str(view), tag, expect)
    shell.give({"release": str(view), "tag": tag})
    shell.show([labelled("TAGGED", (safe(view), "strong"), f" is {safe(tag)} now")])
