"""Lanes: one optimizer state per round under way, so that overlapping rounds stay pure and repeatable.

A round proposes with its lane's state, which nobody else touches meanwhile. What other rounds found
is told to the lane when it starts its next one, in the order of the decisions. All of it is plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.optimizers.base import Transform
from paragrad.trainers.observations import restored
from paragrad.trainers.values import Parameters

Lanes = dict[str, Any]


def opened(state: Any, count: int) -> Lanes:
    """``count`` lanes that all start from one optimizer state."""
    return {"lanes": [{"state": state, "told": 0} for _ in range(count)], "news": [], "from": 0}


def take(lanes: Lanes, index: int, optimizer: Transform, parameters: Parameters) -> tuple[Any, Lanes]:
    """The state of a lane once it has heard the news, and the lanes with the news it is done with dropped."""
    lane = lanes["lanes"][index]
    state = lane["state"]
    for news in lanes["news"][lane["told"] - lanes["from"] :]:
        state = optimizer.observe(state, *restored(parameters, news))
    told = lanes["from"] + len(lanes["news"])
    rows = [{"state": state, "told": told} if i == index else row for i, row in enumerate(lanes["lanes"])]
    first = min(row["told"] for row in rows)
    return state, {"lanes": rows, "news": lanes["news"][first - lanes["from"] :], "from": first}


def told(lanes: Lanes, index: int, state: Any, news: Sequence[Mapping[str, Any]]) -> Lanes:
    """The lanes after a round: its lane has the state it came to, and there is news for all."""
    rows = [{**row, "state": state} if i == index else row for i, row in enumerate(lanes["lanes"])]
    return {**lanes, "lanes": rows, "news": [*lanes["news"], *news]}
