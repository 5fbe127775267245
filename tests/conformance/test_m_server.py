"""Section M: the parameter server switch (M7), with real servers and real processes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import paragrad as pg
from paragrad import rules
from tests.servers import Server

WORKER = """
import sys
import numpy
import paragrad as pg
url, steps, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
scale = pg.Parameter(8.0, name="scale").set_param_ps(store=url)
weight = pg.Parameter([1.0, 2.0], name="weight", space=pg.Tensor()).set_param_ps(store=url)
for _ in range(steps):
    (scale * rate).backward()
    (weight * numpy.array([rate, 0.5])).backward(numpy.ones(2))
    assert pg.stores.push_gradients([scale, weight]) == 2
    assert pg.stores.push_gradients([scale, weight]) == 0
    print(scale.value, flush=True)
sys.stdin.readline()
print(scale.value, weight.value[0], weight.value[1])
"""


def started(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_M7_workers_push_and_pull_while_the_server_applies(kind: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    url = server.fresh()
    command = [sys.executable, "-c", WORKER, url, "25"]
    workers = [started(*command, rate) for rate in ("0.25", "2.0")]
    seen = [worker.stdout.readline() for worker in workers if worker.stdout is not None]
    assert all(seen)
    store = pg.stores.open(url)
    optimizer = rules.init_optimizer(rules.SGD(lr=0.5), ["scale", "weight"], store)
    for _ in range(12):
        rules.apply_update(optimizer)
    said = []
    for worker in workers:
        assert worker.stdout is not None
        said.append([worker.stdout.readline() for _ in range(24)][-1])
    assert all(said)
    rules.apply_update(optimizer)
    pulled = [worker.communicate("go\n")[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    expected = 8.0 - 0.5 * 25 * (0.25 + 2.0)
    assert store.get_parameter_value("scale") == expected
    assert store.get_parameter_value("weight").tolist() == [1.0 - 0.5 * 25 * (0.25 + 2.0), 2.0 - 0.5 * 50 * 0.5]
    assert [float(line[0]) for line in pulled] == [expected, expected]
    assert [float(line[1]) for line in pulled] == [store.get_parameter_value("weight")[0]] * 2
    assert len(store.history("scale")) == 14


def moments(store: Any) -> Any:
    return rules.init_optimizer(rules.SGD(lr=0.5, momentum=0.5), ["w"], store)


def test_M7_value_gradient_and_optimizer_state_move_and_come_back(redis: Server) -> None:
    home, twin = pg.stores.open("memory:"), pg.stores.open("memory:")
    server = pg.stores.open(redis.fresh())
    parameter = pg.Parameter(4.0, name="w", store=home)
    twin.init_parameter("w", 4.0)
    places = [home, server, server, home, home]
    for step, place in enumerate(places):
        if step == 1:
            parameter.set_param_ps(store=server)
        if step == 3:
            parameter.set_param_ps(False)
        (parameter * 2.0).backward()
        assert pg.stores.push_gradients([parameter]) == 1
        twin.increment_gradient("w", 2.0)
        rules.apply_update(moments(place))
        rules.apply_update(moments(twin))
        assert parameter.value == place.get_parameter_value("w") == twin.get_parameter_value("w")
    assert [entry.note for entry in home.history("w")].count("back from the parameter server") == 1


def test_M7_a_private_parameter_takes_its_pending_gradient_along_and_back(redis: Server) -> None:
    server = pg.stores.open(redis.fresh())
    parameter = pg.Parameter(4.0, name="w")
    (parameter * 3.0).backward()
    assert parameter.set_param_ps(store=server) is parameter
    assert (server.get_parameter_value("w"), server.get_gradient("w"), list(parameter.grad)) == (4.0, 3.0, [])
    server.set_parameter_value("w", 5.0)
    assert parameter.value == 5.0
    parameter.set_param_ps(False)
    assert (parameter.value, parameter.grad[0].value, server.get_gradient("w")) == (5.0, 3.0, 0.0)
    parameter.data = 6.0
    assert server.get_parameter_value("w") == 5.0
    pg.Parameter(1.0, name="w").set_param_ps(store=server)  # nobody owns the id any more


def test_M7_an_optimizer_of_its_own_lets_go(redis: Server) -> None:
    server = pg.stores.open(redis.fresh())
    parameter = pg.Parameter(4.0, name="w")
    optimizer = pg.optimizers.SGD([parameter], lr=0.5)
    (parameter * 3.0).backward()
    optimizer.step()
    assert parameter.value == 2.5
    parameter.set_param_ps(store=server)
    assert (server.get_parameter_value("w"), server.get_gradient("w")) == (2.5, 3.0)


def test_M7_what_cannot_be_served_is_refused(redis: Server) -> None:
    server = pg.stores.open(redis.fresh())
    server.init_parameter("w", [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"shape \(3,\).*\(2,\)"):
        pg.Parameter([1.0, 2.0], name="w", space=pg.Tensor()).set_param_ps(store=server)
    with pytest.raises(pg.errors.UsageError, match="no name"):
        pg.Parameter(1.0).set_param_ps(store=server)
    with pytest.raises(pg.errors.UsageError, match="which server"):
        pg.Parameter(1.0, name="v").set_param_ps()
    with pytest.raises(pg.errors.UsageError, match="in no store"):
        pg.stores.push_gradients([pg.Parameter(1.0, name="v")])
    with pg.parameter_context(server):
        parameter = pg.Parameter(1.0, name="v").set_param_ps()
    assert server.get_parameter_value("v") == parameter.value == 1.0
    with pg.transaction(), pytest.raises(pg.errors.UsageError, match="inside an overlay"):
        parameter.set_param_ps(False)


def test_M7_a_push_that_fails_keeps_its_gradient() -> None:
    server = pg.stores.open("memory:")
    parameter = pg.Parameter(1.0, name="w").set_param_ps(store=server)
    (parameter * 3.0).backward()
    lost = server._live.pop("g/w")
    with pytest.raises(TypeError):
        pg.stores.push_gradients([parameter])
    assert parameter.grad[0].value == 3.0
    server._live["g/w"] = lost
    assert pg.stores.push_gradients([parameter]) == 1
    assert (server.get_gradient("w"), list(parameter.grad)) == (3.0, [])


def test_M7_a_gradient_that_no_server_takes_stops_the_move_before_it_begins() -> None:
    store = pg.stores.open("memory:")
    weight = pg.Parameter(4.0, name="weight.spoilt")
    (weight * float("nan")).backward()
    with pytest.raises(ValueError, match=r"the gradient of 'weight.spoilt' is nan"):
        weight.set_param_ps(store=store)
    assert list(store.ids()) == []
    weight.zero_grad()
    (weight * 2.0).backward()
    weight.set_param_ps(store=store)
    assert store.get_gradient("weight.spoilt") == 2.0
