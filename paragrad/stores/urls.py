"""Store URLs without their secrets."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?P<front>^[A-Za-z][\w+.-]*://[^/?#@:]*):[^/?#]*@")
_OPTION = re.compile(r"(?i)(?P<name>[?&](?:password|passwd|pwd|token|secret|api_?key|access_?key)=)[^&#]*")


def redacted(url: str) -> str:
    """``url`` without password and secret options; safe in messages, records and keys."""
    return _OPTION.sub(r"\g<name>***", _PASSWORD.sub(r"\g<front>@", url))


def scheme_of(url: str) -> str:
    """What stands before the first colon, in lower case; empty when there is none."""
    head, colon, _ = url.partition(":")
    return head.lower() if colon else ""
