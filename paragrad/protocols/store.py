"""ParameterStore: where versioned values live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from paragrad.protocols.space import Space

ParameterId = str | tuple[Any, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one parameter. ``version`` is the store's commit that wrote it; ``time`` is Unix seconds."""

    version: int
    value: Any
    time: float
    note: str | None = None


@runtime_checkable
class ParameterStore(Protocol):
    """Versioned values, gradient accumulators, releases. A store counts commits; see ``docs/architecture.md``.

    An id is a string, or a pair (generative function, name). Unknown ids are KeyErrors, values of a
    wrong shape or type are refused before anything is written, a lost race is a ``Conflict``.
    """

    key: Any

    def commit(self) -> int:
        """The number of the latest commit, 0 for an empty store."""

    def init_parameter(self, id: ParameterId, value: Any, space: Space[Any] | None = None) -> int: ...
    def get_parameter_value(self, id: ParameterId, version: int | None = None) -> Any: ...
    def get_entry(self, id: ParameterId, at: int | None = None) -> Entry:
        """The newest version not later than commit ``at`` (None: now)."""

    def space(self, id: ParameterId) -> Space[Any]: ...
    def set_parameter_value(self, id: ParameterId, value: Any, expect: int | None = None) -> int: ...
    def increment_gradient(self, id: ParameterId, delta: Any, scale: float = 1.0, *, token: str | None = None) -> None: ...
    def get_gradient(self, id: ParameterId) -> Any: ...
    def reset_gradient(self, id: ParameterId) -> None: ...
    def take_gradients(self, ids: Sequence[ParameterId]) -> Any: ...
    def publish(
        self,
        values: Mapping[ParameterId, Any],
        expect: Mapping[ParameterId, int] | None = None,
        state: Mapping[str, Any] | None = None,
        consume: Any = None,
    ) -> int: ...
    def state(self, name: str) -> Any:
        """What the latest ``publish(state={name: ...})`` wrote, an optimizer's state; None where nothing did."""

    def ids(self, prefix: str = "") -> Sequence[ParameterId]: ...
    def history(self, id: ParameterId) -> Sequence[Entry]: ...
    def diff(self, id: ParameterId, v1: int, v2: int) -> str: ...
    def rollback(self, id: ParameterId, version: int) -> int: ...
    def release(self, name: str, ids: Sequence[ParameterId] | None = None, note: str | None = None) -> str: ...
    def releases(self, name: str | None = None) -> Sequence[Any]: ...
    def tag(self, release: str, tag: str, expect: str | None = None) -> None: ...
    def at(self, release: str) -> AbstractContextManager[Any]: ...
