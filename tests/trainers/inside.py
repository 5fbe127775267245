"""A look into a run: a function that gets the session where a trainer's step would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from paragrad.data import DataLoader
from paragrad.llm import stack
from paragrad.llm.fake import Fake
from paragrad.trainers import AlgorithmBase
from tests.trainers.scripted import Mixed, metric, model, rows


def inside(probe: Callable[[Any, Any, Any], Any], *, program: Any = None, optimizer: Any = "edit", **options: Any) -> tuple[Any, Fake]:
    """What ``probe(trainer, session, state)`` returns in the first step of a run, and the backend the run asked."""

    class Inside(AlgorithmBase):
        def step(self, session: Any, state: Any) -> Any:
            found.append(probe(self, session, state))
            return replace(state, done="seen")

    found: list[Any] = []
    wire = Fake(options.pop("script", model))
    known = stack(wire, cache=False)
    given = {"validate": rows("v", 6), "model": known, "optimizer_model": known, "journal": False, "budget": "400 calls", **options}
    program = Mixed() if program is None else program
    Inside(program, optimizer, DataLoader(rows("x", 8), 4), given.pop("guide", metric), **given).train()
    return found[0], wire
