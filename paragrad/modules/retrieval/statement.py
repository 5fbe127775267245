"""SQL texts: what they may do, and how values are bound to them. Values never become part of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from paragrad.errors import UsageError

_READS = frozenset({"select", "values", "with"})
_WRITES = frozenset({
    "alter", "analyze", "attach", "begin", "call", "commit", "copy", "create", "deallocate", "delete", "detach", "do", "drop", "exec",
    "execute", "grant", "insert", "into", "listen", "load", "lock", "merge", "notify", "pragma", "prepare", "reindex", "rename", "reset",
    "revoke", "rollback", "savepoint", "set", "truncate", "update", "vacuum",
})  # fmt: skip
_TOKEN = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]\n]*\]|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|--[^\n]*|/\*.*?\*/)"""
    r"""|(?P<cast>::)|:(?P<name>[A-Za-z_]\w*)|(?P<word>[A-Za-z_]\w*)|(?P<other>.)""",
    re.DOTALL,
)


def read_only(sql: str) -> bool | str:
    """True when a text is one statement that reads; otherwise why not. Fits ``constraint=`` of a trained SQL text.

    It looks at words outside quotes, so it refuses a little too much (an unquoted column called
    ``update``), never a quoted text. Functions with side effects are the database's own to forbid:
    connect as a user that may only read.
    """
    words: list[str] = []
    ended = False
    for match in _TOKEN.finditer(sql):
        if match["quoted"] is not None:
            if match["quoted"].startswith("/*!"):
                return "a comment that MySQL runs (/*! … */) has no place here"
            ended = ended and match["quoted"][:2] in ("--", "/*")
            continue
        if ended and not match[0].isspace() and match[0] != ";":
            return "write one statement: there is something after the ';'"
        ended = ended or match[0] == ";"
        if match["word"] is not None:
            words.append(match["word"].lower())
    if not words or words[0] not in _READS:
        return f"only a SELECT (or WITH, VALUES) may run here, not {words[0].upper() if words else 'an empty text'}"
    written = next((word for word in words if word in _WRITES), None)
    return True if written is None else f"the word {written.upper()} may write; quote it if it is a name"


def names_in(sql: str) -> list[str]:
    """The named values (``:name``) a text wants, each once, in order."""
    return list(dict.fromkeys(match["name"] for match in _TOKEN.finditer(sql) if match["name"]))


def bound(sql: str, values: Mapping[str, Any], style: str) -> tuple[str, Any]:
    """The text and the values in a driver's ``paramstyle`` (PEP 249).

    Raises:
        UsageError: a value is missing, or the style is unknown.
    """
    missing = [name for name in names_in(sql) if name not in values]
    if missing:
        raise UsageError(f"the SQL text wants :{missing[0]}, but the call has {', '.join(values) or 'nothing'}; pass {missing[0]}=...")
    if style not in _WRITTEN:
        raise UsageError(f"{style!r} is no paramstyle of PEP 249; write one of {', '.join(sorted(_WRITTEN))}")
    order: list[str] = []
    text = "".join(_pieces(sql, style, order))
    if style in ("named", "pyformat"):
        return text, {name: values[name] for name in order}
    return text, tuple(values[name] for name in order)


_WRITTEN = {"qmark": "?", "numeric": ":{place}", "named": ":{name}", "format": "%s", "pyformat": "%({name})s"}


def _pieces(sql: str, style: str, order: list[str]) -> Iterator[str]:
    """The text with its named values in the style; ``order`` gets the name of each."""
    for match in _TOKEN.finditer(sql):
        if match["name"] is None:
            yield match[0].replace("%", "%%") if style in ("format", "pyformat") else match[0]
        else:
            order.append(match["name"])
            yield _WRITTEN[style].format(place=len(order), name=match["name"])
