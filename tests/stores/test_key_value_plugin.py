"""A plug-in over HTTP with three primitives, and the cost of reading an old version."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from paragrad import stores
from paragrad.testing.stores import check_store


class ConsulStore(stores.KeyValueStore):
    """A store on a Consul server, in three primitives."""

    def __init__(self, url: str) -> None:
        self.root = url.replace("consul://", "http://", 1)

    def read(self, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        found: dict[str, tuple[bytes, int]] = {}
        for k in keys:
            try:
                with urlopen(f"{self.root}/v1/kv/{k}") as reply:
                    row = json.load(reply)[0]
            except HTTPError as error:
                error.close()
                if error.code != 404:
                    raise
            else:
                found[k] = (b64decode(row["Value"]), row["ModifyIndex"])
        return found

    def write(self, values: Mapping[str, bytes], expect: Mapping[str, int]) -> None:
        ops = [{"KV": {"Verb": "cas", "Key": k, "Value": b64encode(v).decode(), "Index": expect.get(k, 0)}} for k, v in values.items()]
        with urlopen(Request(f"{self.root}/v1/txn", json.dumps(ops).encode(), method="PUT")) as reply:
            if reply.status == 409:
                raise stores.Conflict(sorted(values))

    def keys(self, prefix: str) -> list[str]:
        with urlopen(f"{self.root}/v1/kv/{prefix}?keys") as reply:
            return list(json.load(reply))


class Server(BaseHTTPRequestHandler):
    """Simulated Consul: keys with a modify index, transactions of compare-and-set, 404 and 409 as the real one."""

    protocol_version = "HTTP/1.1"
    table: dict[str, tuple[str, int]]
    guard = threading.Lock()

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.removeprefix("/v1/kv/").partition("?")
        with self.guard:
            if query == "keys":
                found: Any = [key for key in self.table if key.startswith(path)]
            else:
                found = [{"Value": self.table[path][0], "ModifyIndex": self.table[path][1]}] if path in self.table else []
        self.answer(200 if found else 404, found)

    def do_PUT(self) -> None:
        ops = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.guard:
            held = all(self.table.get(op["KV"]["Key"], ("", 0))[1] == op["KV"]["Index"] for op in ops)
            for op in ops if held else ():
                index = max((index for _, index in self.table.values()), default=0) + 1
                self.table[op["KV"]["Key"]] = (op["KV"]["Value"], index)
        self.answer(200 if held else 409, {})

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def address() -> Iterator[str]:
    handler = type("Handler", (Server,), {"table": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_consul_passes_the_kit(address: str) -> None:
    check_store(lambda: ConsulStore(f"consul://{address}"))


class Counting(stores.KeyValueStore):
    """Counts the keys it is asked for."""

    def __init__(self) -> None:
        self.place: dict[str, tuple[bytes, int]] = {}
        self.asked = 0

    def read(self, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        self.asked += len(keys)
        return {key: self.place[key] for key in keys if key in self.place}

    def write(self, values: Mapping[str, bytes], expect: Mapping[str, int]) -> None:
        for key, value in values.items():
            self.place[key] = (value, expect[key] + 1)

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.place if key.startswith(prefix)]


def test_old_versions_are_found_in_log_n_reads_and_history_is_no_blob() -> None:
    store = Counting()
    store.init_parameter("a", "v0")
    for n in range(1, 1000):
        store.set_parameter_value("a", f"v{n}")
    assert max(len(value) for value, _ in store.place.values()) < 1000
    worst = 0
    for at in range(1, 1001, 37):
        store.asked = 0
        assert store.get_entry("a", at=at).value == f"v{at - 1}"
        worst = max(worst, store.asked)
    assert worst <= 12
    store.asked = 0
    store.get_parameter_value("a")
    assert store.asked == 2


class AlwaysLate(Counting):
    """Another writer is always faster."""

    retry_seconds = 0.05

    def write(self, values: Mapping[str, bytes], expect: Mapping[str, int]) -> None:
        raise stores.Conflict("late")


def test_endless_races_end_in_conflict() -> None:
    with pytest.raises(stores.Conflict, match="try again"):
        AlwaysLate().init_parameter("a", 1.0)
