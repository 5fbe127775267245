"""The executor for independent slow calls that have no run of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from paragrad.executors.flow import Flow, Task
from paragrad.executors.threads import Threads

IN_FLIGHT = 64


def gather(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of independent calls, all at once, in order; the first error in order is raised."""
    with Threads(min(IN_FLIGHT, max(1, len(calls)))) as threads:
        return threads.gather(calls)


def flow(tasks: Iterable[Task], follow: Callable[[int, Any], Iterable[Task]]) -> None:
    """Run tasks at once and what ``follow`` makes of their results as it becomes possible; see :class:`paragrad.executors.flow.Flow`."""
    Flow(follow, IN_FLIGHT).run(tasks)
