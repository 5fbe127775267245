"""What the tests of RayStore run in processes of their own: ``python -m tests.stores.ray_programs main FOLDER``."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy
import ray

import paragrad as pg
from paragrad import rules, stores
from paragrad.testing.stores import check_store


def main(folder: str) -> None:
    """Everything that needs a cluster, in one."""
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        namespace="tests",
        object_store_memory=100_000_000,
    )
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    url = f"ray://?behind=sqlite:///{folder}/x.db"
    print("kit", len(check_store(lambda: stores.open(url))))
    store: Any = stores.open(url)
    store.init_parameter("n", 0.0)
    store.init_parameter("w", numpy.zeros(3))
    print("durable", store.durable)
    killed(store)
    drivers(store)
    applied(store)
    behind = stores.open(f"sqlite:///{folder}/x.db")
    print("behind", behind.get_parameter_value("n"), behind.get_gradient("n"), behind.get_parameter_value("w").tolist())
    try:
        stores.open("ray://?behind=memory:")
    except pg.errors.ParagradError as error:
        print("refused", "ends with the actor" in str(error))
    ray.kill(store._found())
    ray.shutdown()


def killed(store: Any) -> None:
    """Kill the actor while two threads push; every acknowledged push is there, once."""
    enough, done = threading.Event(), [0, 0]

    def push(me: int) -> None:
        while not enough.is_set():
            store.increment_gradient("n", 1.0)
            store.increment_gradient("w", numpy.ones(3), token=f"{me} {done[me]}")
            done[me] += 1

    threads = [threading.Thread(target=push, args=(me,)) for me in range(2)]
    for thread in threads:
        thread.start()
    for kill in range(2):
        wanted = sum(done) + 10
        while sum(done) < wanted:
            time.sleep(0.01)
        ray.kill(store._found(), no_restart=kill == 0)
    wanted = sum(done) + 10
    while sum(done) < wanted:
        time.sleep(0.01)
    enough.set()
    for thread in threads:
        thread.join()
    print("killed", store.get_gradient("n") == sum(done), store.get_gradient("w").tolist() == [float(sum(done))] * 3)
    store.reset_gradient("n")
    store.reset_gradient("w")


def drivers(store: Any) -> None:
    """Another driver pushes to the same actor."""
    other = [sys.executable, "-m", "tests.stores.ray_programs", "worker", store.key]
    done = subprocess.run(other, check=True, capture_output=True, text=True)
    store.increment_gradient("n", 1.0)
    print("drivers", done.stdout.split(), store.get_gradient("n"))


def applied(store: Any) -> None:
    """The actor applies the rule; a value is pulled by a Parameter."""
    scale = pg.Parameter(1.0, name="n").set_param_ps(store=store)
    (scale * 3.0).backward()
    pg.stores.push_gradients([scale])
    optimizer = rules.init_optimizer(rules.SGD(lr=0.5), ["n"], store)
    rules.apply_update(optimizer)
    print("applied", scale.value, store.get_gradient("n"), store.state(optimizer.parts[0].state_name) is not None)


def worker(url: str) -> None:
    """Push ten times."""
    store = stores.open(url)
    for _ in range(10):
        store.increment_gradient("n", 2.0)
    print("pushed", store.get_gradient("n"))
    ray.shutdown()


if __name__ == "__main__":
    {"main": main, "worker": worker}[sys.argv[1]](sys.argv[2])
