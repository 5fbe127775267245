"""``publish_all``: one commit in each of several stores, all or none, also across a crash.

1. Every store stages its part: values are checked, kept aside, their ids held.
2. The coordinator (the first durable store) records the decision. From here on it has happened.
3. Every store commits its part and lets go.

Stop it anywhere: before 2 the next one to open a store undoes its part, after 2 it finishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from paragrad.errors import Conflict, UsageError
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
    commits = [part.store._finish(transaction, True) or part.store.commit() for part in todo]
    coordinator._decide(transaction, FORGET)
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
    coordinator._decide(transaction, ABORT)
    for part in todo:
        part.store._finish(transaction, False)
    coordinator._decide(transaction, FORGET)
