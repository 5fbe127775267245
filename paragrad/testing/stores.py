"""Conformance kit of parameter stores: ``check_store(make)``.

    check_store(lambda: MyStore("my://place"))

``make`` gives a store; it may give the same place again and again (other handles on it are then
checked too) or a new one each time. Nothing needs to be empty: every check uses ids of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.testing import (
    store_contention,
    store_gradients,
    store_history,
    store_publish,
    store_refusals,
    store_releases,
    store_sharing,
    store_values,
)
from paragrad.testing.store_kit import CHECKS, Kit

LAWS = (
    store_values,
    store_history,
    store_publish,
    store_gradients,
    store_releases,
    store_sharing,
    store_contention,
    store_refusals,
)
"""The modules whose checks make up the kit."""


def check_store(make: Callable[[], Any], *, corrupt: Callable[[Any, str], None] | None = None, url: str | None = None) -> list[str]:
    """Run every check on stores that ``make`` gives; returns the names of the checks.

    Args:
        make: gives a store.
        corrupt: ``corrupt(store, id)`` damages the stored bytes of the newest version of ``id``; then reading
            it must raise Corrupted.
        url: opens the same place in another process; then two more run beside this one, and one dies.

    Raises:
        AssertionError: with every law that does not hold.
    """
    store = make()
    failed = []
    for check in CHECKS:
        try:
            check(Kit(make, store, corrupt, url))
        except Exception as error:  # noqa: BLE001 - a kit reports whatever a store does wrong
            failed.append(f"{check.__name__}: {(check.__doc__ or '').splitlines()[0]} {type(error).__name__}: {error}")
    if failed:
        raise AssertionError(f"{len(failed)} of {len(CHECKS)} checks failed on {store!r}:\n" + "\n".join(failed))
    return [check.__name__ for check in CHECKS]
