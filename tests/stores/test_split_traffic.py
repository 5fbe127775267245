"""Splitting traffic between releases, on every kind of store that needs no server, and on servers."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import UsageError
from paragrad.stores.traffic import current_tag

SHARES = {"production": 0.9, "next": 0.1}


def released(url: str) -> pg.Parameter[str]:
    store = pg.stores.open(url)
    tone: Any = pg.Parameter("Be brief.", name="tone", store=store)
    store.tag(store.release("route"), "production")
    tone.data = "Be kind."
    store.tag(store.release("route"), "next")
    tone.data = "Be loud."
    return tone


def choose(key: str, shares: dict[str, float] = SHARES, **options: Any) -> str:
    with pg.split_traffic(shares, key=key, **options) as tag:
        assert current_tag() == tag
        return tag


def test_shares_are_kept_and_keys_stay_where_they_are() -> None:
    keys = [f"user {n}" for n in range(4000)]
    found = [choose(key) for key in keys]
    assert found == [choose(key) for key in keys]
    assert 330 < Counter(found)["next"] < 470
    assert current_tag() is None


def test_the_choice_is_the_same_in_every_process() -> None:
    assert "".join(choose(f"user {n}", {"a": 0.5, "b": 0.5}) for n in range(12)) == "bbabbbbabaaa"


def test_a_share_that_grows_gives_no_key_away() -> None:
    for n in range(500):
        before, after = choose(f"user {n}"), choose(f"user {n}", {"production": 0.7, "next": 0.3})
        assert after == before or (before, after) == ("production", "next")
    assert {choose(f"user {n}", {"production": 0.0, "next": 1.0}) for n in range(50)} == {"next"}


def everywhere(url: str) -> None:
    tone = released(url)
    for n in range(30):
        with pg.split_traffic({"production": 0.5, "next": 0.5}, key=f"user {n}", release=f"{url}#route") as tag:
            assert tone.value == {"production": "Be brief.", "next": "Be kind."}[tag]
    with pg.split_traffic({"next": 1}, key="a", release=(pg.stores.open(url), "route")):
        assert tone.value == "Be kind."
    assert tone.value == "Be loud."
    with pytest.raises(KeyError, match="nightly"), pg.split_traffic({"production": 1.0, "nightly": 0.0}, key="a", release=f"{url}#route"):
        pass


def test_the_block_reads_the_release_that_was_chosen(tmp_path: Path) -> None:
    everywhere(f"sqlite:///{tmp_path / 'x.db'}")


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_the_block_reads_the_release_of_a_server(kind: str, request: pytest.FixtureRequest) -> None:
    everywhere(request.getfixturevalue(kind).fresh())


def test_tasks_do_not_share_a_choice() -> None:
    async def one(key: str) -> bool:
        with pg.split_traffic({"a": 0.5, "b": 0.5}, key=key) as tag:
            await asyncio.sleep(0)
            return current_tag() == tag

    async def every() -> list[bool]:
        return list(await asyncio.gather(*(one(f"user {n}") for n in range(20))))

    assert asyncio.run(every()) == [True] * 20


@pytest.mark.parametrize(
    ("shares", "wrong"),
    [
        ({"production": 0.9, "next": 0.05}, "sum to 0.95"),
        ({}, "shares are"),
        (["production"], "shares are"),
        ({"production": 1.5, "next": -0.5}, "no share"),
        ({"production": True}, "no share"),
        ({"production": float("nan")}, "no share"),
        ({"": 1.0}, "no share"),
    ],
)
def test_shares_that_are_none_are_refused(shares: Any, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong), pg.split_traffic(shares, key="a"):
        pass


def test_a_key_is_a_text_and_a_release_has_no_tag() -> None:
    for key in ("", None, 3):
        with pytest.raises(UsageError, match="key= is a text"), pg.split_traffic(SHARES, key=key):  # type: ignore[arg-type]
            pass
    for release in ("sqlite:///x.db", "sqlite:///x.db#route@next"):
        with pytest.raises(UsageError, match="without a tag"), pg.split_traffic(SHARES, key="a", release=release):
            pass
