"""Kill a writer of a FileStore before, or in the middle of, each single operation on a file."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

from paragrad import stores
from paragrad.stores.files import manifest

OPERATIONS = ("pwrite", "fsync", "fdatasync", "ftruncate", "replace", "unlink", "mkdir", "open")
BIG = numpy.arange(8_000.0)


def steps() -> list[Callable[[Any], Any]]:
    """What the writer does, one commit or push per step; a lease goes from one step to the next."""
    leases: list[Any] = []
    return [
        lambda store: store.init_parameter("a", "one"),
        lambda store: store.init_parameter("w", numpy.zeros(8_000)),
        lambda store: store.publish({"a": "two", "w": BIG}),
        lambda store: store.increment_gradient("w", BIG, token="push"),
        lambda store: store.increment_gradient("w", BIG, 2.0),
        lambda store: leases.append(store.take_gradients(["w"])),
        lambda store: store.publish({"w": BIG * 4, "a": "three"}, state={"t": {"m": BIG}}, consume=leases[0]),
        lambda store: store.release("r", note="first"),
        lambda store: store.tag("r@1", "live"),
        lambda store: store.rollback("a", 3),
    ]


def describe(url: str) -> Any:
    """Everything a store holds, without times."""
    store = stores.open(url)
    found = []
    for id in store.ids():
        found += [(id, entry.version, numpy.asarray(entry.value).tolist(), entry.note) for entry in store.history(id)]
    if "w" in store.ids():
        found.append(("gradient", store.get_gradient("w").tolist(), store.get_gradient_count("w")))
    state = store.state("t")
    found.append(("state", None if state is None else state["m"].tolist()))
    found.append(("releases", [(str(release), dict(release.versions), release.tags) for release in store.releases()]))
    found.append(("commit", store.commit()))
    store.close()
    return found


def writer(url: str, many: int, kill_at: int, half: bool, renew: bool) -> tuple[int, bool]:
    """Run the first ``many`` steps in a child that dies at its ``kill_at``-th operation; returns acknowledged steps, and whether it died."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            acknowledge = os.write
            if renew:
                manifest._GROWTH = -(1 << 40)  # the manifest is written anew at every commit
            _arm(kill_at, half)
            store = stores.open(url)
            for step in steps()[:many]:
                step(store)
                acknowledge(theirs, b".")
        finally:
            os._exit(0)
    os.close(theirs)
    said = b""
    while part := os.read(ours, 100):
        said += part
    os.close(ours)
    status = os.waitpid(child, 0)[1]
    return len(said), os.WIFSIGNALED(status)


def _arm(kill_at: int, half: bool) -> None:
    """Count operations on files; die at the given one, ``half``: after half of what it would write."""
    count = 0

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == kill_at:
                if half and name == "pwrite":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2], args[2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return operation

    for name in OPERATIONS:
        setattr(os, name, counted(name, getattr(os, name)))


def kill_everywhere(folder: Path, stride: int, half: bool, renew: bool) -> tuple[int, int]:
    """Kill at every ``stride``-th operation; returns kills and the operations there are. A mixed state is an assertion."""
    expected = []
    for many in range(len(steps()) + 1):
        url = f"file://{folder / f'calm{many}'}"
        assert writer(url, many, 0, False, renew) == (many, False)
        expected.append(describe(url))
    kills, place = 0, 1
    while True:
        torn = folder / "torn"
        shutil.rmtree(torn, ignore_errors=True)
        acknowledged, died = writer(f"file://{torn}", len(steps()), place, half, renew)
        if not died:
            return kills, place
        found = describe(f"file://{torn}")
        assert found in expected[acknowledged : acknowledged + 2], f"killed at operation {place}: half a commit"
        left = [path for path in torn.rglob("*.tmp")]
        assert not left, f"killed at operation {place}: {left} was not swept"
        kills += 1
        place += stride
