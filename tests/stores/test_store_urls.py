"""URLs that open no store: what is wrong, and what to write instead."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import StoreError, UnknownName, UsageError
from paragrad.stores.postgres_link import Address


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("", UsageError, "'' is no store URL; write 'memory:'"),
        (None, UsageError, "None is no store URL"),
        ("prompts.db", UsageError, "'prompts.db' is no store URL; write 'memory:', 'sqlite:///prompts.db'"),
        ("mem:", UnknownName, "no store has the scheme 'mem'.*did you mean 'memory:'; known: .*sqlite:"),
        ("http://host", UnknownName, "no store has the scheme 'http' .*; known: "),
        ("C:\\dir\\x", UnknownName, "a file's path is written 'sqlite:///path'"),
        ("sqlite:///x.db#support@production", UsageError, r"open\('sqlite:///x.db'\).at\('support@production'\)"),
        ("sqlite://x.db", UsageError, "names no file; write 'sqlite:///file.db'"),
        ("file://relative", UsageError, "names no directory; write 'file:///abs/dir' or 'file:dir'"),
        ("fsspec+://x", UsageError, "names no file system; write 'fsspec\\+SCHEME://place'"),
        ("redis:/x", UsageError, "names no server or database; write redis://host:6379/0"),
        ("postgresql:", UsageError, "is no PostgreSQL URL; write postgresql://user@host:5432/database"),
        ("ray://", UsageError, "names no store behind the actor; write 'ray://\\?behind="),
        ("device:tpu", UsageError, "names no device; write 'device:cpu'"),
    ],
)
def test_a_url_that_names_no_store_says_what_to_write(url: Any, error: type[Exception], words: str) -> None:
    if isinstance(url, str) and url.startswith(("redis", "postgres", "ray", "fsspec", "device")):
        pytest.importorskip({"postgresql": "psycopg", "device": "torch"}.get(url.partition(":")[0], url.partition(":")[0].strip("+")))
    with pytest.raises(error, match=words):
        pg.stores.open(url)


def test_an_option_that_the_store_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(
        UsageError, match="memory: stores have no option 'reproducable'; they have key, reproducible, stripes, lease_seconds"
    ):
        pg.stores.open("memory:", reproducable=True)
    assert pg.stores.open("memory:", reproducible=True).reproducible


def test_a_scheme_may_be_written_in_capitals(tmp_path: Any) -> None:
    assert pg.stores.open(f"SQLite:///{tmp_path}/x.db").key == f"sqlite:///{tmp_path}/x.db"


def test_a_postgresql_url_without_host_stays_one() -> None:
    assert Address("postgresql:///prompts?schema=a").plain == "postgresql:///prompts"
    assert Address("postgresql://?service=x").plain == "postgresql://?service=x"


def test_a_file_system_that_lacks_its_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    _without(monkeypatch, "s3fs")
    with pytest.raises(UsageError, match=r"needs a package that .* pip install s3fs"):
        pg.stores.open("s3://bucket/dir")


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("redis://127.0.0.1:1", "redis", "redis"),
        ("postgresql://127.0.0.1:1/x", "psycopg", "postgres"),
        ("ray://?behind=sqlite:////x.db", "ray", "ray"),
        ("device:cpu", "torch", "torch"),
        ("s3://bucket/dir", "fsspec", "files"),
    ],
)
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, url: str, package: str, extra: str) -> None:
    _without(monkeypatch, package)
    with pytest.raises((UsageError, StoreError), match=rf"needs .*{package}.*pip install 'paragrad\[{extra}\]'"):
        pg.stores.open(url)


def _without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As if ``package`` were not installed."""
    real = builtins.__import__

    def importing(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **options)

    for name in [name for name in sys.modules if name.partition(".")[0] == package and package == "s3fs"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", importing)
