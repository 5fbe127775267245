"""Traces of replays: what a run of the body would have made."""

from __future__ import annotations

from typing import Any

from paragrad.gen.environment import Environment
from paragrad.gen.static.recording import Frame
from paragrad.gen.static.structures import builder
from paragrad.gen.static.symbols import Choice, Opaque
from paragrad.gen.trace import Trace


class Assembly:
    """Makes the trace of one frame from the slots.

    Attributes:
        reads: ids of the parameters that it reads itself.
        inner: the frames in it, by address.
    """

    def __init__(self, frame: Frame) -> None:
        self.gen_fn = frame.gen_fn
        self.reads = list(frame.reads)
        self.inner = {inner.address: Assembly(inner) for inner in frame.frames}
        self._args, self._retval = builder(frame.args), builder(frame.retval)
        chosen = [(address, entry) for address, entry in frame.entries if isinstance(entry, Choice)]
        self._addresses = [address for address, _ in chosen]
        self._places, self._logps = [entry.value for _, entry in chosen], [entry.logp for _, entry in chosen]
        self._calls = [
            (address, entry.trace if isinstance(entry, Opaque) else None)
            for address, entry in frame.entries
            if entry.__class__ is not Choice
        ]
        self._order = [(address, entry.logp if isinstance(entry, Choice) else None) for address, entry in frame.entries]
        self._weights = {address: place + 1 for address, place in self._calls if place is not None}

    def trace(self, s: list[Any], env: Environment, reads: dict[int, Any], args: tuple[Any, ...] | None = None, kept: Any = None) -> Trace:
        """A trace, with those of the frames in it.

        Args:
            reads: what each assembly read, by its ``id()``.
            args: None: as the caller gives them.
        """
        logps = [s[place] for place in self._logps]
        values = dict(zip(self._addresses, [s[place] for place in self._places], strict=True))
        named = dict(zip(self._addresses, logps, strict=True))
        calls = {}
        for address, place in self._calls:
            calls[address] = self.inner[address].trace(s, env, reads) if place is None else s[place]
        score: Any = 0.0
        if not calls:
            for logp in logps:
                score += logp
        else:
            for address, place in self._order:
                score += calls[address]._score if place is None else s[place]
        if args is None:
            args = self._args(s)
        return Trace(self.gen_fn, args, self._retval(s), score, values, env, logps=named, calls=calls, reads=reads[id(self)], kept=kept)

    def weight(self, s: list[Any], trace: Trace) -> Any:
        """The weight of a trace whose own choices are all given."""
        if not self._weights:
            return trace._score
        total: Any = 0.0
        for address, place in self._order:
            if place is not None:
                total += s[place]
            else:
                at = self._weights.get(address)
                total += trace._calls[address]._score if at is None else s[at]
        return total

    def made(self, s: list[Any], env: Environment, reads: dict[int, Any], last: Any) -> dict[Any, tuple[Any, Any]]:
        """What was made up to a call: values with log densities, and traces with weights, by address."""
        found: dict[Any, tuple[Any, Any]] = {}
        values = dict(zip(self._addresses, self._places, strict=True))
        for address, place in self._order:
            if place is not None:
                found[address] = (s[values[address]], s[place])
            elif address in self.inner:
                trace = self.inner[address].trace(s, env, reads)
                found[address] = (trace, trace._score)
            else:
                at = self._weights[address]
                found[address] = (s[at - 1], s[at])
            if address == last:
                break
        return found

    def sorted_reads(self, reads: dict[Any, Any]) -> dict[int, Any]:
        """Everything that was read, by the assembly that reads it."""
        found = {id(self): {key: reads[key] for key in self.reads}}
        for inner in self.inner.values():
            found.update(inner.sorted_reads(reads))
        return found
