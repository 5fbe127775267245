"""Events: what happened, told to whoever asked.

An event is a name and a mapping. Handlers run in the thread that emits, in the order in which
they were added; an error in a handler reaches the emitter, because a silent observer that fails
is worse than none. Names in use: ``run``, ``plan``, ``baseline``, ``step``, ``decision``,
``evaluation``, ``test``, ``warning``, ``done``, ``model`` and ``record``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

Handler = Callable[[Mapping[str, Any]], None]

_HANDLERS: ContextVar[tuple[tuple[str, Handler], ...]] = ContextVar("paragrad_handlers", default=())


def on(event: str, handler: Handler) -> Callable[[], None]:
    """Call ``handler(event)`` for every event of that name ("*": all) in this context; returns the way back."""
    entry = (event, handler)
    _HANDLERS.set((*_HANDLERS.get(), entry))

    def off() -> None:
        _HANDLERS.set(tuple(kept for kept in _HANDLERS.get() if kept is not entry))

    return off


def emit(event: str, /, **payload: Any) -> None:
    """Tell the handlers of this context."""
    handlers = _HANDLERS.get()
    if not handlers:
        return
    message = {"event": event, **payload}
    for name, handler in handlers:
        if name in ("*", event):
            handler(message)
