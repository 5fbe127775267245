"""The optimizer chosen when none is named: what can be done without a model of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.errors import UsageError
from paragrad.optimizers.base import Transform
from paragrad.optimizers.bootstrap import BootstrapFewShot
from paragrad.optimizers.edit import EditSearch
from paragrad.optimizers.partition import partition


def automatic(parameters: Sequence[Any]) -> Transform:
    """EditSearch for texts, choices and numbers, BootstrapFewShot for demos.

    Raises:
        UsageError: kinds that none of them serves.
    """
    edit, bootstrap = EditSearch(), BootstrapFewShot()
    kinds = list(dict.fromkeys(p.kind for p in parameters))
    unserved = [p.id for p in parameters if p.kind not in edit.kinds | bootstrap.kinds]
    if unserved:
        raise UsageError(
            f"no optimizer serves {', '.join(unserved)} on its own; name one with optimizer=, or leave them out with parameters=[...]"
        )
    chosen = {kind: bootstrap if kind in bootstrap.kinds else edit for kind in kinds}
    return partition(chosen) if len(set(map(id, chosen.values()))) > 1 else next(iter(chosen.values()))
