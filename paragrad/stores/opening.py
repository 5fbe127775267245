"""``open(url)``: the store behind a URL, by its scheme."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import signature
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
        UsageError: no URL, a release's, or an option that the store does not have.
        UnknownName: a scheme that no store has.
        StoreError: the store cannot be opened.
    """
    scheme, made = _found(url)
    _refuse_unknown(scheme, made, options)
    store = made(scheme_of(url) + url[len(scheme_of(url)) :], **options)
    recover = getattr(store, "recover", None)
    if recover is not None:
        recover()
    return store


def _found(url: Any) -> tuple[str, Any]:
    """The scheme under which a store is registered, and its class."""
    if not isinstance(url, str) or not scheme_of(url):
        shown = redacted(url) if isinstance(url, str) else url
        fix = f"'sqlite:///{shown}'" if isinstance(url, str) and url.endswith((".db", ".sqlite")) else "'sqlite:///file.db'"
        raise UsageError(f"{shown!r:.80} is no store URL; write 'memory:', {fix:.80} or 'SCHEME://...'")
    scheme = scheme_of(url)
    if scheme not in stores:
        scheme = scheme.partition("+")[0]  # "fsspec+SCHEME://..." names any file system of fsspec
    if scheme not in stores:
        known = ", ".join(f"{name}:" for name in stores.names())
        near = get_close_matches(scheme, stores.names(), 1, 0.55) if len(scheme) > 2 else []
        hint = f"; did you mean '{near[0]}:'" if near else "; a file's path is written 'sqlite:///path'" if len(scheme) == 1 else ""
        raise UnknownName(f"no store has the scheme {scheme!r} ({redacted(url):.80}){hint}; known: {known}")
    if "#" in url and "@" in url.partition("#")[2]:
        place, _, release = redacted(url).partition("#")
        raise UsageError(
            f"{redacted(url):.120} names a release; write open({place!r:.80}).at({release!r:.80}), or pg.parameter_context with it"
        )
    return scheme, stores.get(scheme)


def _refuse_unknown(scheme: str, made: Any, options: dict[str, Any]) -> None:
    is_class = isinstance(made, type)
    takes = signature(made.__init__ if is_class else made).parameters.values()
    known = [p.name for p in takes if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)][1 + is_class :]
    unknown = [name for name in options if name not in known]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in takes):
        raise UsageError(f"{scheme}: stores have no option {unknown[0]!r:.40}; they have {', '.join(known) or 'none'}")
