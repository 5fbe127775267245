"""Pending: the handle of a value that is still being made.

It has the layout of a Variable and says that it is one, but is a class of its own: reading any
attribute waits for the value and turns the handle into an ordinary Variable. So only a pending
handle pays for being pending, and nothing else has to know. Operators on it, inside the block that
made it, wait for nothing: their result is pending too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from paragrad.trace import methods as _methods  # noqa: F401 - Variable must have its own operators first
from paragrad.trace import operators
from paragrad.trace.collecting import Collecting
from paragrad.trace.state import STATE
from paragrad.trace.tasks import Task
from paragrad.trace.values import ATOMS
from paragrad.trace.variable import Variable

T = TypeVar("T")

_SLOT: Any = vars(Variable)["_n"]
_CLASS: Any = vars(object)["__class__"]


class Pending(Collecting, Generic[T]):
    """Becomes a Variable at the first read."""

    __slots__ = ("_n",)

    __hash__ = object.__hash__

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return Variable
        if name in _DEFERRED:
            task = task_of(self)
            group = STATE.get().parallel
            if task is not None and task.plain and group is not None and group.here():
                return partial(group.step, name, partial(_method, name), self)
        settle(self)
        return getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        settle(self)
        setattr(self, name, value)

    def __repr__(self) -> str:
        task = task_of(self)
        if task is None or (task.done and task.error is None):
            settle(self)
            return repr(self)
        return f"variable(<{task.title} {'failed' if task.done else 'pending'}>)"


_RAW: Any = vars(Pending)["_n"]


def pending(task: Task) -> Any:
    """A new handle on what ``task`` will make."""
    made = object.__new__(Pending)
    _RAW.__set__(made, task)
    return made


def task_of(value: Any) -> Task | None:
    """The task a handle waits for; None when it is no pending handle."""
    if type(value) is not Pending:
        return None
    held = _RAW.__get__(value)
    return held if type(held) is Task else None


def settle(handle: Any) -> None:
    """Wait for the value of a pending handle and make it an ordinary one.

    Raises:
        what the call, or one that it needs, raised.
    """
    task = task_of(handle)
    if task is None:
        return  # another thread is just ahead
    task.group.wait(task)
    with task.group.lock:
        if type(handle) is Pending:
            _RAW.__set__(handle, task.node)
            _CLASS.__set__(handle, task.kind)


def become(handle: Any, task: Task) -> None:
    """Make any handle wait for ``task``: what an in-place operator does to it."""
    if type(handle) is not Pending:
        _CLASS.__set__(handle, Pending)
    _RAW.__set__(handle, task)


# --- operators ---------------------------------------------------------------------------------------


def _method(name: str, handle: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(handle, name)(*args, **kwargs)


def _special(name: str, handle: Any, *args: Any) -> Any:
    return getattr(type(handle), name)(handle, *args)


def _deferring(name: str) -> Callable[..., Any]:
    """An operator whose result is pending too."""
    call = partial(_special, name)

    def method(self: Any, *args: Any) -> Any:
        group = STATE.get().parallel
        if group is not None and group.here():
            return group.step(name, call, self, *args)
        settle(self)
        return call(self, *args)

    return method


def _inplace(name: str) -> Callable[..., Any]:
    """An in-place operator: the handle itself waits for the new value."""
    call = partial(_special, name)

    def method(self: Any, other: Any) -> Any:
        group = STATE.get().parallel
        if group is not None and group.here() and (other.__class__ in ATOMS or isinstance(other, Variable)):
            return group.rebind(self, group.step(name, call, self, other))
        settle(self)
        return call(self, other)

    return method


def _waiting(name: str) -> Callable[..., Any]:
    """A read: it waits."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        settle(self)
        return getattr(type(self), name)(self, *args, **kwargs)

    return method


_DEFERRED = frozenset((*operators.METHODS, "contains", "length", "cast"))
_OWN = frozenset(("__class__", "__doc__", "__getattr__", "__hash__", "__init__", "__module__", "__repr__", "__slots__", "__weakref__"))


def _install() -> None:
    """Give Pending every operator and conversion of Variable."""
    traced = {row.method for row in (*operators.BINARY, *operators.UNARY)} | {row.reflected for row in operators.BINARY}
    for name, found in vars(Variable).items():
        if not (name.startswith("__") and name.endswith("__")) or name in _OWN or not callable(found):
            continue
        if name in operators.INPLACE:
            setattr(Pending, name, _inplace(name))
        else:
            setattr(Pending, name, _deferring(name) if name in traced or name == "__round__" else _waiting(name))


_install()
