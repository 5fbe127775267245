"""PostgresStore on a real server."""

from __future__ import annotations

import sys
import time
import traceback
from typing import Any

import pytest

from paragrad import stores
from paragrad.errors import Corrupted, StoreError, UsageError
from paragrad.stores import postgres_arrays
from paragrad.stores.ids import segment
from paragrad.stores.postgres import PostgresStore
from paragrad.stores.postgres_tables import AT
from paragrad.testing.stores import check_store
from tests.servers import PASSWORD, PostgresServer, free_port


def flip(store: PostgresStore, id: str) -> None:
    """Damage the newest version."""
    store._asked("UPDATE versions SET value = set_byte(value, 90, 7) WHERE id = %s RETURNING 1", (segment(id),))


def test_postgres_passes_the_kit(postgres: PostgresServer) -> None:
    url = postgres.fresh()
    check_store(lambda: stores.open(url), corrupt=flip)


def test_postgres_reproducible_passes_the_kit(postgres: PostgresServer) -> None:
    url = postgres.fresh()
    check_store(lambda: stores.open(url, reproducible=True))


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("postgresql://localhost:port/db", "host or port"),
        ("postgresql://localhost/db?schema=Drop%20Table", "no plain name"),
        ("postgresql:db", "no PostgreSQL URL"),
    ],
)
def test_a_url_that_names_no_place_is_refused(url: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        stores.open(url)


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    port = free_port()
    with pytest.raises(StoreError, match=rf"127.0.0.1:{port} cannot be reached.*start it") as caught:
        stores.open(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_a_wrong_password_database_and_option_are_said(postgres: PostgresServer) -> None:
    url = postgres.fresh()
    for wrong, message in (
        (url.replace(PASSWORD, "wrong-one"), "refuses the user or the password"),
        (url.replace("/postgres?", "/nowhere?"), "no such database or user"),
        (f"{url}&colour=red", "colour"),
    ):
        with pytest.raises(StoreError, match=message) as caught:
            stores.open(wrong)
        shown = "".join(traceback.format_exception(caught.value))
        assert PASSWORD not in shown
        assert "wrong-one" not in shown


def test_a_user_without_rights_is_told_which(postgres: PostgresServer) -> None:
    url = postgres.fresh()
    admin = stores.open(url)
    admin._link.call(lambda connection: connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'"))
    with pytest.raises(StoreError, match="forbids it"):
        stores.open(postgres.fresh().replace(f"paragrad:{PASSWORD}@", "guest:guest@"))


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"paragrad\[postgres\]"):
        stores.open("postgresql://localhost/db")


def test_a_schema_of_another_program_is_left_alone(postgres: PostgresServer) -> None:
    store = stores.open(postgres.fresh())
    store._link.call(lambda connection: connection.execute("CREATE SCHEMA theirs; CREATE TABLE theirs.documents (x int)"))
    with pytest.raises(StoreError, match="belongs to another program"):
        stores.open(postgres.fresh().partition("?")[0] + "?schema=theirs")


def test_lost_tables_and_lost_versions_are_noticed(postgres: PostgresServer) -> None:
    store = stores.open(postgres.fresh())
    store.init_parameter("a", "one")
    second = store.set_parameter_value("a", "two")
    store.set_parameter_value("a", "three")
    store._asked("DELETE FROM versions WHERE version = %s RETURNING 1", (second,))
    with pytest.raises(Corrupted, match="do not follow one another"):
        store.history("a")
    with pytest.raises(Corrupted, match="do not follow one another"):
        store.get_entry("a", at=second)
    store._link.call(lambda connection: connection.execute("DROP TABLE versions"))
    with pytest.raises(StoreError, match="lost tables"):
        store.history("a")


def test_the_password_is_in_no_name_and_another_process_can_be_sent_the_store(postgres: PostgresServer) -> None:
    store = stores.open(postgres.fresh())
    assert PASSWORD not in f"{store!r} {store.key}"
    store.init_parameter("a", 1.0)
    made, given = store.__reduce__()
    assert made(*given).get_parameter_value("a") == 1.0


def test_a_database_in_another_encoding_keeps_every_text(postgres: PostgresServer) -> None:
    url = postgres.fresh()
    make = "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'"
    admin = stores.open(url)
    admin._link.call(lambda connection: connection.execute(make))
    store = stores.open(url.replace("/postgres?", "/latin?"))
    store.init_parameter("grüße 🐈", "grüße\x00🐈")
    assert (store.ids(), store.get_parameter_value("grüße 🐈")) == (["grüße 🐈"], "grüße\x00🐈")


def test_old_versions_are_found_by_index(postgres: PostgresServer) -> None:
    store = stores.open(postgres.fresh())
    store.init_parameter("a", 0.0)
    store._link.call(
        lambda connection: connection.execute(
            "INSERT INTO versions SELECT 'big', n, n, '' FROM generate_series(1, 100000) n; ANALYZE versions"
        )
    )
    plan = "\n".join(row[0] for row in store._asked("EXPLAIN " + AT, ("big", 5000)))
    assert "Index" in plan
    assert "Seq Scan" not in plan


def test_a_store_that_nobody_holds_closes_its_connections(postgres: PostgresServer) -> None:
    store, other = stores.open(postgres.fresh()), stores.open(postgres.fresh())
    store.commit()
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'paragrad'"
    before = other._asked(count, ())[0][0]
    del store
    for _ in range(100):
        if other._asked(count, ())[0][0] < before:
            break
        time.sleep(0.02)
    assert other._asked(count, ())[0][0] < before


@pytest.mark.parametrize(
    ("values", "made"),
    [
        (["a", "b/c", ""], postgres_arrays.texts(["a", "b/c", ""])),
        ([b"", bytes(range(256)) * 20], postgres_arrays.blobs([b"", bytes(range(256)) * 20])),
        ([1 << 40, -(1 << 62)], postgres_arrays.numbers([1 << 40, -(1 << 62)])),
    ],
)
def test_arrays_are_written_as_the_driver_writes_them(values: list[Any], made: bytes) -> None:
    adapt = pytest.importorskip("psycopg.adapt")
    dumper = adapt.Transformer().get_dumper(values, adapt.PyFormat.BINARY)
    assert (bytes(dumper.dump(values)), dumper.oid) == (made, postgres_arrays._ARRAYS[type(made)])
