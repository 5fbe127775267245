"""Which files a URL means, and what their errors mean here."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from paragrad.errors import StoreError, UsageError
from paragrad.stores.files.local import LocalFiles
from paragrad.stores.files.remote import RemoteFiles
from paragrad.stores.urls import redacted, scheme_of

_ADVICE = {
    errno.ENOSPC: "the disk is full; make room and try again, nothing was changed",
    errno.EDQUOT: "the quota is used up; make room and try again, nothing was changed",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "may you write there?",
    errno.EPERM: "may you write there?",
    errno.ENOENT: "the directory above it must exist; make it first",
    errno.ENOTDIR: "a file stands where a directory is needed; give another path",
    errno.EEXIST: "a file stands where a directory is needed; give another path",
    errno.EMFILE: "too many files are open",
}


def open_files(url: str, wait: float, options: Mapping[str, Any]) -> LocalFiles | RemoteFiles:
    """The files behind a URL.

    Raises:
        UsageError: it names no place, or options that a local directory has not.
    """
    if scheme_of(url) in ("fsspec", "fsspec+"):
        raise UsageError(f"{redacted(url)!r:.80} names no file system; write 'fsspec+SCHEME://place'")
    if scheme_of(url) != "file":
        return RemoteFiles(url.removeprefix("fsspec+"), options)
    if options:
        raise UsageError(f"{redacted(url)!r} takes no option {', '.join(options)}; those are for remote file systems")
    return LocalFiles(local_path(url), wait)


def local_path(url: str) -> Path:
    """The absolute path of a ``file:`` URL.

    Raises:
        UsageError: it names none.
    """
    rest = url.partition(":")[2]
    hosted = rest.startswith("//") and not rest.startswith("///")
    path = os.path.abspath(unquote(rest[2:] if rest.startswith("//") else rest))
    path = path[1:] if path.startswith("//") else path
    if hosted or not rest.strip("/") or path == "/" or "?" in rest or "#" in rest:
        raise UsageError(f"{redacted(url):.80} names no directory; write 'file:///abs/dir' or 'file:dir' (relative), without options")
    return Path(path)


@contextmanager
def translated(store: object) -> Iterator[None]:
    """Turn errors of files into ours.

    Raises:
        StoreError: with what to do about it.
    """
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        advice = _ADVICE.get(error.errno or 0, "the file system refuses")
        raise StoreError(f"{store!r}{place}: {advice} ({error.strerror or error})") from error
    except NotImplementedError as error:
        raise StoreError(f"{store!r}: this file system cannot do that ({error}); choose one that can be written") from error
