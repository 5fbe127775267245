"""What describes a Parameter and is not its value: id, name, role, space, rules."""

from __future__ import annotations

from collections import deque
from typing import Any
from uuid import uuid4

from paragrad.errors import UsageError
from paragrad.protocols.store import Entry


class Meta:
    """What describes a Parameter and is not its value."""

    __slots__ = (
        "constraint", "history", "id", "instruction_to_critic", "instruction_to_optimizer", "layerwise_parallel", "name", "path", "peers", "role", "space",
        "store", "variable_id",
    )  # fmt: skip

    def __init__(self, name: str | None, role: str | None, space: Any, constraint: Any, store: Any) -> None:
        self.name = name
        self.role = role
        self.space = space
        self.constraint = constraint
        self.store = store
        self.path: str | None = None
        self.id: str | None = None
        self.variable_id: str | None = None
        self.layerwise_parallel = False
        self.instruction_to_optimizer: str | None = None
        self.instruction_to_critic: str | None = None
        self.history: deque[Entry] = deque(maxlen=64)
        self.peers: dict[int, Any] = {}


class Described:
    """The describing half of a Parameter."""

    __slots__ = ()

    _meta: Meta

    @property
    def id(self) -> str:
        """Its name in stores and records: ``name=``, else the path from the program, else a private label."""
        meta = self._meta
        return meta.name or meta.path or meta.id or _private(meta)

    @property
    def name(self) -> str:
        """The label; "Parameter" when none was given."""
        return self._meta.name or self._meta.path or "Parameter"

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and (not isinstance(name, str) or not name.strip()):
            raise ValueError(f"a Parameter's name is a non-empty str, not {name!r}")
        self._meta.name = name.strip() if name else None

    @property
    def role(self) -> str | None:
        """What it is for; by default its path in words."""
        return self._role()

    @role.setter
    def role(self, role: str | None) -> None:
        self._meta.role = role

    def _role(self) -> str | None:
        meta = self._meta
        return meta.role or (meta.path.replace(".", " ").replace("_", " ") if meta.path else None)

    @property
    def variable_id(self) -> str:
        """Unique and stable over versions and contexts; copies and other processes get their own."""
        meta = self._meta
        if meta.variable_id is None:
            meta.variable_id = uuid4().hex
        return meta.variable_id

    @property
    def kind(self) -> str:
        """The kind of its space: "text", "choice", ...; "unset" before the first value."""
        return self._meta.space.kind if self._meta.space is not None else "unset"

    @property
    def space(self) -> Any:
        """The space of its values."""
        return self._meta.space

    def _space(self) -> Any:
        return self._meta.space

    @property
    def constraint(self) -> Any:
        """The rule for proposals."""
        return self._meta.constraint

    @property
    def layerwise_parallel(self) -> bool:
        """Whether data-parallel training leaves it alone."""
        return self._meta.layerwise_parallel


def _private(meta: Meta) -> str:
    meta.id = f"parameter-{uuid4().hex[:8]}"
    return meta.id


def refuse_unnamed(parameter: Any) -> None:
    """A Parameter in a store needs a lasting id.

    Raises:
        UsageError: it has neither a name nor a place in a program.
    """
    if not (parameter._meta.name or parameter._meta.path):
        raise UsageError(
            f"this Parameter ({parameter.role or parameter.kind}) has no name, so a store could not find it again; give it name=..."
        )
