"""Addresses of servers, checked before anything is sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from paragrad.errors import UsageError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def checked_address(base_url: str) -> tuple[str, bool]:
    """Host (with its port) of a web address, and whether it is this machine.

    Raises:
        UsageError: it is no web address, or holds a password.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"base_url {base_url[:80]!r} is no web address; write e.g. 'http://127.0.0.1:8000/v1'")
    if parts.username or parts.password:
        raise UsageError(f"base_url for {parts.hostname} holds a user or password; give api_key= or headers= instead")
    return parts.hostname + (f":{parts.port}" if parts.port else ""), parts.hostname in LOOPBACK
