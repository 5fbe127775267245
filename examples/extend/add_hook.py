"""A trace hook: sees every record as it is made; here it counts operations and what they read."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import paragrad as pg


@dataclass
class Census:
    """How often each operation ran, and which Parameters it was given."""

    runs: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)

    def __call__(self, made: pg.Variable[Any]) -> None:
        """Take one record in. A hook only looks on; it is called in the thread that made the record."""
        self.runs[str(made.grad_fn)] += 1
        self.read.update(v.id for v in made.predecessors.values() if isinstance(v, pg.Parameter))


@pg.bundle
def greet(style: str, name: str) -> str:
    """A greeting."""
    return f"{style} {name}"


if __name__ == "__main__":
    census, style = Census(), pg.param("Dear", name="style")
    stop = pg.hooks.on_record(census)  # or, for one block: with pg.hooks.recording(census)
    for name in ("Ada", "Grace"):
        greet(style, name)
    stop()
    greet(style, "Alan")  # no longer seen
    print(dict(census.runs), dict(census.read))
