"""What tests of several folders share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from paragrad.trace.nodes import Node
from tests.servers import postgres as postgres  # fixtures
from tests.servers import redis as redis


def alive() -> int:
    """Nodes now alive, by asking the collector for every object it tracks."""
    return sum(issubclass(type(x), Node) for x in gc.get_objects())


@pytest.fixture
def left_alive() -> Iterator[Callable[[], int]]:
    """With the cyclic collector off: how many more nodes are alive than at the start of the test."""
    gc.collect()
    gc.disable()
    try:
        before = alive()
        yield lambda: alive() - before
    finally:
        gc.enable()
