"""``pg.parallel``: the independent calls of one program run at once, and everything else is as if they had not.

A traced call inside the block returns a pending handle. A counter on every task says how many tasks
are still before it; the thread that ends the last of them begins it, so no thread waits for another.
What is given in an order (coordinates, escapes, hooks, a teacher's steps) is given when the call is
made, or told when the block ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from paragrad import registry
from paragrad.context import current_scope
from paragrad.errors import UsageError
from paragrad.trace.operation import Operation
from paragrad.trace.pending import become, pending, settle, task_of
from paragrad.trace.resources import Effects
from paragrad.trace.schedule import Pool, Schedule, stops
from paragrad.trace.state import STATE, within
from paragrad.trace.tasks import Task, captured
from paragrad.trace.values import ATOMS
from paragrad.trace.variable import Variable

WORKERS = 16


class Parallel(Schedule):
    """One block: what becomes of the calls made in it."""

    def bundle(self, bundle: Any, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A call of a bundle."""
        made = self.call(bundle.op, partial(_called, bundle, instance), args, kwargs)
        return _given(made) if bundle.is_async else made

    def call(self, op: Operation, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A call of an operation; ``call`` makes it as it is made outside a block, and returns its Variable.

        One that writes a Parameter is waited for, since what follows may read it in any way.
        """
        effects: Effects | None = op.effects
        task = self._task(op.name, call, args, kwargs)
        task.plain = True
        scope = current_scope()
        task.scope = None if scope is None else scope.beside()
        self.submit(task, self.chains.add(task, effects))
        made = pending(task)
        if effects and any(not isinstance(resource, str) for resource in effects.writes):
            settle(made)
        return made

    def module(self, module: Any, parameters: Iterable[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A call of a module that is one operation: a model's answer, a search."""
        title = getattr(module, "__name__", type(module).__name__)
        task = self._task(title, type(module).__call__, (module, *args), kwargs)
        task.plain = module._plain_result
        scope = current_scope()
        task.scope = None if scope is None else scope.ahead() if module._takes_ordinal else scope.beside()
        self.submit(task, self.chains.add(task, module.effects, parameters))
        return pending(task)

    def step(self, title: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A step of the library on pending values: begun in the thread that ends the last of them."""
        task = self._task(title, call, args, kwargs)
        first = task_of(args[0]) if args else None
        task.light, task.plain = True, title not in KEEPING or first is None or first.plain
        self.submit(task, ())
        return pending(task)

    def among(self, args: Iterable[Any], kwargs: Mapping[str, Any]) -> bool:
        """Whether a value in them is still pending, or failed, and this is the program's own thread."""
        return self.here() and (any(map(_is_pending, args)) or any(map(_is_pending, kwargs.values())))

    def rebind(self, handle: Any, made: Any) -> Any:
        """``handle``, pointed at what ``made`` is or will be."""
        task = task_of(made)
        if task is None:
            handle._n = made._n
        else:
            become(handle, task)
        return handle

    def _task(self, title: str, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Task:
        task = Task(self, self._count, title, call)
        self._count += 1
        needs: list[Task] = []
        task.args = tuple([x if x.__class__ in ATOMS else captured(x, task_of, needs) for x in args])
        task.kwargs = {name: captured(x, task_of, needs) for name, x in kwargs.items()}
        task.needs = list(dict.fromkeys(needs))
        return task


KEEPING = frozenset(("depend", "module"))
"""Steps whose result has the class of their first argument."""


@contextmanager
def parallel(workers: int | None = None, *, pool: Pool | None = None) -> Iterator[Parallel]:
    """Run the independent calls of this block at once.

    Inside, a call of a bundle, a prompt or another model component returns at once; what it returns is
    pending. Handing it to such a call, or to an operator, does not wait; reading it does (``value``, ``bool``,
    ``len``, ``str``, iteration, ``backward``, untraced code). Results, the graph, coordinates and what
    hooks see are those of the same program with one worker.

    Order: a call comes after those whose results it is given, and after those that
    :func:`~paragrad.trace.order.depend` names; calls with declared effects keep the program's order per
    resource; calls that declare nothing keep it among themselves and with those that have effects; calls
    that declare ``effects=()``, and model calls, keep none.

    Args:
        workers: calls at once; None: 16. A call that waits for another does not count.
        pool: where they run; None: threads.

    Raises:
        UsageError: ``workers`` is no number of calls.
        at a read: what the call raised. At the end of the block: the first error, in program order, that
            nobody has read. An exception that leaves the block is not replaced; every call made before it is
            waited for, but KeyboardInterrupt and what ends a run cancel what has not begun.
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise UsageError(f"workers={workers!r}: write how many calls may run at once, 1 or more, or None")
    outer = STATE.get().parallel
    group = Parallel(pool or registry.facets.get("pool")(workers or WORKERS), outer if outer is not None and outer.here() else None)
    try:
        with within(parallel=group, **group.telling.block(STATE.get())):
            yield group
        group.finish()
    except BaseException as error:
        _leave(group, error)
        raise
    finally:
        group.forget()
    group.telling.tell()
    group.unread()


def _leave(group: Parallel, error: BaseException) -> None:
    """End a block that an exception leaves."""
    try:
        if not stops(error):
            group.finish()
            group.telling.tell()
    except BaseException as stop:
        group.stop(stop)
        raise
    if stops(error):
        group.stop(error)


def _is_pending(value: Any) -> bool:
    """Whether a value, or one in it, has no result yet, or none at all."""
    cls = type(value)
    if cls in ATOMS or cls is Variable:
        return False
    if cls is list or cls is tuple:
        return any(map(_is_pending, value))
    if cls is dict:
        return any(map(_is_pending, value.values()))
    task = task_of(value)
    return task is not None and not (task.done and task.error is None)


def _called(bundle: Any, instance: Any, *args: Any, **kwargs: Any) -> Any:
    """The call as it is outside a block."""
    made = bundle(*args, **kwargs) if instance is None else bundle.call(instance, args, kwargs)
    return registry.facets.get("coroutine")(made) if bundle.is_async else made


async def _given(made: Any) -> Any:
    """What awaiting a call inside a block gives: the pending value, at once."""
    return made
