"""``open(url)``: the store behind a URL, by its scheme."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UnknownName, UsageError
from paragrad.registry import stores
from paragrad.stores.urls import redacted, scheme_of


def open(url: str, **options: Any) -> Any:
    """The store behind ``url``: ``"memory:"``, ``"sqlite:///file.db"`` (relative), ``"sqlite:////abs/file.db"``, a server's, a plug-in's.

    ``"file:///dir"``, ``"s3://bucket/dir"`` (any file system of fsspec), ``"device:cuda:0"``, ``"redis://..."``: see the page on stores.
    Opening finishes or undoes what a dead process left, where the store can be reached.

    Args:
        url: scheme and place; a password in it appears in no message, record or key.
        **options: given to the store's class.

    Raises:
        UsageError: no URL.
        UnknownName: a scheme that no store has.
        StoreError: the store cannot be opened.
    """
    if not isinstance(url, str) or not scheme_of(url):
        shown = redacted(url) if isinstance(url, str) else repr(url)
        raise UsageError(f"{shown:.80} is no store URL; write 'memory:', 'sqlite:///file.db' or 'SCHEME://...'")
    scheme = scheme_of(url)
    if scheme not in stores:
        scheme = scheme.partition("+")[0]  # "fsspec+SCHEME://..." names any file system of fsspec
    if scheme not in stores:
        known = ", ".join(f"{name}:" for name in stores.names())
        raise UnknownName(f"no store has the scheme {scheme!r} ({redacted(url):.80}); known: {known}")
    store = stores.get(scheme)(url, **options)
    recover = getattr(store, "recover", None)
    if recover is not None:
        recover()
    return store
