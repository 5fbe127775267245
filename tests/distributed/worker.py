"""One process of a data-parallel group: ``worker.py SCENARIO RANK SIZE MEETING_FILE``; prints one JSON object."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import numpy as np

import paragrad as pg
from paragrad.distributed import data_parallel

SCENARIO, RANK, SIZE, PLACE = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


class Program(pg.Module):
    """Parameters of every kind that matters, with values of this process's own."""

    def __init__(self, rank: int) -> None:
        self.prompt: Any = pg.Parameter(f"prompt of {rank}")
        self.scale: Any = pg.Parameter(1.0 + rank)
        self.weight: Any = pg.Parameter(np.full((2, 3), float(rank), "float32"))
        self.own: Any = pg.Parameter(np.full(2, float(rank)), layerwise_parallel=True)
        self.unused: Any = pg.Parameter(np.zeros(2))
        self.small: Any = [pg.Parameter(np.full(3, float(rank))) for _ in range(20)]


def values(program: Program) -> dict[str, Any]:
    """Every value, as JSON."""
    return {name: p.value.tolist() if hasattr(p.value, "tolist") else p.value for name, p in program.named_parameters().items()}


def train() -> Any:
    """A step on this process's own rows; then the same on one process's with all rows is what it must equal."""
    program = Program(RANK)
    versions = {name: p.version for name, p in program.named_parameters().items()}
    with data_parallel(program, **meeting(4, 30)) as group:
        started = values(program)
        written = sorted(name for name, p in program.named_parameters().items() if p.version != versions[name])
        rows = group.part([1.0, 2.0, 3.0, 4.0])
        for x in rows:
            out = (program.weight @ np.full(3, x, "float32"))[0] * program.scale + program.own[0] * x + sum(p[0] for p in program.small)
            out.backward()
        before = {
            name: p.grad[0].value.tolist() if p.grad and hasattr(p.grad[0].value, "tolist") else None
            for name, p in program.named_parameters().items()
        }
        calls = count_reductions(group)
        group.average()
        after = {name: np.asarray(p.grad[0].value).tolist() if p.grad else None for name, p in program.named_parameters().items()}
        return {
            "started": started,
            "written": written,
            "rows": rows,
            "before": before,
            "after": after,
            "reductions": calls,
            "repr": repr(group),
        }


def count_reductions(group: Any) -> list[str]:
    """What is summed over the processes from now on, by name."""
    calls: list[str] = []
    link, plain = group.link, group.link.sum

    def counted(what: str, *tensors: Any) -> None:
        calls.extend([what] * len(tensors))
        plain(what, *tensors)

    link.sum = counted
    return calls


def slices() -> Any:
    """Sharding, DTensors and the way back."""
    from paragrad.distributed import gather, shard

    whole = np.arange(10.0).reshape(5, 2)
    cut = pg.Parameter(whole, name="cut")
    with data_parallel([cut], **meeting(5, 30)) as group:
        shard(cut)
        first = cut.value.tolist()
        shard(cut)
        (cut * 1.0)[0].backward(np.ones(2))
        group.average()
        group.broadcast()
        return {
            "part": first,
            "again": cut.value.tolist(),
            "sliced": cut.sliced,
            "whole": gather(cut).tolist(),
            "grad": cut.grad[0].value.tolist(),
        }


def meeting(number: int, timeout: float) -> dict[str, Any]:
    """How to join a group of its own."""
    return {"init_method": f"file://{PLACE}.{number}", "rank": RANK, "size": SIZE, "timeout": timeout}


def told(error: Exception) -> dict[str, str]:
    return {"error": str(error), "type": type(error).__name__}


def missing() -> Any:
    """The other process never comes."""
    if RANK == 1:
        return None
    with data_parallel(Program(RANK), **meeting(0, 2)):
        return {}


def differ() -> Any:
    """Programs that are not the same."""
    shapes = {0: (2, 3), 1: (3, 2)}
    with data_parallel([pg.Parameter(np.zeros(shapes[RANK]), name="w")], **meeting(1, 30)):
        return {}


def stalled() -> Any:
    """Process 1 does not come to the collective in time."""
    program = Program(RANK)
    with data_parallel(program, **meeting(2, 2)) as group:
        (program.scale * 2.0).backward()
        if RANK == 1:
            time.sleep(4)
        group.average()
    return {}


def killed() -> Any:
    """Process 1 dies before the collective."""
    program = Program(RANK)
    with data_parallel(program, **meeting(3, 20)) as group:
        (program.scale * 2.0).backward()
        if RANK == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            group.average()
        except pg.errors.Outage as error:
            return {**told(error), "grad": program.scale.grad[0].value, "values": values(program)}
    return {}


def failures() -> Any:
    """All that goes wrong, one after the other."""
    found = {}
    for scenario in (differ, stalled, killed, missing):
        try:
            found[scenario.__name__] = scenario()
        except pg.errors.ParagradError as error:
            found[scenario.__name__] = told(error)
        print(json.dumps(found), flush=True)
    return found


def working() -> Any:
    """What goes right."""
    return {"train": train(), "slices": slices()}


if __name__ == "__main__":
    print(json.dumps(globals()[SCENARIO]()))
