"""R6 on real servers, beside ``test_store_faults``: lost acknowledgements, crashes of the server, forks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from paragrad import stores
from paragrad.errors import StoreError
from tests.lossy import lossy
from tests.servers import Server, postgres_server, redis_server

CRASH = {"redis": signal.SIGKILL, "postgres": signal.SIGQUIT}


@pytest.fixture(params=["redis", "postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    """The server this process shares."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["redis", "postgres"])
def own_server(request: pytest.FixtureRequest) -> Iterator[tuple[Server, int]]:
    """A server of the test's own, and the signal that crashes it."""
    with {"redis": redis_server, "postgres": postgres_server}[request.param]() as found:
        yield found, CRASH[request.param]


def opened(url: str) -> Any:
    store = stores.open(url)
    store.init_parameter("n", 0.0)
    store.init_parameter("v", 0.0)
    store.init_parameter("w", numpy.zeros(2))
    return store


def test_lost_acknowledgements_change_nothing(server: Server) -> None:
    url = server.fresh()
    store = opened(url)
    with lossy(server.port) as proxy:
        through = stores.open(url.replace(f":{server.port}", f":{proxy.port}"))
        proxy.losing = 0.1
        for n in range(30):
            through.increment_gradient("n", 1.0)
            through.increment_gradient("w", [1.0, 2.0], token=str(n))
            through.set_parameter_value("v", float(n), expect=through.get_entry("v").version)
            if n % 10 == 5:
                lease = through.take_gradients(["n"])
                through.publish({"n": store.get_parameter_value("n") + lease.gradients["n"]}, consume=lease)
        proxy.losing = 0.0
        through.close()
    assert proxy.lost > 10
    assert store.get_parameter_value("n") + store.get_gradient("n") == 30.0
    assert store.get_gradient("w").tolist() == [30.0, 60.0]
    assert [entry.value for entry in store.history("v")] == [0.0, *(float(n) for n in range(30))]


def test_a_server_that_crashes_in_mid_run_loses_nothing_acknowledged(own_server: tuple[Server, int]) -> None:
    server, crash = own_server
    url = server.fresh()
    store = opened(url)
    assert store.durable
    done, sets, enough = [0, 0], [0, 0], threading.Event()

    def push(me: int) -> None:
        while not enough.is_set():
            store.increment_gradient("n", 1.0)
            done[me] += 1
            if done[me] % 5 == 0:
                store.set_parameter_value("w", [float(done[me]), float(me)])
                sets[me] += 1

    threads = [threading.Thread(target=push, args=(me,)) for me in range(2)]
    for thread in threads:
        thread.start()
    for wanted in (40, 120, 160):
        while sum(done) < wanted:
            threads[0].join(0.005)
        if wanted < 160:
            server.stop(crash)
            server.start()
    enough.set()
    for thread in threads:
        thread.join()
    assert store.get_gradient("n") == store.get_gradient_count("n") == sum(done)
    assert len(store.history("w")) == sum(sets) + 1
    fresh = stores.open(url)
    assert (fresh.get_gradient("n"), len(fresh.history("w"))) == (sum(done), sum(sets) + 1)
    fresh.close()
    store.close()
    hasty = stores.open(url, wait=0.2)
    server.stop()
    with pytest.raises(StoreError, match=rf"127.0.0.1:{server.port} cannot be reached.*start it"):
        hasty.get_parameter_value("n")
    hasty.close()


def test_a_forked_process_has_connections_of_its_own(server: Server) -> None:
    url = server.fresh()
    store = opened(url)
    store.increment_gradient("n", 1.0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for _ in range(20):
                store.increment_gradient("n", 1.0)
            store.set_parameter_value("v", 7.0)
            code = 0
        finally:
            os._exit(code)
    for _ in range(20):
        store.increment_gradient("n", 1.0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (store.get_gradient("n"), store.get_parameter_value("v")) == (41.0, 7.0)
