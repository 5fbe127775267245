"""The state of a context: one immutable object in one ContextVar.

It says whether calls are recorded, through which overlay Parameters are read, who watches, and
which reads the enclosing call has made. Threads and tasks start from a copy, so nothing here is
ever shared by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paragrad.protocols.data import Step
    from paragrad.trace.escapes import Reads
    from paragrad.trace.overlay import Overlay
    from paragrad.trace.parallel import Parallel


_new = object.__new__


class State:
    """Attributes are never changed; :meth:`but` gives a changed copy.

    Attributes:
        record: whether operations are recorded.
        overlay: where Parameters are read and written, or None for live values.
        reads: what the enclosing call has read so far, or None outside any call.
        hooks: functions called with every record.
        steps: where a teacher's components put their steps, or None.
        stores: parameter context, key to store, or None.
        parallel: the ``pg.parallel`` block that calls belong to, or None.
        fast: nothing but plain recording is going on.
    """

    __slots__ = ("fast", "hooks", "overlay", "parallel", "reads", "record", "steps", "stores")

    def __init__(
        self,
        record: bool = True,
        overlay: Overlay | None = None,
        reads: Reads | None = None,
        hooks: tuple[Callable[[Any], None], ...] = (),
        steps: list[Step] | None = None,
        stores: Any = None,
    ) -> None:
        self.record = record
        self.overlay = overlay
        self.reads = reads
        self.hooks = hooks
        self.steps = steps
        self.stores = stores
        self.parallel: Parallel | None = None
        self.fast = record and not hooks

    def but(self, **changes: Any) -> State:
        """A copy with some attributes changed."""
        made = self.reading(self.reads)
        for name, value in changes.items():
            setattr(made, name, value)
        made.fast = made.record and not made.hooks and made.parallel is None
        return made

    def reading(self, reads: Reads | None) -> State:
        """A copy with other reads; made by every traced call."""
        made: State = _new(State)
        made.record, made.overlay, made.reads, made.hooks = self.record, self.overlay, reads, self.hooks
        made.steps, made.stores, made.parallel, made.fast = self.steps, self.stores, self.parallel, self.fast
        return made


STATE: ContextVar[State] = ContextVar("paragrad_state", default=State())  # noqa: B039 - State is immutable


def before_write() -> State:
    """The state, once the calls that the program has begun in its ``pg.parallel`` block are done: they read the old values."""
    state = STATE.get()
    group = state.parallel
    if group is not None and group.here():
        group.settled()
    return state


class within:
    """Run a block under a changed state."""

    __slots__ = ("_changes", "_token")
    _token: Token[State]

    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def __enter__(self) -> State:
        changed = STATE.get().but(**self._changes)
        self._token = STATE.set(changed)
        return changed

    def __exit__(self, *_: object) -> None:
        STATE.reset(self._token)


class no_grad(ContextDecorator):
    """Record nothing inside the block (or the decorated function)."""

    _token: Token[State]

    def _recreate_cm(self) -> no_grad:
        return no_grad()

    def __enter__(self) -> None:
        self._token = STATE.set(STATE.get().but(record=False))

    def __exit__(self, *_: object) -> None:
        STATE.reset(self._token)
