"""Gradients of traces: of arguments and choices, and of parameters, which go to the stores they were read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from paragrad.errors import StaleTrace, UsageError
from paragrad.events import emit
from paragrad.gen.choices import Choices, Selection, select, selection_of
from paragrad.gen.environment import Read, anew
from paragrad.gen.parameters import named
from paragrad.gen.trace import Trace
from paragrad.stores.accumulate import within

_ALL, _NONE = ~select(), select()
STALE = ("raise", "keep", "reevaluate")


class ParamGradients(NamedTuple):
    """Derivatives of one trace (or batch) that have not been pushed yet.

    Attributes:
        trace: the trace they belong to; another than the one given under ``stale="reevaluate"``.
        args: per argument, None where it is not marked.
        params: parameter id to derivative.
    """

    trace: Trace
    args: tuple[Any, ...]
    params: dict[Any, Any]


def choice_gradients(trace: Trace, selection: Selection | Any = None, retgrad: Any = None) -> tuple[tuple[Any, ...], Choices, Choices]:
    """Derivatives of log p(t, r; x) + J in the arguments and the selected choices; dJ/dretval is ``retgrad``.

    Args:
        selection: which choices; None: all that have a derivative.

    Returns:
        (argument gradients, values of the selected choices, their gradients). An argument that is not marked
        ``gen.Grad`` has None; a choice without a derivative is left out.

    Raises:
        UsageError: a ``retgrad`` for a function whose return value is not marked.
    """
    _refuse_retgrad(trace, retgrad)
    f = trace.gen_fn
    found = f.gradients(trace, _ALL if selection is None else selection_of(selection), retgrad, f.argument_grads)
    values = trace.choices
    return _arguments(trace, found.args), Choices.flat({address: values[address] for address in found.choices}), Choices.flat(found.choices)


def accumulate_param_gradients(trace: Trace, retgrad: Any = None, scale: Any = 1.0, stale: str = "raise") -> tuple[Any, ...]:
    """Add scale * d(log p(t, r; x) + J)/dparameter to the stores the trace read from; safe from many threads.

    A ``pg.Parameter`` has it in its ``.grad``, in the context in which it was read, with the same sign: an optimizer that
    subtracts gradients (SGD, Adam) goes uphill with ``maximize=True``, or with ``scale=-1``.

    All or nothing: every derivative is found first, then all are pushed.

    Args:
        retgrad: dJ/dretval.
        scale: a number; for a batched trace also an array with one factor per sample.
        stale: what to do when a parameter was updated since it was read. "raise"; "keep": push the derivative at
            the values that were read, with a ``warning`` event; "reevaluate": take it at the current values, with the same choices.

    Returns:
        The argument gradients; a plain number ``scale`` does not scale them. None for an argument that is not marked.

    Raises:
        StaleTrace: a parameter has moved on; it names the parameter and both versions.
        UsageError: a ``retgrad`` for a function whose return value is not marked.
    """
    if isinstance(scale, int | float):
        found = param_gradients(trace, retgrad, stale=stale)
        push_gradients(found, float(scale))
    else:
        found = param_gradients(trace, retgrad, scale, stale)
        push_gradients(found)
    if stale == "keep" and (moved := moved_on(trace)):
        emit("warning", text=f"a stale gradient was kept: {_moved(trace, moved)}")
    return found.args


def param_gradients(trace: Trace, retgrad: Any = None, scale: Any = 1.0, stale: str = "raise") -> ParamGradients:
    """What ``accumulate_param_gradients`` would push, for loops that add up several traces first."""
    _refuse_retgrad(trace, retgrad)
    if isinstance(scale, str):
        raise UsageError(f"scale={scale!r:.40} is no factor; give a number, or for a batched trace one per sample")
    shape = getattr(scale, "shape", ())
    if shape not in ((), (trace.env.size,)):
        wanted = f"a number, or {trace.env.size} of them, one per sample" if trace.env.size is not None else "a number"
        raise UsageError(f"scale has the shape {shape}; give {wanted}")
    if stale not in STALE:
        raise UsageError(f"stale={stale!r} is none of {', '.join(map(repr, STALE))}")
    if stale != "keep":
        moved = moved_on(trace)
        if moved and stale == "raise":
            raise _stale(trace, moved)
        if moved:
            trace = reevaluated(trace)
    if retgrad is not None and scale.__class__ is not float:
        retgrad = retgrad * scale
    found = trace.gen_fn.gradients(trace, _NONE, retgrad, trace.gen_fn.argument_grads, scale)
    return ParamGradients(trace, _arguments(trace, found.args), found.params)


def push_gradients(found: ParamGradients, scale: float = 1.0) -> None:
    """Add derivatives to the stores their trace read from, and to the ``.grad`` of the ``pg.Parameter``s it read.

    If one store fails, what others got is taken back.

    Raises:
        ValueError: a derivative is nan or infinite; it names the parameter, and nothing was pushed.
    """
    reads = found.trace.reads
    push_all([(id, reads[id], grad) for id, grad in found.params.items()], scale)


def push_all(found: Sequence[tuple[Any, Any, Any]], scale: float = 1.0) -> None:
    """Push derivatives to where their parameters were read, all or none; what cannot fail comes last.

    Args:
        found: parameter id, what was read, derivative.
        scale: a factor of all.
    """
    refuse_unfinished([(id, grad) for id, _, grad in found], scale)
    own, stored = [], []
    for _, read, grad in found:
        if read.__class__ is Read:
            stored.append((read, grad))
        else:
            own.append((read, read.fitting(grad, scale)))
    done: list[tuple[Read, Any]] = []
    try:
        for read, grad in stored:
            read.store.increment_gradient(read.id, grad, scale)
            done.append((read, grad))
    except BaseException:  # whatever went wrong, no half of it stays
        for read, grad in done:
            read.store.increment_gradient(read.id, grad, -scale)
        raise
    for shared, grad in own:
        shared.deliver(grad)


def refuse_unfinished(params: Iterable[tuple[Any, Any]], scale: float = 1.0) -> None:
    """Refuse derivatives that a store would refuse, before the first is pushed: taking others back would cost digits."""
    for id, grad in params:
        if isfinite(grad * scale) if grad.__class__ is float else _finite(grad, scale):
            continue
        times = "" if scale == 1.0 else f", times the scale {scale:g},"
        raise ValueError(
            f"the derivative for {named(id, 'the parameter ')}{times} is nan or infinite ({grad!r:.80}); nothing was pushed: "
            "look for a choice of nan, one outside its support, the log of 0 or a division by 0 in the body"
        )


def _finite(grad: Any, scale: float) -> bool:
    import numpy

    array = numpy.asarray(grad)
    return array.dtype.kind != "f" or within(array, scale) or bool(numpy.isfinite(array * scale).all())


def moved_on(trace: Trace) -> dict[Any, tuple[int, int]]:
    """Parameters that were written since the trace read them: id to (version read, version now)."""
    if trace.env.snapshot is None and all(int(_now(store).commit()) == commit for store, commit in trace.env.pins.items()):
        return {}
    commits: dict[Any, int] = {}
    found = {}
    for id, read in trace.reads.items():
        if not isinstance(read, Read):
            now = read.now()
            if now != read.version:
                found[id] = (read.version, now)
            continue
        store = read.store
        commit = commits.get(store)
        if commit is None:
            commit = commits[store] = int(_now(store).commit())
        if commit != read.commit:
            now = version_now(read)
            if now != read.version:
                found[id] = (read.version, now)
    return found


def reevaluated(trace: Trace) -> Trace:
    """The same choices at the current parameters."""
    env = anew(trace.env, None, {key: _now(store) for key, store in trace.context.items()})
    return trace.gen_fn.assess(trace.args, trace.choices, env)


def _now(store: Any) -> Any:
    """The store itself, of one that is read as of a release."""
    return getattr(store, "now", store)


def version_now(read: Read) -> int:
    """The version of a function's parameter at present."""
    version = getattr(read.store, "version", None)
    return int(version(read.id)) if version is not None else int(read.store.get_entry(read.id).version)


def _stale(trace: Trace, moved: Mapping[Any, tuple[int, int]]) -> StaleTrace:
    return StaleTrace(
        f'{_moved(trace, moved)}; make a new trace, or say stale="reevaluate" (at the current values) or stale="keep" (at those it read)'
    )


def _moved(trace: Trace, moved: Mapping[Any, tuple[int, int]]) -> str:
    id, (old, new) = next(iter(moved.items()))
    others = f" (and {len(moved) - 1} more)" if len(moved) > 1 else ""
    return f"the trace of {trace.gen_fn!r} read {named(id)} at version {old}, which is at {new} now{others}"


def _arguments(trace: Trace, grads: tuple[Any, ...]) -> tuple[Any, ...]:
    """Zero where a marked argument was not reached, None where it is not marked."""
    marks = [*trace.gen_fn.argument_grads, *[False] * len(trace.args)]
    filled = [
        (_zero(arg) if grad is None else grad) if marked else None for arg, grad, marked in zip(trace.args, grads, marks, strict=False)
    ]
    return tuple(filled)


def _zero(arg: Any) -> Any:
    return 0.0 * arg if isinstance(arg, float) or hasattr(arg, "dtype") else None


def _refuse_retgrad(trace: Trace, retgrad: Any) -> None:
    if not isinstance(trace, Trace):
        hint = "generate and update give a tuple: take its first" if isinstance(trace, tuple) else "gen.simulate and gen.generate make one"
        raise UsageError(f"{trace!r:.80} is no trace; {hint}")
    if retgrad is not None and not trace.gen_fn.output_grad:
        raise UsageError(
            f"the return value of {trace.gen_fn!r} is not marked as differentiable, so it takes no retgrad; annotate it "
            "-> gen.Grad[float], or write @gen.generative(grad=('return',))"
        )
