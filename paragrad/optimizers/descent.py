"""Descent: a numeric update rule as an optimizer, pure for trainers and with a torch-like shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from paragrad.errors import UsageError
from paragrad.events import emit
from paragrad.optimizers.base import Transform
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ParameterEvidence
from paragrad.stores.flat_binding import bound
from paragrad.stores.flat_cells import ParameterGroup
from paragrad.trace.state import STATE, before_write


class Descent(Transform):
    """Steps Numbers and Tensors against the gradient of a loss (of a score: along it); asks no model.

    As a plain value it proposes one candidate from the sums of the numeric gradients in the evidence, inside
    the bounds; Numbers that are whole stay so by rounding. Bound to Parameters that live in no store, it lays
    them out in one array, so that a step is one operation however many there are. Parameters that got no
    gradient are left alone.

    Args:
        rule: a rule of :mod:`paragrad.rules`.
        parameters: Parameters to bind to, or None.
    """

    kinds = frozenset({"number", "tensor"})
    needs = frozenset({"numbers"})
    per_step = 1

    def __init__(self, rule: Any, parameters: Sequence[Any] | None = None) -> None:
        super().__init__(parameters)
        self.rule = rule
        self._groups: list[ParameterGroup] | None = None
        self._states: list[Any] = []
        if self.bound is not None:
            self.bound = [p for p in self.bound if p.requires_grad or self.serves(p)]  # torch's counters among the buffers
            for parameter in self.bound:
                if not self.serves(parameter):
                    raise UsageError(f"{parameter!r:.80} is no number and no tensor of floats; train it with another optimizer")
            if rule.elementwise and STATE.get().overlay is None:
                self._bind()

    def serves(self, parameter: Any) -> bool:
        """Numbers, and tensors of floats."""
        if parameter.kind != "tensor":
            return bool(parameter.kind == "number")
        kind = getattr(getattr(parameter.value, "dtype", None), "kind", None)
        return kind == "f"

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """A rule's state per Parameter, once it was stepped."""
        return {}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """One step for every Parameter that got a numeric gradient; a gradient that is nan or infinite refuses all of it."""
        changes, after = {}, dict(state)
        for id, parameter in evidence.parameters.items():
            gradient = _gradient(parameter)
            if not parameter.trainable or gradient is None or not self.serves(parameter):
                continue
            value = _array(parameter.value)
            slope = _array(gradient).astype(value.dtype).reshape(value.shape)
            if self.rule.elementwise:  # a row of elements: a number is no array to some operations of numpy
                value, slope = value.ravel(), slope.ravel()
            if not _finite(slope):
                emit("warning", text=f"no step: the gradient of {id} is nan or infinite; the Parameters stay as they are")
                return [], state
            moved, kept = self.rule.step(value, slope, _known(self.rule, value, after.get(id)))
            after[id] = {key: item.tolist() if hasattr(item, "tolist") else item for key, item in kept.items()}
            changes[id] = _taken(parameter, moved)
        return ([evidence.candidate(changes, origin=self.describe())], after) if changes else ([], state)

    def __repr__(self) -> str:
        """The rule with its numbers, and how many Parameters it steps."""
        _, _, numbers = repr(self.rule).partition("(")
        over = f" of {len(self.bound)} Parameter{'s'[: len(self.bound) > 1]}" if self.bound is not None else ""
        return f"{type(self).__name__}({numbers}{over}"

    # --- the bound shell ---------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Forget what the Parameters have collected in this context."""
        if self._groups is None or STATE.get().overlay is not None:
            super().zero_grad()
            return
        for group in self._groups:
            for cell in group.cells:
                acc: Any = cell.accumulator
                if acc.texts or acc.scores or acc.episodes or acc.graphs or acc.numbers or acc.parts:
                    acc.clear()
            with group.holding():
                group.clear()

    zero_feedback = zero_grad

    def step(self, candidate: Candidate | None = None) -> bool:
        """Update the Parameters from the gradients they hold, which stay until ``zero_grad``; or write a candidate.

        Returns:
            Whether anything changed.

        Raises:
            ValueError: a gradient is nan or infinite; the message names the Parameter, nothing was changed.
            ProposalError: a space or constraint refuses a value; nothing was written.
        """
        groups = self._groups
        if before_write().overlay is not None or candidate is not None or groups is None:
            return self._by_candidate(candidate)
        if len(groups) == 1 and groups[0].shared and groups[0].gathered():  # what almost every step is
            with groups[0].lock:
                moved = self._moved(0, groups[0].next(self.rule, self._states[0]))
        elif not all([group.gathered() for group in groups]):
            self._bind()
            return self.step()
        else:
            with _holding(groups):
                found = [group.next(self.rule, state) for group, state in zip(groups, self._states, strict=True)]
                moved = any([self._moved(place, made) for place, made in enumerate(found)])
        self._steps += moved
        return moved

    def _moved(self, place: int, made: Any) -> bool:
        """Take what a step made of a group, if it made something."""
        if made is None or self._groups is None:
            return False
        self._groups[place].take(made[0])
        self._states[place] = made[1]
        return True

    def state_dict(self) -> Mapping[str, Any]:
        """Its state as plain data."""
        self._read_states()
        return super().state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        super().load_state_dict(state)
        self._write_states()

    def _by_candidate(self, candidate: Candidate | None) -> bool:
        self._read_states()
        changed = super().step(candidate)
        self._write_states()
        return changed

    def _bind(self) -> None:
        """Lay the Parameters out; where that cannot be, candidates do the work."""
        self._read_states()
        self._groups = bound(self._parameters())
        self._write_states()

    def _read_states(self) -> None:
        """The flat states as the plain data of ``propose``."""
        if self._groups is None or not self._states:
            return
        found = dict(self._state or {})
        for group, state in zip(self._groups, self._states, strict=True):
            for place, id in enumerate(group.ids):
                ends = slice(group.starts[place], group.starts[place + 1])
                shape = group.shapes[place] or ()
                found[id] = {
                    key: item[ends].reshape(shape).tolist() if getattr(item, "shape", None) == group.buffer.shape else _plain(item)
                    for key, item in state.items()
                }
        self._state = found

    def _write_states(self) -> None:
        """The inverse of ``_read_states``."""
        if self._groups is None:
            return
        self._states = [_laid_out(self.rule, group, self._state or {}) for group in self._groups]


def _holding(groups: Sequence[ParameterGroup]) -> ExitStack:
    """Keep gradients out of all of them."""
    stack = ExitStack()
    for group in groups:
        stack.enter_context(group.holding())
    return stack


def _laid_out(rule: Any, group: ParameterGroup, states: Mapping[str, Any]) -> Any:
    import numpy

    made = dict(rule.init(group.buffer))
    for place, id in enumerate(group.ids):
        for key, item in states.get(id, {}).items():
            if getattr(made.get(key), "shape", None) == group.buffer.shape:
                if numpy.size(item) != group.sizes[place]:  # it has got another shape since
                    continue
                made[key] = made[key] if made[key].flags.writeable else made[key].copy()
                made[key][group.starts[place] : group.starts[place + 1]] = numpy.ravel(item)
            elif key in made:
                made[key] = item
    return made


def _gradient(parameter: ParameterEvidence) -> Any:
    """The sum of the numeric gradients, or None."""
    last = parameter.gradients[-1].value if parameter.gradients else None
    return None if last is None or isinstance(last, str) else last


def _array(value: Any) -> Any:
    import numpy

    return numpy.asarray(value, dtype=None if hasattr(value, "dtype") else "float64")


def _finite(array: Any) -> bool:
    import numpy

    return bool(numpy.isfinite(array).all())


def _known(rule: Any, value: Any, state: Mapping[str, Any] | None) -> Any:
    """A state as arrays; of a Parameter that has got another shape since, a new one."""
    import numpy

    made = dict(rule.init(value))
    for key, item in made.items():
        kept = state.get(key) if state is not None else None
        if hasattr(item, "dtype") and kept is not None and numpy.size(kept) == item.size:
            made[key] = numpy.asarray(kept, item.dtype).reshape(item.shape)
        elif not hasattr(item, "dtype") and kept is not None:
            made[key] = kept
    return made


def _plain(item: Any) -> Any:
    return item.tolist() if hasattr(item, "tolist") else item


def _taken(parameter: ParameterEvidence, moved: Any) -> Any:
    """The new value inside the bounds, rounded where it must be whole."""
    spec = parameter.space.spec()
    if parameter.kind == "number":
        number = float(moved.ravel()[0])
        return parameter.space.apply(parameter.value, number - parameter.value) if spec.get("integer") else _within(spec, number)
    return _within(spec, moved.reshape(parameter.value.shape))


def _within(spec: Mapping[str, Any], value: Any) -> Any:
    if spec.get("low") is None and spec.get("high") is None:
        return value
    import numpy

    low, high = (None if spec.get(end) is None else numpy.asarray(spec[end]) for end in ("low", "high"))
    clipped = numpy.clip(value, low, high)
    return float(clipped) if isinstance(value, float) else clipped.astype(value.dtype)
