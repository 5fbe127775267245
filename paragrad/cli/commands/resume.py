"""``paragrad resume``."""

from __future__ import annotations

import os

import click

from paragrad.cli.common import Command, Shell
from paragrad.errors import UsageError
from paragrad.runs.figures import safe
from paragrad.runs.lines import facts


@click.command(cls=Command)
@click.argument("run", required=False)
@click.pass_obj
def command(shell: Shell, run: str | None) -> None:
    """Go on with an interrupted run; without RUN, the latest one.

    The run is started again as it was, from the folder it was started in; what was paid for is not paid
    for again. It ends with the same bytes as if it had never been interrupted.
    """
    from paragrad.runs.starting import unfinished

    folder = unfinished(shell.home, run)
    begun = folder.info().get("started")
    if not begun:
        raise UsageError(
            f"run {folder.id} was started from Python; run that program again with run={folder.name or str(folder.number)!r} in fit or Task"
        )
    shell.say(facts("resume", (f"run {safe(folder.id)}", f"paragrad {safe(begun['command'])}")))
    options = {"plan": False, "yes": True, "run": None, "fork": False, **begun.get("options", {})}
    home = shell.home
    if os.path.isdir(begun.get("folder", "")):
        os.chdir(begun["folder"])
    shell.setenv("PARAGRAD_HOME", str(home.absolute()))
    if begun["command"] == "demo":
        from paragrad.cli.commands.demo import demo

        demo(shell, folder, 0)
    elif begun["command"] == "tune":
        from paragrad.cli.commands.tune import tune

        tune(shell, options, folder.id)
    elif begun["command"] == "train":
        from paragrad.cli.commands.train import train

        train(shell, options, folder.id)
    else:
        raise UsageError(f"run {folder.id} was started by `paragrad {safe(begun['command'])}`, which this version cannot resume")
