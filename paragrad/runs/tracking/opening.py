"""``track=``: from what people write to trackers that are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from paragrad import events
from paragrad.errors import UsageError
from paragrad.registry import trackers
from paragrad.runs.tracking.base import Tracker
from paragrad.runs.tracking.behind import Behind, warn
from paragrad.runs.tracking.telling import Teller

Subscriber = Callable[[Mapping[str, Any]], None]


def trackers_of(track: Any) -> list[Tracker | Subscriber]:
    """Trackers from names, Trackers and functions; one alone needs no list.

    Raises:
        UnknownName: no tracker is called that.
        UsageError: it is none of these, or its package is not installed.
    """
    given = [track] if isinstance(track, (str, Tracker)) or callable(track) else track
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise UsageError(
            f"track={track!r:.60} is no list of trackers; write track=['tensorboard:DIR', 'mlflow:URI', 'wandb:PROJECT', function]"
        )
    return [_tracker(one) for one in given]


@contextmanager
def tracked(track: Any) -> Iterator[None]:
    """Tell trackers of the run in the block.

    A function is called with every event; a Tracker is told in a thread of its own, so that a slow
    server holds nothing up. One that fails is told nothing more, and one warning says so.

    Args:
        track: see :func:`trackers_of`.
    """
    with ExitStack() as stack:
        for one in trackers_of(track):
            stack.enter_context(_telling(one) if isinstance(one, Tracker) else _calling(one))
        yield


def _tracker(given: Any) -> Tracker | Subscriber:
    if isinstance(given, str):
        name, _, target = given.partition(":")
        made: Tracker = trackers.get(name)(target)
        return made
    if isinstance(given, Tracker) or (callable(given) and not isinstance(given, type)):
        found: Tracker | Subscriber = given
        return found
    raise UsageError(f"{given!r:.60} is no tracker; write a name like 'tensorboard:DIR', a Tracker, or a function of one event")


@contextmanager
def _telling(tracker: Tracker) -> Iterator[None]:
    """A tracker behind its queue."""
    teller = Teller(tracker)
    behind = Behind(tracker.name, teller.hear, teller.end)
    off = events.on("*", behind.hear)
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        off()
        behind.close(error)


@contextmanager
def _calling(function: Subscriber) -> Iterator[None]:
    """A function that is called at once, and no more once it failed."""
    failed = False

    def hear(event: Mapping[str, Any]) -> None:
        nonlocal failed
        if failed:
            return
        try:
            function(event)
        except Exception as error:  # noqa: BLE001  whatever a tracker does wrong, the run goes on
            failed = True
            warn(getattr(function, "__qualname__", type(function).__name__), error)

    off = events.on("*", hear)
    try:
        yield
    finally:
        off()
