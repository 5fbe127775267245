"""Parameter ids as strings, and the keys under which a key-value store keeps what belongs to them."""

from __future__ import annotations

from functools import lru_cache

from paragrad.errors import UsageError
from paragrad.protocols.store import ParameterId

HEAD = "head"
LEASES = "leases"
RELEASES = "releases"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")


def encode_id(id: ParameterId) -> str:
    """The id as a string; a pair (owner, name) is ``"module.qualname/name"``.

    So the same name in two functions is two ids, and the ids survive a restart. ``owner`` is any
    object with a ``__qualname__`` or ``__name__`` (a function, a class, a generative function).

    Raises:
        UsageError: an empty name, an owner without a name, or text that UTF-8 cannot hold.
    """
    if isinstance(id, tuple):
        if len(id) != 2 or not isinstance(id[1], str):
            raise UsageError(f"{id!r:.80} is no parameter id; write 'name' or (function, 'name')")
        id = f"{owner_name(id[0])}/{id[1]}"
    if not isinstance(id, str) or not id or id.endswith("/"):
        raise UsageError(f"{id!r:.80} is no parameter id; write a string that is not empty, or (function, 'name')")
    if not id.isascii():
        try:
            id.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"the parameter id {id!r:.80} holds half a character ({error.reason}); use valid Unicode") from None
    return id


def owner_name(owner: object) -> str:
    """``module.qualname`` of a function, class or named object; a string stays as it is."""
    if isinstance(owner, str):
        return owner
    name = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", None)
    if not isinstance(name, str):
        raise UsageError(f"{owner!r:.80} cannot own a parameter: it has no __name__; use a function, a class or a string")
    module = getattr(owner, "__module__", None)
    return f"{module}.{name}" if module else name


@lru_cache(maxsize=16_384)
def segment(text: str) -> str:
    """``text`` as one part of a key: letters, digits and ``_-.`` stay, other bytes become ``~hex``.

    Keys so made are safe in a URL path, a file name and a shell; a leading dot is escaped too.
    """
    if text.isascii() and not text.startswith(".") and _PLAIN.issuperset(text):
        return text
    parts = [c if c in _PLAIN and not (c == "." and i == 0) else "".join(f"~{b:02x}" for b in c.encode()) for i, c in enumerate(text)]
    return "".join(parts)


def unsegment(part: str) -> str:
    """The inverse of :func:`segment`."""
    first, *rest = part.split("~")
    return b"".join([first.encode(), *(bytes([int(piece[:2], 16)]) + piece[2:].encode() for piece in rest)]).decode()


def parameter_key(id: str) -> str:
    """Where the pointer to the newest version is."""
    return f"p/{segment(id)}"


def version_key(id: str, ordinal: int) -> str:
    """Where the version with this ordinal (0 is the first) is."""
    return f"v/{segment(id)}/{ordinal}"


def gradient_key(id: str) -> str:
    """Where the accumulator is."""
    return f"g/{segment(id)}"


def token_key(id: str, token: str) -> str:
    """The mark that a push with this token arrived."""
    return f"t/{segment(id)}/{segment(token)}"


def lease_key(slot: int) -> str:
    """Where the gradients of an open lease are; slots are used again."""
    return f"l/{slot}"


def release_key(name: str, number: int) -> str:
    """Where a release is."""
    return f"r/{segment(name)}/{number}"


def state_key(name: str) -> str:
    """Where an optimizer's state is."""
    return f"s/{segment(name)}"


def staged_key(transaction: str) -> str:
    """Where one store's share of a transaction waits."""
    return f"x/{transaction}"


def decision_key(transaction: str) -> str:
    """Where the coordinator of a transaction says how it ended."""
    return f"d/{transaction}"
