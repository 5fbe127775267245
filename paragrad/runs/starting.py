"""How runs are started again, and the releases that a demo leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paragrad.errors import JournalError, UnknownName, UsageError
from paragrad.journal.runs import RunFolder, Runs
from paragrad.runs.progress import shown
from paragrad.stores import open as open_store
from paragrad.trainers.values import to_json

STORE = "parameters.sqlite"


def unfinished(home: Path, which: str | None = None) -> RunFolder:
    """The run to go on with: by number, folder or name; None: the latest that is unfinished.

    Raises:
        UsageError: there is none, or it is finished.
        UnknownName: no run is called that.
    """
    runs = Runs(home)
    named = [run for run in runs.all() if which is None or which in (run.id, run.name or "", str(run.number))]
    if which is not None and not named:
        if which == "demo":
            raise UsageError(f"no demo was interrupted in {home}; start one with  paragrad demo")
        runs.find(which)
        raise UnknownName(f"no run is called {which[:80]!r} in {home}")
    waiting = [run for run in named if run.status != "finished" and not run.info().get("refused")]
    if not waiting:
        what = f"run {named[-1].id} is {state_of(named[-1])}" if which is not None else f"there is no interrupted run in {home}"
        hint = "start a new one with  paragrad demo" if which == "demo" else "paragrad runs  lists what there is"
        raise UsageError(f"{what}, so there is nothing to resume; {hint}")
    return waiting[-1]


def state_of(run: RunFolder) -> str:
    """finished, running, refused (nothing was done) or stopped, for a person."""
    info = run.info()
    if info["status"] == "finished":
        return "finished"
    return "running" if driven(run) else "refused" if info.get("refused") else "stopped"


def run_task(task: Any, about: dict[str, Any], progress: Any, hint: str = "", **overrides: Any) -> Any:
    """Run a task; ``about`` is kept in the run's status, ``hint`` says how an interrupted run goes on.

    Everything is checked, and nothing written, before the progress begins.
    """
    trainer = task.trainer(**overrides)
    trainer.about = about
    with shown(progress, hint):
        return task.run(trainer, task.options.but({**overrides, "progress": False}))


def default_store(home: Path) -> str:
    """The URL of the store in the home folder."""
    return f"sqlite:///{home.absolute() / STORE}"


def publish_start_and_best(result: Any, home: Path, name: str) -> tuple[str, str]:
    """Two releases in the home's store: the values of the start, and the best ones, which are current then.

    A release that already holds the same values is used again.

    Returns:
        The names of both.
    """
    store = open_store(default_store(home))
    found = tuple(_release(store, result, values, name, note) for values, note in _stages(result))
    return found[0], found[1]


def _stages(result: Any) -> list[tuple[Any, str]]:
    return [
        (result.best.before, f"the start of run {result.run_id}"),
        (result.best.values, f"run {result.run_id}, validation {result.score:.4f}"),
    ]


def _release(store: Any, result: Any, values: Any, name: str, note: str) -> str:
    _write(store, result.parameters, values)
    wanted = to_json(result.parameters, values)
    for release in reversed(store.releases(name)):
        if set(release.versions) == set(values) and _values_of(store, result.parameters, release) == wanted:
            return str(release)
    return str(store.release(name, list(values), note=note))


def _write(store: Any, parameters: Any, values: Any) -> None:
    """One commit that makes these values current."""
    expect = {}
    for id, value in values.items():
        try:
            expect[id] = store.get_entry(id).version
        except KeyError:
            expect[id] = store.init_parameter(id, value, parameters[id].space)
    store.publish(dict(values), expect)


def _values_of(store: Any, parameters: Any, release: Any) -> Any:
    try:
        return to_json(parameters, {id: store.get_parameter_value(id, version) for id, version in release.versions.items()})
    except (KeyError, TypeError, ValueError):  # of another program
        return None


def driven(folder: RunFolder) -> bool:
    """Whether some process is driving the run now."""
    try:
        with folder.lock():
            return False
    except JournalError:
        return True
