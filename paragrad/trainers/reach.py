"""Which trained Parameters an output depends on, and which were read in a way that leads nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from paragrad.errors import NothingToTrain
from paragrad.trace.escapes import Watch, behind
from paragrad.trace.nodes import Version
from paragrad.trace.parameter import Parameter


class Reach:
    """Collected over rows, from any thread.

    Attributes:
        found: ids of trained Parameters that some output depended on.
        outputs: outputs looked at.
        lost: id to "file:line" of reads on which no output depended so far.
    """

    def __init__(self, parameters: Mapping[str, Parameter[Any]]) -> None:
        self.parameters = parameters
        self.found: set[str] = set()
        self.outputs = 0
        self.lost: dict[str, str] = {}
        self._ids = {id(parameter): name for name, parameter in parameters.items()}
        self._lock = Lock()

    def note(self, output: Any, seen: Watch) -> None:
        """Look behind one output."""
        nodes = [node for node in behind([output._n]) if isinstance(node, Version)] if hasattr(output, "_n") else []
        reached = {self._ids.get(id(node.cell.handle())) for node in nodes} - {None}
        with self._lock:
            self.outputs += 1
            self.found |= reached  # type: ignore[arg-type]
            for escape in seen.escapes:
                name = self._ids.get(id(escape.parameter))
                if name is not None:
                    self.lost.setdefault(name, escape.where)

    def refuse(self) -> None:
        """Refuse what could not be trained.

        Raises:
            NothingToTrain: naming what was read, and where.
        """
        lost = {name: where for name, where in self.lost.items() if name not in self.found}
        if self.found and not lost:
            return
        if lost:
            name, where = next(iter(lost.items()))
            raise NothingToTrain(
                f"{name} was read as a plain value at {where}, and the output does not depend on that read, so it could not be trained; "
                "use it in what the program returns (pg.format keeps its place), or leave it out with parameters=[...]"
            )
        names = ", ".join(self.parameters)
        raise NothingToTrain(
            f"the output depends on none of the trained parameters ({names}): no row read them while the program ran; "
            "read them inside the program, not when it is made, or train others with parameters=[...]"
        )
