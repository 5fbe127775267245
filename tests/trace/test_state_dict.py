"""``state_dict`` and ``load_state_dict``: all or none, plain values too, and errors that name the Parameter."""

from __future__ import annotations

import json

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import UsageError


class Program(pg.Module):
    def __init__(self) -> None:
        self.weight = pg.Parameter(np.ones((2, 3), "float32"))
        self.style = pg.Parameter("brief")
        self.options = pg.Parameter({"value": 1, "other": 2})


def test_what_it_gave_goes_back_in_with_the_flags():
    program, other = Program(), Program()
    program.weight.requires_grad_(False)
    program.style.data = "kind"
    other.load_state_dict(program.state_dict())
    assert (other.style.value, other.weight.requires_grad, dict(other.options.value)) == ("kind", False, {"value": 1, "other": 2})


def test_plain_values_do_and_leave_the_flags():
    program = Program()
    program.weight.requires_grad_(False)
    program.load_state_dict({"weight": np.zeros((2, 3), "float32"), "style": "kind", "options": {"value": 3, "other": 4}})
    assert (program.style.value, program.weight.value.sum(), program.weight.requires_grad) == ("kind", 0.0, False)
    assert json.dumps(dict(program.options.value)) == '{"value": 3, "other": 4}'


@pytest.mark.parametrize("wrong", [np.zeros((3, 2), "float32"), "text", None, np.zeros((2, 3), "float64")])
def test_a_value_that_does_not_fit_is_named_and_nothing_changes(wrong):
    program = Program()
    with pytest.raises(UsageError, match=r"^weight: "):
        program.load_state_dict({"style": "kind", "weight": wrong}, strict=False)
    assert program.style.value == "brief"
    with pytest.raises(UsageError, match=r"missing \['options', 'weight'\], unknown \['colour'\]"):
        program.load_state_dict({"style": "kind", "colour": 1})


def test_the_state_dict_of_torch_loads():
    torch = pytest.importorskip("torch")
    source, net = torch.nn.BatchNorm1d(3), pg.from_torch(torch.nn.BatchNorm1d(3))
    with torch.no_grad():
        source.weight.fill_(2.0)
        source.num_batches_tracked.fill_(7)
    net.load_state_dict(source.state_dict())
    values = {path: parameter.value for path, parameter in net.named_parameters().items()}
    assert (values["weight"].tolist(), int(values["num_batches_tracked"])) == ([2.0, 2.0, 2.0], 7)
