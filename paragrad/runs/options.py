"""Options: everything ``fit`` can be told beyond program, data and metric."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from paragrad.errors import UsageError


@dataclass(frozen=True)
class Options:
    """The options of :func:`paragrad.fit`, with their defaults; described there."""

    parameters: Sequence[Any] | None = None
    model: Any = None
    optimizer: Any = "auto"
    optimizer_model: Any = None
    algorithm: Any = "auto"
    objective: Any = None
    budget: Any = "auto"
    run: str | None = None
    resume: Any = "auto"
    fork: bool = False
    seed: int = 0
    workers: int | None = None
    deadline: float | None = 120.0
    progress: Any = "auto"
    callbacks: Sequence[Callable[[Any], None]] = ()
    track: Any = ()
    store: Any = None
    apply: bool = True
    home: Any = None
    journal: bool = True

    def but(self, changes: Mapping[str, Any]) -> Options:
        """These options with some replaced.

        Raises:
            UsageError: an option that ``fit`` does not have, with its nearest relative.
        """
        for name in changes:
            if name not in NAMES:
                near = difflib.get_close_matches(name, NAMES, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(NAMES)}"
                raise UsageError(f"fit has no option {name!r}; {hint}")
        return replace(self, **changes)


NAMES = sorted(field.name for field in fields(Options))
