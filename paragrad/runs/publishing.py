"""Publishing: a result's values become a release of a store."""

from __future__ import annotations

from typing import Any

from paragrad.journal.crashpoints import crash_point
from paragrad.stores import open as open_store


def publish(result: Any, store: Any, name: str, tag: str | None = None) -> str:
    """Write the best values in one commit, release them under ``name``, and tag the release.

    Returns:
        ``name@number``.

    Raises:
        Conflict: someone published to these ids meanwhile; nothing was written.
    """
    found = open_store(store) if isinstance(store, str) else store
    publish_values(result, found)
    release = found.release(name, list(result.best.values), note=f"run {result.run_id}, score {result.score:.4f}")
    if tag is not None:
        found.tag(release, tag)
    return str(release)


def publish_values(result: Any, store: Any) -> None:
    """Write the best values in one commit; ids the store does not know are initialised with the start's values."""
    found = open_store(store) if isinstance(store, str) else store
    expect: dict[Any, int] = {}
    for id, parameter in result.parameters.items():
        try:
            expect[id] = found.get_entry(id).version
        except KeyError:
            expect[id] = found.init_parameter(id, result.best.before[id], parameter.space)
    if _holds(found, result):
        return
    crash_point("before-publish")
    found.publish(dict(result.best.values), expect)
    crash_point("after-publish")


def _holds(store: Any, result: Any) -> bool:
    """Whether the store has the best values already: nothing is written twice."""
    now = {id: parameter.space.encode(parameter.checked(store.get_parameter_value(id))) for id, parameter in result.parameters.items()}
    return all(result.parameters[id].space.encode(value) == now[id] for id, value in result.best.values.items())
