"""Rules as values: their arithmetic against torch, their names, their refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import rules
from paragrad.errors import UnknownName, UsageError
from paragrad.rules import SGD, Adam, AdamW, DecayStepGradientDescent, FixedStepGradientDescent, TorchRule

try:
    import torch
except ModuleNotFoundError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")

SHAPES = {"a": (), "b": (3,), "c": (2, 3)}
TWINS: list[tuple[Any, Any]] = [
    (FixedStepGradientDescent(0.1, maximize=False), lambda p: torch.optim.SGD(p, lr=0.1)),
    (FixedStepGradientDescent(0.1), lambda p: torch.optim.SGD(p, lr=0.1, maximize=True)),
    (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (SGD(0.1, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    (SGD(0.1, 0.9, nesterov=True, weight_decay=0.01), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    (SGD(0.1, 0.5, weight_decay=0.1, maximize=True), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.1, maximize=True)),
    (Adam(0.1), lambda p: torch.optim.Adam(p, lr=0.1)),
    (Adam(0.05, (0.8, 0.95), 1e-6, 0.1), lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    (AdamW(0.1, weight_decay=0.2, maximize=True), lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.2, maximize=True)),
]
EVERY = sorted(
    name
    for name, made in (vars(torch.optim).items() if torch else ())
    if isinstance(made, type) and issubclass(made, torch.optim.Optimizer) and name not in ("Optimizer", "SparseAdam", "Muon", "LBFGS")
)


def pushed(step: int, name: str) -> Any:
    """A gradient of a parameter at a step."""
    shape = SHAPES[name]
    rng = np.random.default_rng([step, len(shape)])
    return rng.normal(size=shape) if shape else float(rng.normal())


def run(conf: Any, store: Any, steps: int, *, again: bool = False) -> dict[str, Any]:
    """Values after some steps; ``again``: with a new optimizer for each."""
    for name, shape in SHAPES.items():
        store.init_parameter(name, np.full(shape, 0.5) if shape else 0.5)
    optimizer = pg.init_optimizer(conf, list(SHAPES), store)
    for step in range(steps):
        for name in SHAPES:
            store.increment_gradient(name, pushed(step, name))
        pg.apply_update(optimizer)
        if again:
            optimizer = pg.init_optimizer(conf, list(SHAPES), store)
    return {name: np.asarray(store.get_parameter_value(name)) for name in SHAPES}


def torch_run(make: Any, steps: int) -> dict[str, Any]:
    """The same with torch."""
    weights = {name: torch.full(shape, 0.5, dtype=torch.float64, requires_grad=True) for name, shape in SHAPES.items()}
    optimizer = make(list(weights.values()))
    for step in range(steps):
        for name, weight in weights.items():
            weight.grad = torch.tensor(pushed(step, name), dtype=torch.float64).reshape(weight.shape)
        optimizer.step()
    return {name: weight.detach().numpy() for name, weight in weights.items()}


@needs_torch
@pytest.mark.parametrize(("conf", "make"), TWINS, ids=lambda x: repr(x) if isinstance(x, rules.Rule) else "")
@pytest.mark.parametrize("reproducible", [False, True], ids=["flat", "general"])
def test_own_rules_do_what_torch_does(conf: Any, make: Any, reproducible: bool) -> None:
    found = run(conf, pg.stores.MemoryStore(reproducible=reproducible), 5)
    for name, wanted in torch_run(make, 5).items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-9)


@needs_torch
@pytest.mark.parametrize("name", EVERY)
def test_every_torch_optimizer_is_a_rule_whose_state_a_store_keeps(name: str) -> None:
    wanted = torch_run(lambda p: getattr(torch.optim, name)(p, lr=0.05), 4)
    found = run(TorchRule(name, lr=0.05), pg.stores.open("memory:"), 4, again=True)
    for id, value in wanted.items():
        np.testing.assert_allclose(found[id], value, rtol=1e-6, err_msg=name)


@needs_torch
def test_torch_rules_with_needs_of_their_own(tmp_path: Any) -> None:
    lbfgs = torch_run(lambda p: _Single(p), 4)
    found = run(TorchRule("LBFGS", lr=0.5), pg.stores.open(f"sqlite:///{tmp_path}/p.db"), 4, again=True)
    for id, value in lbfgs.items():
        np.testing.assert_allclose(found[id], value, rtol=1e-6)
    store = pg.stores.open("memory:")
    store.init_parameter("w", np.ones((2, 2)))
    store.increment_gradient("w", np.eye(2))
    pg.apply_update(pg.init_optimizer(TorchRule("Muon", lr=0.1), ["w"], store))
    assert store.get_parameter_value("w")[0, 0] < 0.95


class _Single:
    """LBFGS as the adapter uses it: one parameter each, one step per gradient."""

    def __init__(self, weights: Any) -> None:
        self.parts = [torch.optim.LBFGS([weight], lr=0.5, max_iter=1) for weight in weights]

    def step(self) -> None:
        """One step."""
        for part in self.parts:
            part.step(lambda: torch.zeros(()))


@pytest.mark.parametrize("conf", [SGD(0.1, momentum=0.9), Adam(0.1), DecayStepGradientDescent(0.1, 3)])
def test_a_new_optimizer_over_the_same_ids_goes_on_with_the_state(conf: Any, tmp_path: Any) -> None:
    whole = run(conf, pg.stores.open("memory:"), 6)
    parts = run(conf, pg.stores.open(f"sqlite:///{tmp_path}/p.db"), 6, again=True)
    for name in SHAPES:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-12)


def test_equal_configurations_name_the_same_state_and_others_do_not() -> None:
    assert Adam(0.1).state_name(["a"]) == Adam(0.1, betas=(0.9, 0.999)).state_name(["a"])
    names = [conf.state_name(ids) for conf in (SGD(0.1), SGD(0.2), SGD(0.1, 0.9), Adam(0.1), AdamW(0.1)) for ids in (["a"], ["a", "b"])]
    assert len(set(names)) == 10


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: FixedStepGradientDescent(float("nan")), ValueError, "step_size must be finite"),
        (lambda: FixedStepGradientDescent("0.1"), TypeError, "step_size must be a number, not str"),  # type: ignore[arg-type]
        (lambda: DecayStepGradientDescent(0.1, -1), ValueError, "step_size_beta=-1"),
        (lambda: SGD(-0.1), ValueError, "lr must be finite, at least 0"),
        (lambda: SGD(0.1, 1.0), ValueError, "momentum.*below 1"),
        (lambda: SGD(0.1, nesterov=True), ValueError, "momentum above 0"),
        (lambda: SGD(0.1, maximize=1), TypeError, "True or False"),  # type: ignore[arg-type]
        (lambda: Adam(betas=(0.9, 1.0)), ValueError, "betas"),
        pytest.param(*(lambda: TorchRule("RMSProp"), UnknownName, "RMSprop"), marks=needs_torch),
        pytest.param(*(lambda: TorchRule("SGD", lr=-1.0), UsageError, "lr"), marks=needs_torch),
        pytest.param(*(lambda: TorchRule("SGD", speed=1.0), UsageError, "speed"), marks=needs_torch),
        pytest.param(*(lambda: TorchRule("SparseAdam"), UsageError, "sparse"), marks=needs_torch),
        pytest.param(*(lambda: TorchRule("LBFGS", max_iter=20), UsageError, "one step per gradient"), marks=needs_torch),
    ],
)
def test_wrong_settings_are_refused_by_name(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()
