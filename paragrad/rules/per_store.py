"""StoreOptimizer: one rule over some parameters of one store, whatever the store is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

from paragrad.errors import UsageError
from paragrad.registry import facets
from paragrad.rules.base import Rule, State
from paragrad.rules.parts import Part, laid_out


class Prepared(NamedTuple):
    """One store's update, ready to be published; the fields are those of ``store.publish``."""

    store: Any
    values: Mapping[Any, Any]
    expect: Mapping[Any, int] | None = None
    state: Mapping[str, Any] | None = None
    consume: Any = None


class StoreOptimizer:
    """The optimizer of a rule over one store; others derive from it or offer ``prepare`` themselves.

    Args:
        conf: the rule.
        ids: which parameters.
        store: where they live.

    Raises:
        KeyError: unknown id.
        TypeError: a parameter that holds no floats.
        UsageError: an id given twice.
    """

    def __init__(self, conf: Rule, ids: Sequence[Any], store: Any) -> None:
        encode = facets.get("encode_id")
        self.conf = conf
        self.store = store
        self.ids = tuple(encode(id) for id in ids)
        if len(set(self.ids)) < len(self.ids):
            twice = next(id for id in self.ids if self.ids.count(id) > 1)
            raise UsageError(f"{twice!r:.120} is given twice; give every parameter once")
        for id in self.ids:
            value = store.get_parameter_value(id)
            floats(id, value)
            if isinstance(value, int) and store.space(id).spec().get("integer"):
                raise TypeError(f"{id!r:.120} holds whole numbers, a gradient step would be rounded away; give it the space pg.Number()")
        self.state_name = conf.state_name(self.ids)
        own = getattr(store, "apply_rule", None)
        self._own = None if own is None else partial(own, conf, self.ids, self.state_name)

    def prepare(self) -> Prepared:
        """Take the gradients and work out the step; nothing is written.

        The lease in ``consume`` is for the caller to consume or release.

        Raises:
            ValueError: a gradient is nan or infinite; the gradients were given back.
        """
        lease = self.store.take_gradients(self.ids)
        try:
            values, versions, state = self._stepped(lease.gradients)
        except BaseException:  # whatever went wrong, the gradients go back
            lease.release()
            raise
        return Prepared(self.store, values, versions, state, lease)

    def apply_here(self) -> bool:
        """Let the store do the whole update in a way of its own (``store.apply_rule``); False: it has none for this."""
        return self._own is not None and self._own() is not NotImplemented

    def _stepped(self, gradients: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int], dict[str, Any]]:
        import numpy

        entries = {id: self.store.get_entry(id) for id in self.ids}
        state = self.store.state(self.state_name)
        arrays = {id: floats(id, entry.value) for id, entry in entries.items()}
        flat = {id: _flattened(id, gradients[id], arrays[id]) for id in self.ids}
        parts = laid_out(self.conf.elementwise, arrays)
        values: dict[str, Any] = {}
        states: list[tuple[Part, State]] = []
        for part in parts:
            before = self.conf.resume(part, state)
            part.values.flags.writeable = False
            arrayed = any(hasattr(entries[id].value, "shape") for id in part.ids)
            with (
                nullcontext() if arrayed else numpy.errstate(over="ignore", invalid="ignore")
            ):  # a number that overflows is refused by name
                made = self.conf.step(part.values, _together(part, flat), before)
            after, kept = _checked(self.conf, part, made)
            states.append((part, kept))
            values.update(self._split(part, after, entries))
        return values, {id: entry.version for id, entry in entries.items()}, {self.state_name: self.conf.document(states)}

    def _split(self, part: Part, after: Any, entries: Mapping[str, Any]) -> dict[str, Any]:
        """The new value of every parameter of a part, in its own shape and type and inside its bounds."""
        values, start, line = {}, 0, after.ravel()
        for id, size in zip(part.ids, part.sizes, strict=True):
            piece, before = line[start : start + size], entries[id].value
            start += size
            spec = self.store.space(id).spec()
            if spec.get("low") is not None or spec.get("high") is not None:
                piece = _clipped(piece, before, spec)
            if not hasattr(before, "shape") and not isfinite(piece[0]):
                raise ValueError(
                    f"the next value of {id!r:.120} is nan or infinite; nothing was written and the gradients are kept: make the step shorter, "
                    f"or reset_gradient({id!r:.60})"
                )
            values[id] = piece.reshape(before.shape).astype(before.dtype) if hasattr(before, "shape") else float(piece[0])
        return values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.conf!r}, {len(self.ids)} parameters of {self.store!r})"


def _checked(rule: Rule, part: Part, made: Any) -> tuple[Any, State]:
    """What a rule made of a part.

    Raises:
        ValueError, TypeError: no values and state, another shape or type, or a number that is nan or infinite.
    """
    if not isinstance(made, tuple) or len(made) != 2:
        raise TypeError(f"{rule!r:.80}.step returned {made!r:.60}; return (new values, next state)")
    after, before = made[0], part.values
    if getattr(after, "shape", None) != before.shape or after.dtype != before.dtype:
        found = f"{after.dtype}{list(after.shape)}" if hasattr(after, "dtype") else f"a {type(after).__name__}"
        raise ValueError(f"{rule!r:.80} made {found} of {before.dtype}{list(before.shape)}; a step keeps both")
    return after, made[1]


def floats(id: str, value: Any) -> Any:
    """A parameter's value as an array of floats; half precision is widened for the step.

    Raises:
        TypeError: it holds no floats.
    """
    import numpy

    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return numpy.asarray(value, dtype="float64")
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        raise TypeError(f"{id!r:.120} holds a {type(value).__name__} and has no numeric gradient; a rule needs numbers or float arrays")
    if dtype.kind != "f":
        raise TypeError(
            f"{id!r:.120} holds {dtype}, a gradient step would be rounded away; make it with floats, e.g. value.astype('float32')"
        )
    return value.astype("float32") if dtype.name == "float16" else value


def _flattened(id: str, gradient: Any, array: Any) -> Any:
    """A gradient in the type and shape of its array.

    Raises:
        ValueError: it is nan or infinite somewhere.
    """
    import numpy

    found = numpy.asarray(gradient, dtype=array.dtype)
    if not numpy.isfinite(found).all():
        raise not_finite(id, found)
    return found


def not_finite(id: str, gradient: Any) -> ValueError:
    """The error of a gradient that cannot be applied."""
    import numpy

    bad = int(numpy.count_nonzero(~numpy.isfinite(gradient)))
    return ValueError(
        f"the gradient of {id!r:.120} is nan or infinite in {bad} of {gradient.size} elements; nothing was written and the "
        f"gradients are kept: find its cause, then reset_gradient({id!r:.60}) or push finite ones"
    )


def _together(part: Part, gradients: Mapping[str, Any]) -> Any:
    """The gradients of a part as its values lie."""
    import numpy

    if part.values.ndim != 1 or len(part.ids) == 1:
        return gradients[part.ids[0]].reshape(part.values.shape)
    return numpy.concatenate([gradients[id].ravel() for id in part.ids])


def _clipped(piece: Any, before: Any, spec: Mapping[str, Any]) -> Any:
    import numpy

    shape = getattr(before, "shape", ())
    low, high = (None if spec.get(end) is None else numpy.asarray(spec[end], dtype=piece.dtype) for end in ("low", "high"))
    return numpy.clip(piece.reshape(shape), low, high).ravel()
