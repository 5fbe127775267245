"""What describes a Parameter and is not its value: id, name, role, space, rules, flags."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Any
from uuid import uuid4

from paragrad.errors import UsageError
from paragrad.protocols.store import Entry
from paragrad.trace.values import shorten

LONGEST_NAME = 1024
_MAKING = Lock()


class Meta:
    """What describes a Parameter and is not its value. Only what is set costs anything.

    Attributes:
        start: the first value of an array whose cell nobody has asked for yet.
        pending: the initializer whose array nobody has read yet.
        inited: whether an initializer's array was made for it; ``layout`` is the part that was made.
        history: the last 64 versions of a private Parameter that is no tensor.
        peers: id of the object to a weak reference of a peer.
    """

    name: str | None = None
    role: str | None = None
    space: Any = None
    constraint: Any = None
    store: Any = None
    path: str | None = None
    id: str | None = None
    variable_id: str | None = None
    instruction_to_optimizer: str | None = None
    instruction_to_critic: str | None = None
    layerwise_parallel = False
    sliced = False
    is_init = False
    start: Any = None
    pending: Any = None
    inited = False
    layout: Any = None
    history: deque[Entry]
    peers: dict[int, Any]

    def __getattr__(self, name: str) -> Any:
        """History and peers, made when they are first needed."""
        if name not in ("history", "peers"):
            raise AttributeError(name)
        with _MAKING:
            made: Any = deque(maxlen=64) if name == "history" else {}
            return self.__dict__.setdefault(name, made)

    def copied(self) -> Meta:
        """The description of an independent copy: without identity, place, store and collected things."""
        made = Meta()
        for name in _COPIED:
            if name in self.__dict__:
                setattr(made, name, self.__dict__[name])
        return made


_COPIED = ("name", "role", "space", "constraint", "instruction_to_optimizer", "instruction_to_critic", "layerwise_parallel", "sliced")


class Described:
    """The describing half of a Parameter."""

    __slots__ = ()

    _meta: Meta

    @property
    def id(self) -> str:
        """Its name in stores and records: ``name=``, else the path from the program, else a private label."""
        meta = self._meta
        return meta.name or meta.path or meta.id or _private(meta)

    @property
    def name(self) -> str:
        """The label; "Parameter" when none was given."""
        return self._meta.name or self._meta.path or "Parameter"

    @name.setter
    def name(self, name: str | None) -> None:
        self._meta.name = name if name is None else checked_name(name)

    @property
    def role(self) -> str | None:
        """What it is for; by default its path in words."""
        return self._role()

    @role.setter
    def role(self, role: str | None) -> None:
        self._meta.role = role

    def _role(self) -> str | None:
        meta = self._meta
        return meta.role or (meta.path.replace(".", " ").replace("_", " ") if meta.path else None)

    @property
    def variable_id(self) -> str:
        """Unique and stable over versions and contexts; copies and other processes get their own."""
        meta = self._meta
        if meta.variable_id is None:
            meta.variable_id = uuid4().hex
        return meta.variable_id

    @property
    def kind(self) -> str:
        """The kind of its space: "text", "choice", ...; "unset" before the first value."""
        return self._meta.space.kind if self._meta.space is not None else "unset"

    @property
    def space(self) -> Any:
        """The space of its values."""
        return self._meta.space

    def _space(self) -> Any:
        return self._meta.space

    @property
    def constraint(self) -> Any:
        """The rule for proposals."""
        return self._meta.constraint

    @property
    def layerwise_parallel(self) -> bool:
        """Whether data-parallel training leaves it alone: it is neither broadcast nor are its gradients averaged."""
        return self._meta.layerwise_parallel

    @layerwise_parallel.setter
    def layerwise_parallel(self, mode: bool) -> None:
        self._meta.layerwise_parallel = checked_flag("layerwise_parallel", mode)

    @property
    def sliced(self) -> bool:
        """Whether the value is this process's slice already, so that it is not cut again."""
        return self._meta.sliced

    @sliced.setter
    def sliced(self, mode: bool) -> None:
        self._meta.sliced = checked_flag("sliced", mode)

    @property
    def is_init(self) -> bool:
        """Whether the value was copied to a device by an initialising graph; here nothing does that by itself."""
        return self._meta.is_init

    @is_init.setter
    def is_init(self, mode: bool) -> None:
        self._meta.is_init = checked_flag("is_init", mode)


def checked_name(name: Any) -> str:
    """A Parameter's name without blanks around it.

    Raises:
        ValueError: no text, an empty one, one of more than 1,024 characters, or with line breaks or others that cannot be printed.
    """
    bare = name.strip() if isinstance(name, str) else ""
    if not bare:
        raise ValueError(f"a Parameter's name is a non-empty str, not {name!r}")
    if not name.strip().isprintable():
        raise ValueError(f"a Parameter's name is of characters that can be printed, {shorten(ascii(name))} has others; leave them out")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a Parameter's name has at most {LONGEST_NAME} characters, {shorten(name)!r} has {len(name)}")
    return bare


def checked_space(space: Any) -> Any:
    """A space that was given.

    Raises:
        TypeError: it is none; a class of spaces is called first.
    """
    if isinstance(space, type) or not hasattr(space, "check"):
        what = f"the class {space.__name__}; write space={space.__name__}(...)" if isinstance(space, type) else repr(space)
        raise TypeError(f"space is a space, such as pg.Text() or pg.Number(low=0), not {what}")
    return space


def checked_flag(name: str, mode: Any) -> bool:
    """A flag of a Parameter.

    Raises:
        TypeError: it is neither True nor False.
    """
    if not isinstance(mode, bool):
        raise TypeError(f"{name} is True or False, not {mode!r}")
    return mode


def _private(meta: Meta) -> str:
    meta.id = f"parameter-{uuid4().hex[:8]}"
    return meta.id


def refuse_unnamed(parameter: Any) -> None:
    """A Parameter in a store needs a lasting id.

    Raises:
        UsageError: it has neither a name nor a place in a program.
    """
    if not (parameter._meta.name or parameter._meta.path):
        raise UsageError(
            f"this Parameter ({parameter.role or parameter.kind}) has no name, so a store could not find it again; give it name=..."
        )
