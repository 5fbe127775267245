"""Parameters where they are unusual: odd names and spaces, numbers of numpy in lists, tuples by identity, other processes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import paragrad as pg


def test_a_space_that_is_none_is_said_so() -> None:
    for wrong, words in (("tensor", "not 'tensor'"), (pg.Text, r"not the class Text; write space=Text\(\.\.\.\)")):
        with pytest.raises(TypeError, match=words):
            pg.Parameter("a", space=wrong)


@pytest.mark.parametrize("name", ["two\nlines", "\ud800", "nul\0"], ids=ascii)
def test_a_name_can_be_printed_and_written_to_a_file(name: str) -> None:
    with pytest.raises(ValueError, match="characters that can be printed"):
        pg.Parameter(1.0, name=name)
    p = pg.Parameter(1.0, name=" schön ")
    with pytest.raises(ValueError, match="characters that can be printed"):
        p.name = name
    assert p.name == "schön"


@pytest.mark.parametrize(
    ("data", "form"),
    [
        ([np.float32(1), np.float32(2)], ((2,), "float32")),
        ([np.int8(1), 2.5], ((2,), "float64")),
        ([[np.float32(1)], [2]], ((2, 1), "float64")),
    ],
    ids=str,
)
def test_a_list_of_numpys_numbers_is_an_array(data: Any, form: Any) -> None:
    p = pg.Parameter(data)
    assert (p.kind, p.shape, p.dtype) == ("tensor", *form)


def test_a_rule_that_was_not_made_yet_is_named() -> None:
    with pytest.raises(TypeError, match=r"not the class One; write One\(\)"):
        pg.Parameter(np.ones(2), name="p").set_data(pg.initializers.One)


def test_a_tuple_asks_for_the_very_parameter() -> None:
    x, y, z = (pg.Parameter(np.ones(2), name=name) for name in "xyz")
    params = pg.ParameterTuple((x, y, x))
    assert (x in params, z in params, params.count(x), params.index(y), params.index(x, 1)) == (True, False, 2, 1, 2)
    with pytest.raises(ValueError, match="not among these"):
        params.index(z)
    assert params == (x, y, x) == params
    assert params != (x, y, z)
    assert hash(params) == hash((x, y, x))


def test_what_describes_a_parameter_goes_to_other_processes_with_it() -> None:
    rules = ["short", len, lambda value: True]  # the last has no name there
    p = pg.Parameter(np.ones(2), "a role", name="p", constraint=rules, instruction_to_optimizer="o", instruction_to_critic="c")
    p.is_init = p.sliced = p.layerwise_parallel = True
    copy = pickle.loads(pickle.dumps(p))
    assert (copy.role, copy.name, copy.rules(), copy.value.tolist()) == ("a role", "p", ["short", len], [1.0, 1.0])
    assert (copy.is_init, copy.sliced, copy.layerwise_parallel) == (True, True, True)
    assert (copy._meta.instruction_to_optimizer, copy._meta.instruction_to_critic) == ("o", "c")
    assert pickle.loads(pickle.dumps(pg.Parameter(1.0))).constraint is None
