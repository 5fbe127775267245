"""RedisStore on a real server."""

from __future__ import annotations

import sys
import time
import traceback

import pytest

from paragrad import stores
from paragrad.errors import Corrupted, StoreError, UsageError
from paragrad.stores.appending import FOLD
from paragrad.stores.ids import version_key
from paragrad.stores.redis import RedisStore
from paragrad.testing.stores import check_store
from tests.servers import PASSWORD, RedisServer, free_port


def flip(store: RedisStore, id: str) -> None:
    """Flip one bit of the newest version."""
    name = store._place.name(version_key(id, store._pointers([id])[id].count - 1))
    client = store._place.link.client
    value = client.get(name)
    client.set(name, value[:-3] + bytes([value[-3] ^ 4]) + value[-2:])


def test_redis_passes_the_kit(redis: RedisServer) -> None:
    url = redis.fresh()
    check_store(lambda: stores.open(url), corrupt=flip)


def test_a_put_is_one_round_trip_whatever_was_put_before(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process wrote last is decided on without a read; another process that writes between is noticed."""
    url = redis.fresh()
    store, other = stores.open(url), stores.open(url)
    asked: list[int] = []
    fetch = store._place.fetch
    monkeypatch.setattr(store._place, "fetch", lambda keys: asked.append(len(list(keys))) or fetch(keys))
    for i in range(3):
        store.init_parameter(f"p{i}", "x")
    for i in range(3):
        store.set_parameter_value(f"p{i}", "y")
    asked.clear()
    for i in range(3):
        store.set_parameter_value(f"p{i}", "z")
    assert asked == []
    other.set_parameter_value("p1", "other")
    store.set_parameter_value("p1", "mine")
    assert asked
    assert [entry.value for entry in store.history("p1")] == ["x", "y", "z", "other", "mine"]


def test_redis_reproducible_passes_the_kit(redis: RedisServer) -> None:
    url = redis.fresh()
    check_store(lambda: stores.open(url, reproducible=True))


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("redis://", "names no server"),
        ("redis://localhost/prompts", "database"),
        ("redis://localhost:port/0", "the port is no number"),
        ("redis://localhost/0?prefx=a", "no option 'prefx'"),
        ("redis://localhost/0?prefix=a%20b", "the prefix is letters"),
    ],
)
def test_a_url_that_names_no_place_is_refused(url: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        stores.open(url)


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    port = free_port()
    with pytest.raises(StoreError, match=rf"127.0.0.1:{port} cannot be reached.*redis-server") as caught:
        stores.open(f"redis://:{PASSWORD}@127.0.0.1:{port}/0", wait=0.05)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_a_wrong_password_and_a_wrong_database_are_said(redis: RedisServer) -> None:
    with pytest.raises(StoreError, match="refuses the user or the password") as caught:
        stores.open(redis.fresh().replace(PASSWORD, "wrong-one"))
    assert "wrong-one" not in str(caught.value)
    with pytest.raises(StoreError, match="refuses"):
        stores.open(redis.fresh().replace("/0?", "/99?"))


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StoreError, match=r"paragrad\[redis\]"):
        stores.open("redis://localhost/0")


def test_data_of_another_program_is_left_alone(redis: RedisServer) -> None:
    url = redis.fresh()
    store = stores.open(url)
    client = store._place.link.client
    client.rpush(store._place.name("head"), "theirs")
    with pytest.raises(StoreError, match="another program"):
        stores.open(url)
    with pytest.raises(StoreError, match="another program"):
        store.init_parameter("a", 1.0)
    client.delete(store._place.name("head"))
    client.set(store._place.name("head"), "theirs")
    with pytest.raises(Corrupted):
        store.init_parameter("a", 1.0)
    assert client.get(store._place.name("head")) == b"theirs"


def test_the_password_is_in_no_name_and_another_process_can_be_sent_the_store(redis: RedisServer) -> None:
    store = stores.open(redis.fresh())
    assert PASSWORD not in f"{store!r} {store.key}"
    store.init_parameter("a", 1.0)
    made, given = store.__reduce__()
    assert made(*given).get_parameter_value("a") == 1.0


def test_a_password_may_come_from_the_environment(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    store = stores.open(redis.fresh())
    store.init_parameter("a", 1.0)
    with pytest.raises(StoreError, match="refuses the user or the password"):
        stores.open(store.key)
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    assert stores.open(store.key).get_parameter_value("a") == 1.0


def test_what_the_server_promises_is_read(redis: RedisServer) -> None:
    url = redis.fresh()
    client = stores.open(url)._place.link.client
    assert (stores.open(url).durable, stores.open(url).durability) == (True, "always")
    try:
        client.config_set("appendfsync", "everysec")
        assert (stores.open(url).durable, stores.open(url).durability) == (False, "everysec")
        client.config_set("appendonly", "no")
        assert stores.open(url).durability == "none"
    finally:
        client.config_set("appendonly", "yes")
        client.config_set("appendfsync", "always")


def test_pushes_are_folded_now_and_then_and_old_versions_take_few_reads(redis: RedisServer) -> None:
    store = stores.open(redis.fresh())
    store.init_parameter("n", 0.0)
    for _ in range(FOLD + 10):
        store.increment_gradient("n", 1.0)
    assert store._place.link.client.llen(store._place.name("q/n")) == 10
    assert store.get_gradient("n") == FOLD + 10
    for n in range(200):
        store.set_parameter_value("n", float(n))
    before = store._place.link.client.info("commandstats")["cmdstat_mget"]["calls"]
    assert store.get_entry("n", at=100).value == 98.0
    assert store._place.link.client.info("commandstats")["cmdstat_mget"]["calls"] - before <= 10


def test_a_push_for_an_old_shape_is_refused_by_the_server(redis: RedisServer) -> None:
    url = redis.fresh()
    here, there = stores.open(url), stores.open(url)
    here.init_parameter("w", [1.0, 2.0])
    there.increment_gradient("w", [1.0, 1.0])
    here.init_parameter("w", [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="shape"):
        there.increment_gradient("w", [1.0, 1.0])
    there.increment_gradient("w", [1.0, 1.0, 1.0])
    assert here.get_gradient("w").tolist() == [1.0, 1.0, 1.0]
    here.init_parameter("w", "words")
    with pytest.raises(TypeError, match="no numeric gradient"):
        there.increment_gradient("w", [1.0, 1.0, 1.0])


def test_a_store_that_nobody_holds_closes_its_connections(redis: RedisServer) -> None:
    store = stores.open(redis.fresh())
    client = stores.open(redis.fresh())._place.link.client
    store.commit()
    before = len(client.client_list())
    del store
    deadline = time.monotonic() + 10  # the server hears of it a little later
    while len(client.client_list()) >= before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(client.client_list()) < before
