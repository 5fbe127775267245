"""``publish_all``: one commit in each of several stores, all or none, also across a crash.

1. Every store stages its part: values are checked, kept aside, their ids held.
2. The coordinator (the first durable store) records the decision. From here on it has happened.
3. Every store commits its part and lets go.

Stop it anywhere: before 2 the next one to open a store undoes its part, after 2 it finishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from paragrad.errors import Conflict, StoreError, UsageError
from paragrad.protocols.store import ParameterId
from paragrad.stores.publish import Plan
from paragrad.stores.staging import ABORT, COMMIT, FORGET, Staging, stage_when_free


@dataclass(frozen=True, slots=True)
class Publication:
    """What one store takes part with; the fields are those of ``publish``."""

    store: Any
    values: Mapping[ParameterId, Any]
    expect: Mapping[ParameterId, int] | None = None
    state: Mapping[str, Any] | None = None
    consume: Any = None


def publish_all(parts: Iterable[Publication | tuple[Any, ...]]) -> list[int]:
    """Publish to several stores: every part, or none.

    Args:
        parts: publications, or tuples ``(store, values, expect, state, consume)`` of which the last three
            may be left out; one per store.

    Returns:
        The commit of each store, in the order of ``parts``.

    Raises:
        UsageError: the same store twice, or one that cannot take part.
        Conflict, KeyError, TypeError, ValueError: as ``publish``; then no store was changed.
        StoreError: a store failed. If it did so after the decision, the message says that the transaction holds.
    """
    todo = [part if isinstance(part, Publication) else Publication(*part) for part in parts]
    _refuse_twins(todo)
    if len(todo) < 2:
        return [part.store.publish(part.values, part.expect, part.state, part.consume) for part in todo]
    coordinator = next((part.store for part in todo if part.store.durable), todo[0].store)
    transaction = uuid4().hex
    _stage_all(todo, transaction, coordinator)
    if coordinator._decide(transaction, COMMIT) != COMMIT:
        _undo(todo, transaction, coordinator)
        raise Conflict("the transaction took too long and was undone by another process; nothing was changed; try again")
    commits = _finish_all(todo, transaction)
    coordinator._decide(transaction, FORGET)
    return commits


def _finish_all(todo: list[Publication], transaction: str) -> list[int]:
    """Commit what was decided, in every store that can be reached.

    Raises:
        StoreError: one cannot; it finishes its part later, as the decision is kept.
    """
    commits: list[int] = []
    failed: list[tuple[Any, StoreError]] = []
    for part in todo:
        try:
            commits.append(part.store._finish(transaction, True) or part.store.commit())
        except StoreError as error:
            failed.append((part.store, error))
    if failed:
        store, why = failed[0]
        raise StoreError(
            f"{store!r} failed after the transaction over {len(todo)} stores was decided ({why}); it holds: do not repeat it, "
            "this store finishes its part when it is opened, recovered (store.recover()) or written again"
        ) from why
    return commits


def _refuse_twins(todo: list[Publication]) -> None:
    seen: list[Any] = []
    for part in todo:
        if not isinstance(part.store, Staging):
            raise UsageError(f"{part.store!r} cannot take part in a transaction; derive it from pg.stores.KeyValueStore")
        if part.store.key in seen:
            raise UsageError(f"{part.store!r} is given twice; put its values into one part")
        seen.append(part.store.key)


def _stage_all(todo: list[Publication], transaction: str, coordinator: Staging) -> None:
    try:
        for part in todo:
            stage_when_free(part.store, transaction, _planner(part), coordinator)
    except BaseException:  # also an interrupt must not leave ids held
        _undo(todo, transaction, coordinator)
        raise


def _planner(part: Publication) -> Callable[[], Plan]:
    store: Staging = part.store
    return lambda: store._plan(part.values, part.expect, part.state, part.consume, None)


def _undo(todo: list[Publication], transaction: str, coordinator: Staging) -> None:
    """Drop what was staged, in every store that can be reached: only this process could have decided to commit."""
    lost = 0
    for act in (partial(coordinator._decide, transaction, ABORT), *(partial(part.store._finish, transaction, False) for part in todo)):
        try:
            act()
        except StoreError:  # it drops its part when it is opened again; the error that led here is the one to tell
            lost += 1
    if not lost:
        coordinator._decide(transaction, FORGET)
