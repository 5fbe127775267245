"""The parameters that a loop's bodies read, one update after another: each time all of them at once, as leaves of a new tape."""

from __future__ import annotations

from typing import Any

from paragrad.gen.environment import Environment, Read
from paragrad.gen.structures import is_real
from paragrad.gen.tape import Tracked, sweep
from paragrad.gen.training.sums import GradientSum


class Leaves:
    """Parameters by owner and name; those that were read in an earlier update are read together at the next one's beginning.

    Args:
        tracked: whether their derivatives are wanted.

    Attributes:
        of: owner to name to leaf, or value where there is no derivative.
    """

    __slots__ = ("_env", "_known", "_reads", "_tape", "of", "tracked")

    def __init__(self, tracked: bool) -> None:
        self.tracked = tracked
        self.of: dict[Any, dict[str, Any]] = {}
        self._env: Environment | None = None
        self._tape: list[Tracked] = []
        self._known: dict[Any, tuple[Any, dict[str, str]]] = {}  # owner to store and name to id
        self._reads: dict[tuple[Any, str], Read] = {}  # where derivatives go

    def begin(self, env: Environment) -> None:
        """Forget the values; read what is known by now as the environment has it."""
        self._env = env
        self.of, self._tape, tracked = {}, [], self.tracked
        for owner, (store, ids) in list(self._known.items()):
            several = getattr(store, "newest_values", None)
            found = several(list(ids.values()), env.pin(store)) if several is not None and env.store(owner) is store else None
            if found is None:
                del self._known[owner]
            else:
                made, tape = self._made, self._tape
                self.of[owner] = {
                    name: Tracked(value, tape) if tracked and value.__class__ is float else made(value)
                    for name, value in zip(ids, found[1], strict=True)
                }

    def read(self, owner: Any, name: str, init: Any) -> Any:
        """The leaf of a parameter that this update has not met yet."""
        view = self._env.view(owner)  # type: ignore[union-attr]  # begun
        read = view.reads.get(name) or view.fetch(owner, name, init)
        self._known.setdefault(owner, (read.store, {}))[1][name] = read.id
        self._reads[owner, name] = read
        leaf = self.of.setdefault(owner, {})[name] = self._made(read.value)
        return leaf

    def gradient(self) -> GradientSum:
        """What has reached the leaves."""
        found = GradientSum()
        if self.tracked:
            sweep(self._tape)
            for owner, leaves in self.of.items():
                for name, leaf in leaves.items():
                    if leaf.__class__ is Tracked and leaf.grad is not None:
                        found.sums[owner, name], found.reads[owner, name] = leaf.grad, self._reads[owner, name]
        return found

    def _made(self, value: Any) -> Any:
        return Tracked(value, self._tape) if self.tracked and (value.__class__ is float or is_real(value)) else value
