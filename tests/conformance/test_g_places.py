"""G2: stores in memory, on a device, in files and remote; different functions use different ones at once."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
import pytest

import paragrad as pg
from paragrad import stores
from paragrad.testing import check_store

TORCH = find_spec("torch") is not None
PLACES = ("memory:", *(["device:cpu"] if TORCH else []), "file://{}/f", "sqlite:///{}/s.db", "fsspec+memory://{}/r")


def opened(folder: Path) -> list[Any]:
    """One store of every kind; the last stands for a remote one (servers are in ``test_m_server``)."""
    return [stores.open(place.format(folder)) for place in PLACES]


def owner(place: int) -> Any:
    """A function of its own for every store."""

    def function() -> None: ...

    function.__qualname__ = f"function{place}"
    return function


@pytest.mark.parametrize("place", [place for place in PLACES if place.startswith(("device", "file"))])  # the others: tests/stores
def test_G2_every_store_keeps_the_same_laws(place: str, tmp_path: Path) -> None:
    assert len(check_store(lambda: stores.open(place.format(tmp_path)))) >= 75


def test_G2_functions_use_different_stores_at_once(tmp_path: Path) -> None:
    made = opened(tmp_path)
    for place, store in enumerate(made):
        store.init_parameter((owner(place), "theta"), numpy.full(3, float(place)))
        store.increment_gradient((owner(place), "theta"), numpy.ones(3), 0.5)
    for place, store in enumerate(made):
        assert len(store.ids()) == 1
        assert store.get_parameter_value((owner(place), "theta")).tolist() == [float(place)] * 3
        assert store.get_gradient((owner(place), "theta")).tolist() == [0.5] * 3


def test_G2_one_program_reads_parameters_of_several_stores(tmp_path: Path) -> None:
    made = opened(tmp_path)
    parameters = [pg.Parameter(float(place), name=f"p{place}", store=store) for place, store in enumerate(made)]
    total = pg.node(0.0)
    for parameter in parameters:
        total = total + parameter
    assert total.value == sum(range(len(PLACES)))
    for place, store in enumerate(made):
        store.set_parameter_value(f"p{place}", 1.0)
    assert sum(parameter.value for parameter in parameters) == len(PLACES)


def test_G2_one_update_over_all_of_them_is_all_or_nothing(tmp_path: Path) -> None:
    made = opened(tmp_path)
    for store in made:
        store.init_parameter("w", numpy.zeros(2))
        store.increment_gradient("w", numpy.ones(2))
    stale = [(store, {"w": numpy.ones(2)}, {"w": 1 if place < len(made) - 1 else 99}) for place, store in enumerate(made)]
    with pytest.raises(stores.Conflict):
        stores.publish_all(stale)
    assert [store.get_parameter_value("w").tolist() for store in made] == [[0.0, 0.0]] * len(made)
    leases = [store.take_gradients(["w"]) for store in made]
    stores.publish_all([(store, {"w": lease.gradients["w"]}, None, None, lease) for store, lease in zip(made, leases, strict=True)])
    assert [store.get_parameter_value("w").tolist() for store in made] == [[1.0, 1.0]] * len(made)
    assert [store.get_gradient("w").tolist() for store in made] == [[0.0, 0.0]] * len(made)
