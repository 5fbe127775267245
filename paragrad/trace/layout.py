"""Where boxes go: layers by longest path, a few sweeps to untangle; linear in nodes and edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 200, 46, 24, 48, 20


@dataclass(slots=True)
class Box:
    """A rectangle, in pixels."""

    x: float
    y: float
    width: int = WIDTH
    height: int = HEIGHT


def placed(count: int, arrows: Sequence[tuple[int, int]]) -> tuple[list[Box], int, int]:
    """One box per node, inputs above their consumers; and the picture's width and height."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in arrows:
        before[b].append(a)
        after[a].append(b)
    level = _levels(count, before, after)
    rows: list[list[int]] = [[] for _ in range(max(level, default=0) + 1)]
    for node in range(count):
        rows[level[node]].append(node)
    for _ in range(3):
        _sort(rows, before, down=True)
        _sort(rows, after, down=False)
    widest = max((len(row) for row in rows), default=1)
    width = MARGIN * 2 + widest * WIDTH + (widest - 1) * GAP_X
    boxes = [Box(0, 0)] * count
    for y, row in enumerate(rows):
        start = (width - len(row) * WIDTH - (len(row) - 1) * GAP_X) / 2
        for x, node in enumerate(row):
            boxes[node] = Box(start + x * (WIDTH + GAP_X), MARGIN + y * (HEIGHT + GAP_Y))
    return boxes, width, MARGIN * 2 + len(rows) * HEIGHT + (len(rows) - 1) * GAP_Y


def _levels(count: int, before: list[list[int]], after: list[list[int]]) -> list[int]:
    """Layers: an input sits right above the first consumer that needs it."""
    waiting = [len(b) for b in before]
    ready = [n for n in range(count) if not waiting[n]]
    level = [0] * count
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for consumer in after[node]:
            level[consumer] = max(level[consumer], level[node] + 1)
            waiting[consumer] -= 1
            if not waiting[consumer]:
                ready.append(consumer)
    for node in reversed(order):
        if after[node] and not before[node]:
            level[node] = min(level[c] for c in after[node]) - 1
    return level


def _sort(rows: list[list[int]], neighbours: list[list[int]], *, down: bool) -> None:
    """Order each row by the mean place of its neighbours."""
    place = {node: i for row in rows for i, node in enumerate(row)}
    for row in rows if down else reversed(rows):
        key = {n: sum(place[m] for m in neighbours[n]) / len(neighbours[n]) if neighbours[n] else place[n] for n in row}
        row.sort(key=key.__getitem__)
        place.update({node: i for i, node in enumerate(row)})
