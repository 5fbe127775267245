"""Which optimizer is chosen for which kind, and the reasons that are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import UnknownName, UsageError
from paragrad.optimizers import BootstrapFewShot, EditSearch, Partition
from paragrad.optimizers.auto import automatic, reasons
from paragrad.optimizers.base import make

TEXT: Any = pg.Parameter("Say it.", name="text")
DEMOS: Any = pg.Parameter(None, name="demos", space=pg.Demos())
NUMBER: Any = pg.Parameter(0.5, name="number")
WEIGHTS: Any = pg.Parameter(np.zeros(3), name="weights")
SETTINGS: Any = pg.Parameter({"steps": 2}, name="settings")


def kinds(parameters: list[Any], **options: Any) -> list[str]:
    return [reason.partition(":")[0] for reason in reasons(automatic(parameters, **options), parameters)]


def test_without_a_model_that_writes() -> None:
    assert isinstance(automatic([TEXT, NUMBER]), EditSearch)
    assert isinstance(automatic([DEMOS]), BootstrapFewShot)
    assert isinstance(automatic([TEXT, DEMOS]), Partition)
    assert kinds([TEXT, DEMOS, NUMBER, WEIGHTS]) == [
        "EditSearch for text, number",
        "BootstrapFewShot for demos",
        "EvolutionStrategy for tensor",
    ]
    with pytest.raises(UsageError, match="no optimizer serves settings"):
        automatic([TEXT, SETTINGS])


def test_with_a_model_that_writes() -> None:
    found = kinds([TEXT, SETTINGS, DEMOS, NUMBER], asks=True)
    assert found == ["Reflect for text, json", "BootstrapFewShot for demos", "EditSearch for number"]
    assert "from what the feedback blames" in reasons(automatic([TEXT], asks=True), [TEXT])[0]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("gepa", "reflect"),
        ("ace", "playbook"),
        ("cma-es", "evolution"),
        ("CMA", "evolution"),
        ("optuna", "tpe"),
        ("reanchor", "thresholds"),
    ],
)
def test_other_names(theirs: str, ours: str) -> None:
    with pytest.raises(UnknownName, match=f"that optimizer is '{ours}' here"):
        make(theirs)
