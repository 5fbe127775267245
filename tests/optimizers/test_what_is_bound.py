"""What an optimizer is given: Parameters in a list, each with an id of its own; everything else is one clear error."""

from __future__ import annotations

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import UsageError

OPTIMIZERS = [pg.optimizers.SGD, pg.optimizers.Adam, pg.optimizers.TextGrad, pg.optimizers.EditSearch]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda p: p, r"takes Parameters in a list, not .*name=w.*write \w+\(\[p, q\]\)"),
        (lambda p: {"w": p}, r"takes Parameters in a list"),
        (lambda p: "w", r"takes Parameters in a list, not 'w'"),
        (lambda p: 3, r"takes Parameters in a list, not 3"),
        (lambda p: [{"params": [p], "lr": 0.1}], r"not \{'params'.* of type dict"),
        (lambda p: [1.0], r"trains Parameters, not 1.0 of type float; make one with pg.Parameter"),
        (lambda p: [pg.Variable(1.0)], r"of type Variable"),
        (lambda p: [], r"got no Parameters"),
        (lambda p: iter(()), r"got no Parameters"),
        (lambda p: [p, pg.Parameter(np.ones(2), name="w")], r"two different Parameters .* are called 'w'"),
    ],
)
def test_a_wrong_list_is_named(optimizer, given, words):
    with pytest.raises(UsageError, match=words):
        optimizer(given(pg.Parameter(np.ones(2), name="w")))


def test_the_same_parameter_twice_is_one():
    p = pg.Parameter(1.0, name="p")
    optimizer = pg.optimizers.SGD([p, p], lr=0.5)
    (p * 1.0).backward()
    assert optimizer.step()
    assert p.value == 0.5


def test_a_numeric_optimizer_shows_its_numbers():
    assert repr(pg.optimizers.SGD(lr=0.1)) == "SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0, maximize=False)"
    bound = repr(pg.optimizers.Adam([pg.Parameter(1.0, name="a"), pg.Parameter(2.0, name="b")], lr=0.1))
    assert bound.startswith("Adam(lr=0.1, betas=(0.9, 0.999)")
    assert bound.endswith(") of 2 Parameters")


def test_every_parameter_of_a_torch_module_with_buffers_can_be_given():
    torch = pytest.importorskip("torch")
    net = pg.from_torch(torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1)))
    optimizer = pg.optimizers.Adam(net.parameters(), lr=0.1)  # an integer counter is among them, and stays torch's
    before = net.named_parameters()["1.weight"].value
    pg.ops.mean(pg.ops.square(net(np.array([[0.0, 1.0], [1.0, 0.0]], "float32")))).backward()
    assert optimizer.step()
    assert not np.array_equal(before, net.named_parameters()["1.weight"].value)
    assert int(net.named_parameters()["0.num_batches_tracked"].value) == 1
    with pytest.raises(UsageError, match="no number and no tensor of floats"):
        pg.optimizers.Adam([pg.Parameter(np.arange(3), name="whole")])
