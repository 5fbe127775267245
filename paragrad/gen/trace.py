"""Trace: one run of a generative function: its choices, their score, and which parameter versions it read."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from paragrad.gen.choices import Choices, join, known, normal

if TYPE_CHECKING:
    from paragrad.gen.environment import Environment, Read
    from paragrad.gen.interface import GenerativeFunction
    from paragrad.gen.parameters import ParameterRead


class Change(Enum):
    """Whether an update changed the return value."""

    NONE = "none"
    UNKNOWN = "unknown"

    @staticmethod
    def between(old: Any, new: Any) -> Change:
        """NONE when both are surely equal."""
        if old is new:
            return Change.NONE
        same = old == new if type(old) is type(new) else False
        return Change.NONE if isinstance(same, bool) and same else Change.UNKNOWN


class Score(float):
    """log p(t, r; x)/q(r; x, t), a float that names the parameter versions it holds for."""

    __slots__ = ("_trace",)
    _trace: Trace

    @property
    def versions(self) -> Mapping[Any, tuple[Any, int]]:
        """Parameter id to (store, version)."""
        return self._trace.versions


class Trace:
    """Immutable. ``trace[address]`` is a choice's value, or what lies below a call.

    Args:
        gen_fn: whose run it is.
        args: its arguments.
        retval: what it returned.
        score: log p(t, r; x)/q(r; x, t); one per sample in a batched trace.
        values: address to value of the choices it made itself.
        env: the environment it ran in.
        logps: address to log probability of those choices.
        calls: address to the trace of what it called.
        reads: parameter id to the value and version it read itself.
        kept: whatever a custom function wants to find again.
    """

    __slots__ = ("_args", "_calls", "_choices", "_env", "_gen_fn", "_kept", "_logps", "_reads", "_retval", "_score", "_values")

    def __init__(
        self,
        gen_fn: GenerativeFunction,
        args: tuple[Any, ...],
        retval: Any,
        score: Any,
        values: dict[Any, Any],
        env: Environment,
        *,
        logps: dict[Any, Any] | None = None,
        calls: dict[Any, Trace] | None = None,
        reads: dict[Any, Any] | None = None,
        kept: Any = None,
    ) -> None:
        self._gen_fn = gen_fn
        self._args = args
        self._retval = retval
        self._score = score
        self._values = values
        self._env = env
        self._logps = logps if logps is not None else {}
        self._calls = calls if calls is not None else {}
        self._reads = reads if reads is not None else {}
        self._kept = kept
        self._choices: Choices | None = None

    @property
    def gen_fn(self) -> GenerativeFunction:
        """The function that made it."""
        return self._gen_fn

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments it ran with."""
        return self._args

    @property
    def retval(self) -> Any:
        """What it returned."""
        return self._retval

    @property
    def score(self) -> Any:
        """log p(t, r; x)/q(r; x, t); ``score.versions`` says for which parameter versions it holds."""
        if not isinstance(self._score, float):
            return self._score
        score = Score(self._score)
        score._trace = self
        return score

    @property
    def choices(self) -> Choices:
        """Every choice, callees' below their addresses."""
        if self._choices is None:
            flat = dict(self._values)
            for address, call in self._calls.items():
                flat.update({join(address, below): value for below, value in call.choices.items()})
            self._choices = Choices.flat(flat)
        return self._choices

    @property
    def calls(self) -> Mapping[Any, Trace]:
        """Address to trace of the calls it made at an address."""
        return MappingProxyType(self._calls)

    @property
    def kept(self) -> Any:
        """What a custom function kept."""
        return self._kept

    @property
    def context(self) -> Mapping[Any, Any]:
        """The parameter context it ran in: key to store."""
        return self._env.context

    @property
    def env(self) -> Environment:
        """The environment it ran in."""
        return self._env

    @property
    def reads(self) -> Mapping[Any, Read | ParameterRead]:
        """Parameter id to what was read (store, value, version), callees' included; a ``pg.Parameter`` is its own id."""
        if not self._calls:
            return self._reads
        found = dict(self._reads)
        for call in self._calls.values():
            found.update(call.reads)
        return found

    @property
    def versions(self) -> Mapping[Any, tuple[Any, int]]:
        """Parameter id to (store, version), for every parameter it read; the store is None where a ``pg.Parameter`` has none."""
        return {id: (read.store, read.version) for id, read in self.reads.items()}

    def __getitem__(self, address: Any) -> Any:
        try:
            return self._values[address]
        except (KeyError, TypeError):
            return self.choices[normal(address)]

    def __contains__(self, address: Any) -> bool:
        return address in self.choices

    def __repr__(self) -> str:
        score = "…" if self._env.size is not None else f"{float(self._score):.6g}"
        return f"Trace({self._gen_fn!r}, score={score}, choices={known(self.choices)})"
