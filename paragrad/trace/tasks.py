"""Task: one call on its way, what it still waits for, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextvars import Context
from threading import Lock
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from paragrad.context import Scope
from paragrad.errors import ExecutionError
from paragrad.trace.nodes import Node
from paragrad.trace.parameter import Parameter
from paragrad.trace.state import STATE, State
from paragrad.trace.values import ATOMS, is_array
from paragrad.trace.variable import Variable, wrap

if TYPE_CHECKING:
    from paragrad.trace.schedule import Schedule


_HERE = __file__.rpartition("/trace/")[0] + "/"


class Task:
    """A call that runs once everything before it is done. It is changed under its group's lock only.

    Attributes:
        number: its place in program order.
        needs: the tasks whose results are among its arguments.
        blocked: how many tasks it still waits for.
        followers: the tasks that wait for it.
        waiters: locks of the threads that wait for it.
        light: a step of the library, too small for a thread of its own.
        plain: its result is known to be a Variable without fields of its own.
        error: what it raised, or what a task that it needs raised; ``origin`` is the number of that task.
        where: code and line of the call in the user's program.
    """

    __slots__ = (
        "args", "blocked", "call", "context", "done", "error", "followers", "group", "kind", "kwargs", "light", "needs", "node",
        "number", "origin", "plain", "scope", "state", "title", "waiters", "where",
    )  # fmt: skip

    def __init__(self, group: Schedule, number: int, title: str, call: Callable[..., Any]) -> None:
        self.group = group
        self.number = number
        self.title = title
        self.call: Callable[..., Any] | None = call
        self.args: tuple[Any, ...] = ()
        self.kwargs: Mapping[str, Any] = {}
        self.needs: list[Task] = []
        self.blocked = 1  # for as long as it is being put together
        self.followers: list[Task] = []
        self.waiters: list[Lock] = []
        self.context: Context | None = None
        self.state: State | None = None
        self.scope: Scope | None = None
        self.light = False
        self.plain = False
        self.done = False
        self.node: Node | None = None
        self.kind: type[Any] = Variable
        self.error: BaseException | None = None
        self.origin = number
        self.where = _caller()

    def run(self) -> None:
        """Make the call; in its own context."""
        self.group.refuse_stopped(self)
        assert self.call is not None
        assert self.state is not None
        STATE.set(self.state)
        made = self.call(*[filled(x) for x in self.args], **{name: filled(x) for name, x in self.kwargs.items()})
        self.node = made._n
        self.kind = Variable if isinstance(made, Parameter) else type(made)

    def ended(self, error: BaseException | None) -> None:
        """Keep what came of it, and nothing else."""
        if isinstance(error, ExecutionError):
            error.__traceback__ = None  # it tells its story itself
        if error is not None and self.origin == self.number and not getattr(error, "__notes__", None):
            code, line = self.where
            error.add_note(f"{self.title} was called at {code.co_filename}:{line}, in a pg.parallel block")
        self.error = error
        self.done = True
        self.call = self.context = self.state = self.scope = None
        self.args, self.kwargs = (), {}

    def inherit(self) -> BaseException | None:
        """The error of the first task in program order that it needs and that failed."""
        failed = [task for task in self.needs if task.error is not None]
        self.needs = []
        if not failed:
            return None
        first = min(failed, key=lambda task: task.origin)
        self.origin = first.origin
        return first.error

    def handle(self) -> Variable[Any]:
        """A Variable of its result."""
        assert self.node is not None
        return handle(self.kind, self.node)


def _caller() -> tuple[CodeType, int]:
    """Code and line of the nearest frame outside this package."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE) and frame.f_back is not None:
        frame = frame.f_back
    assert frame is not None
    return frame.f_code, frame.f_lineno


def handle(kind: type[Any], node: Node) -> Variable[Any]:
    """A new Variable of one class on ``node``."""
    if kind is Variable:
        return wrap(node)
    made: Variable[Any] = object.__new__(kind)
    made._n = node
    return made


def captured(value: Any, task_of: Callable[[Any], Task | None], found: list[Task]) -> Any:
    """An argument as it is now: containers and arrays copied, Variables as their current value, pending ones as their task."""
    cls = type(value)
    if cls in ATOMS:
        return value
    task = task_of(value)
    if task is not None:
        if task.done and task.error is None:
            return task.handle()
        found.append(task)
        return task
    if isinstance(value, Variable):
        return wrap(value._n) if isinstance(value, Parameter) else handle(cls, value._n)
    if cls is list or cls is tuple:
        return cls([x if x.__class__ in ATOMS else captured(x, task_of, found) for x in value])
    if cls is dict:
        return {key: x if x.__class__ in ATOMS else captured(x, task_of, found) for key, x in value.items()}
    if cls is slice:
        return slice(*[captured(x, task_of, found) for x in (value.start, value.stop, value.step)])
    return value.copy() if is_array(value) and value.flags.writeable else value


def filled(value: Any) -> Any:
    """An argument with the results of the tasks in it."""
    cls = value.__class__
    if cls is Task:
        return value.handle()
    if cls is list or cls is tuple:
        return cls([x if x.__class__ in ATOMS else filled(x) for x in value])
    if cls is dict:
        return {key: x if x.__class__ in ATOMS else filled(x) for key, x in value.items()}
    return slice(filled(value.start), filled(value.stop), filled(value.step)) if cls is slice else value
