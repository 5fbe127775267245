"""Gradients of a body: run it with tracked numbers on the trace's values, then one sweep back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paragrad.errors import UsageError
from paragrad.gen.calling import RUNNING
from paragrad.gen.choices import MISSING, Selection, join, normal
from paragrad.gen.interface import Gradients
from paragrad.gen.structures import collect, collected, is_real, track, tracks, untracked
from paragrad.gen.tape import Tracked, derive_pair, pulled, sweep

if TYPE_CHECKING:
    from paragrad.gen.interface import GenerativeFunction
    from paragrad.gen.trace import Trace


class Tracking:
    """One execution on recorded values; what :class:`paragrad.gen.running.Run` is for the other verbs."""

    __slots__ = ("calls", "densities", "found", "gen_fn", "leaves", "owner", "params", "scale", "selection", "some", "tape", "trace")

    def __init__(self, trace: Trace, selection: Selection, scale: Any) -> None:
        self.trace = trace
        self.gen_fn = self.owner = trace.gen_fn
        self.selection = selection
        self.some = not selection.empty
        self.scale = scale
        self.tape: list[Tracked] = []
        self.params: dict[Any, Tracked] = {}
        self.leaves: dict[Any, Tracked] = {}
        self.densities: list[tuple[Any, Any, Tracked | None]] = []
        self.found: Gradients = Gradients(())

    @property
    def size(self) -> int | None:
        """Samples of a batch."""
        return self.trace.env.size

    def param(self, name: str, init: Any) -> Any:
        """The value the trace read, as a leaf."""
        id = (self.owner, name)
        leaf = self.params.get(id)
        if leaf is not None:
            return leaf
        value = self.trace._reads[id].value
        if value.__class__ is not float and not is_real(value):
            return value
        leaf = self.params[id] = Tracked(value, self.tape)
        return leaf

    def parameter(self, parameter: Any) -> Any:
        """The value that was read of a ``pg.Parameter``, as a leaf if it is trained."""
        leaf = self.params.get(parameter)
        if leaf is not None:
            return leaf
        read: Any = self.trace._reads.get(parameter)
        if read is None:
            raise _strayed(self.gen_fn, parameter.id)
        if not read.trained():
            return read.value
        leaf = self.params[parameter] = Tracked(read.value, self.tape)
        return leaf

    def choice(self, dist: Any, address: Any) -> Any:
        """The recorded value; a leaf if it is selected."""
        if address.__class__ is not str and address.__class__ is not int:
            address = normal(address)
        value = self.trace._values.get(address, MISSING)
        if value is MISSING:
            raise _strayed(self.gen_fn, address)
        if self.some and dist.differentiable and address in self.selection:
            leaf = self.leaves[address] = Tracked(value, self.tape)
            self.densities.append((dist, value, leaf))
            return leaf
        self.densities.append((dist, value, None))
        return value

    def call(self, gen_fn: GenerativeFunction, args: tuple[Any, ...], address: Any) -> Any:
        """What the call returned, as leaves; the sweep asks the callee for its gradients."""
        if address is None:
            owner, self.owner = self.owner, gen_fn
            try:
                return gen_fn.function(*args)  # type: ignore[attr-defined]
            finally:
                self.owner = owner
        address = normal(address)
        trace = self.trace._calls.get(address)
        if trace is None:
            raise _strayed(self.gen_fn, address)
        retval = track(trace.retval, self.tape)
        needed = [tracks(arg) for arg in args]

        def pull(_: Any) -> None:
            inner = gen_fn.gradients(trace, self.selection.sub(address), collected(retval), needed, self.scale)
            for arg, grad in zip(args, inner.args, strict=False):
                collect(arg, grad)
            self.found.choices.update({join(address, below): grad for below, grad in inner.choices.items()})
            merge(self.found.params, inner.params)

        pulled(None, self.tape, pull).grad = 1.0
        return retval

    def seed(self) -> None:
        """Hand the derivatives of every choice's density to its value and arguments."""
        scale = self.scale
        if scale.__class__ is float and not scale:
            return
        for dist, value, leaf in self.densities:
            args = dist.args
            if leaf is None and len(args) == 2 and scale.__class__ is float and derive_pair(dist, value, args[0], args[1], scale):
                continue
            if leaf is None:
                for arg in args:
                    if arg.__class__ is Tracked or (arg.__class__ is not float and tracks(arg)):
                        break
                else:
                    continue
            d_value, d_args = _density_grad(dist, value, args)
            if leaf is not None and d_value is not None:
                leaf.collect(scaled(d_value, scale))
            for arg, grad in zip(args, d_args, strict=False):
                if arg.__class__ is Tracked:
                    if grad is not None:
                        arg.collect(scaled(grad, scale))
                elif grad is not None and (arg.__class__ is list or arg.__class__ is tuple):
                    spread(arg, grad, scale)


def gradients(f: Any, trace: Trace, selection: Selection, retgrad: Any, needed: Sequence[bool], scale: Any = 1.0) -> Gradients:
    """See ``GenerativeFunction.gradients``."""
    run = Tracking(trace, selection, scale)
    args = tuple([track(arg, run.tape) if want else arg for arg, want in zip(trace.args, _filled(needed, len(trace.args)), strict=True)])
    token = RUNNING.set(run)  # type: ignore[arg-type]
    try:
        retval = f.function(*args)
        run.seed()
    finally:
        RUNNING.reset(token)
    collect(retval, retgrad)
    sweep(run.tape)
    found = run.found
    found.args = tuple([collected(arg) for arg in args])
    found.choices.update({address: leaf.grad for address, leaf in run.leaves.items() if leaf.grad is not None})
    merge(found.params, {id: leaf.grad for id, leaf in run.params.items() if leaf.grad is not None})
    return found


def merge(into: dict[Any, Any], more: dict[Any, Any]) -> None:
    """Add derivatives by key."""
    for key, grad in more.items():
        into[key] = grad if key not in into else into[key] + grad


def scaled(grad: Any, scale: Any) -> Any:
    """A derivative times the trace's factor; one factor per sample multiplies whole rows."""
    if scale.__class__ is float:
        return grad if scale == 1.0 else grad * scale
    more = getattr(grad, "ndim", 0) - getattr(scale, "ndim", 0)
    return grad * (scale.reshape(scale.shape + (1,) * more) if more > 0 else scale)


def _density_grad(dist: Any, value: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    direct = getattr(dist, "log_density_grad", None)
    values = [arg.value if arg.__class__ is Tracked else untracked(arg) for arg in args]
    if direct is not None:
        return direct(value, *values)  # type: ignore[no-any-return]
    again = getattr(dist, "with_args", None) or type(dist)
    return again(*values).logpdf_grad(value)  # type: ignore[no-any-return]


def spread(arg: Any, grad: Any, scale: Any) -> None:
    """Hand derivatives, times the trace's factor, to the tracked parts of a list, also of lists in it."""
    for part, own in zip(arg, grad, strict=True):
        if part.__class__ is Tracked:
            part.collect(scaled(own, scale))
        elif part.__class__ is list or part.__class__ is tuple:
            spread(part, own, scale)


def _filled(needed: Sequence[bool], count: int) -> list[bool]:
    return [*needed, *[False] * (count - len(needed))][:count]


def _strayed(gen_fn: Any, address: Any) -> UsageError:
    return UsageError(
        f"{gen_fn!r} reached {address!r:.80} in its gradient run, but not when its trace was made; "
        "its path may depend on choices, arguments and parameters only"
    )
