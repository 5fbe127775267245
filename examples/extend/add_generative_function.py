"""A generative function of one's own: a coin with a trainable bias, density and gradient written by hand."""

import math
from typing import Any

import paragrad as pg
from paragrad import gen


class Coin(gen.GenerativeFunction):
    """True with probability sigmoid(w + x); ``w`` is a parameter, like any other."""

    argument_grads = (True,)

    def simulate(self, args: Any, env: Any) -> gen.Trace:
        return self.at(args, env.rng.random() < self.odds(args, env), env)

    def generate(self, args: Any, constraints: gen.Choices, env: Any) -> tuple[gen.Trace, float]:
        trace = self.at(args, constraints["hit"], env) if "hit" in constraints else self.simulate(args, env)
        return trace, float(trace.score) if "hit" in constraints else 0.0

    def gradients(self, trace: Any, selection: Any, retgrad: Any, needed: Any, scale: Any = 1.0) -> gen.Gradients:
        slope = (1.0 if trace["hit"] else 0.0) - self.odds(trace.args, trace.env)
        return gen.Gradients((scale * slope,), {}, {(self, "w"): scale * slope})

    def odds(self, args: Any, env: Any) -> float:
        return float(gen.sigmoid(env.param(self, "w", 0.0) + args[0]))

    def at(self, args: Any, hit: bool, env: Any) -> gen.Trace:
        score = math.log(self.odds(args, env) if hit else 1 - self.odds(args, env))
        return gen.Trace(self, args, hit, score, {"hit": hit}, env, logps={"hit": score}, reads=env.reads(self))


if __name__ == "__main__":
    coin, store = Coin(), pg.stores.open("memory:")
    trace, weight = gen.generate(gen.map_(coin), ([0.0, 1.0],), {(0, "hit"): True, (1, "hit"): True}, store)
    args = gen.accumulate_param_gradients(trace)
    print(f"weight {weight:.3f}, gradient {store.get_gradient((coin, 'w')):.3f}, arguments {args}")
