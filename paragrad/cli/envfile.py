"""Files of ``NAME=VALUE`` lines. Values are never shown."""

from __future__ import annotations

import re
from pathlib import Path

from paragrad.data.reading import decode
from paragrad.errors import UsageError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def read_env(path: Path) -> dict[str, str]:
    """Names and values; ``#`` starts a comment line, quotes around a value are taken off.

    Raises:
        UsageError: no such file, or a line that is none (named by its number only: it may hold a key).
    """
    try:
        text = decode(path)
    except OSError as error:
        raise UsageError(f"the --env-file {path} cannot be read: {error.strerror or error}") from error
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UsageError(f"{path}, line {number} is not NAME=VALUE (its text is not shown, it may be a key)")
        value = match[2].strip()
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
        found[match[1]] = value[1:-1] if quoted else value
    return found
