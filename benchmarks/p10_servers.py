"""P10: RedisStore and PostgresStore beside their bare drivers: 4 KB texts, servers that write to the disk before they answer.

Both sides do the same durable work and alternate in short rounds; the ratio is the median of the rounds' ratios.
Pushes: 40 KB gradients from four processes, with nothing to compare them with in the bare driver.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

from benchmarks.p10_stores import compare, texts
from paragrad import stores
from tests.servers import PostgresServer, RedisServer, postgres_server, redis_server

TARGETS = {"puts": 0.8, "gets": 0.5, "puts, 8 threads": 0.8}
ROUNDS, PUTS, GETS, KEYS, PUSHES = 6, 80, 500, 50, 150
PUSH = """
import sys, time
import numpy
from paragrad import stores
store = stores.open(sys.argv[1])
gradient = numpy.ones(5000)
store.increment_gradient("w", gradient)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    store.increment_gradient("w", gradient)
"""


def redis_driver(server: RedisServer) -> tuple[Callable[[str, str], Any], Callable[[str], Any]]:
    """put and get of the bare driver."""
    import redis

    client = redis.Redis.from_url(server.fresh().partition("?")[0])
    return lambda key, value: client.set(key, value), lambda key: client.get(key).decode()  # type: ignore[union-attr]


def postgres_driver(server: PostgresServer) -> tuple[Callable[[str, str], Any], Callable[[str], Any]]:
    """put and get of the bare driver, a connection per thread."""
    import psycopg

    place, local = server.fresh().partition("?")[0], threading.local()

    def connection() -> Any:
        if not hasattr(local, "connection"):
            local.connection = psycopg.connect(place, autocommit=True)
        return local.connection

    connection().execute("CREATE TABLE kv (k text PRIMARY KEY, v text)")
    put = "INSERT INTO kv VALUES (%s, %s) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
    return (
        lambda key, value: connection().execute(put, (key, value)),
        lambda key: connection().execute("SELECT v FROM kv WHERE k = %s", (key,)).fetchone()[0],
    )


def measure(url: str, put: Callable[[str, str], Any], get: Callable[[str], Any]) -> dict[str, dict[str, float]]:
    """Median rates of both sides and the median ratio."""
    values, store = texts(KEYS), stores.open(url)
    for i, value in enumerate(values):
        put(f"p{i}", value)
        store.init_parameter(f"p{i}", value)

    def puts(write: Callable[[str, str], Any], first: int = 0) -> None:
        for i in range(first, first + PUTS):
            write(f"p{i % KEYS}", values[(i * 7) % KEYS])

    def gets(read: Callable[[str], Any]) -> None:
        for i in range(GETS):
            read(f"p{i % KEYS}")

    def threads(write: Callable[[str, str], Any]) -> None:
        workers = [threading.Thread(target=puts, args=(write, i * PUTS)) for i in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    found = {
        "puts": compare(PUTS, lambda: puts(store.set_parameter_value), lambda: puts(put), ROUNDS),
        "gets": compare(GETS, lambda: gets(store.get_parameter_value), lambda: gets(get), ROUNDS),
        "puts, 8 threads": compare(PUTS * 8, lambda: threads(store.set_parameter_value), lambda: threads(put), ROUNDS),
    }
    store.close()
    return found


def pushes(url: str) -> float:
    """Pushes per second of four processes; exact or an error."""
    store = stores.open(url)
    store.init_parameter("w", numpy.zeros(5000))
    command = [sys.executable, "-c", PUSH, url, str(PUSHES)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    started = time.perf_counter()
    for worker in workers:
        worker.communicate("go\n")
    rate = 4 * PUSHES / (time.perf_counter() - started)
    assert store.get_gradient_count("w") == 4 * (PUSHES + 1)
    store.close()
    return rate


def main() -> int:
    """Print and write the figures."""
    found: dict[str, Any] = {}
    with redis_server() as redis, postgres_server() as postgres:
        for name, server, driver in (("Redis", redis, redis_driver(redis)), ("PostgreSQL", postgres, postgres_driver(postgres))):
            found[name] = measure(server.fresh(), *driver)
            for what, rates in found[name].items():
                peer = f"peer {rates['bare']:.0f}/s, ours {rates['ours']:.0f}/s"
                print(f"{name}, {what} against the bare driver: {rates['ratio']:.2f} (target ≥ {TARGETS[what]}; {peer})")
            found[name]["pushes"] = pushes(server.fresh())
            print(f"{name}, 40 KB gradients from 4 processes: {found[name]['pushes']:.0f}/s, none lost")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p10_servers.json").write_text(json.dumps({"figures": found, "targets": TARGETS}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
