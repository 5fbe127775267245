"""An update rule: Lion, which steps by the sign of a running mean of the gradient."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import paragrad as pg


@dataclass(frozen=True)
class Lion(pg.rules.Rule):
    """X. Chen et al., "Symbolic discovery of optimization algorithms" (2023)."""

    lr: float = 0.1
    one: float = 0.9
    two: float = 0.99

    def init(self, values: Any) -> dict[str, Any]:
        return {"mean": np.zeros_like(values)}

    def step(self, values: Any, gradients: Any, state: Any) -> tuple[Any, dict[str, Any]]:
        ahead = self.one * state["mean"] + (1 - self.one) * gradients
        mean = self.two * state["mean"] + (1 - self.two) * gradients
        return values - self.lr * np.sign(ahead), {"mean": mean}


if __name__ == "__main__":
    store = pg.stores.open("memory:")  # or any other: the state lives there, beside the values
    store.init_parameter("w", np.array([1.0, -1.0]))
    optimizer = pg.init_optimizer(Lion(), ["w"], store)
    for _ in range(5):
        store.increment_gradient("w", 2 * store.get_parameter_value("w"))
        pg.apply_update(optimizer)
    print(store.get_parameter_value("w").round(3))
