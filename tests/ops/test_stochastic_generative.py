"""``pg.stochastic`` of a generative function: one node whose scores, numbers and words go to all that the body was made of."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad import gen
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import StaleTrace, UsageError

EXAMPLES = Path(__file__).parents[2] / "examples"


def total(v: Any) -> Any:
    """The number a leaf has collected, or None."""
    return next((g.value for g in v.grad if not isinstance(g.value, str)), None)


def said(v: Any) -> list[str]:
    """The words a leaf has collected."""
    return [g.value for g in v.grad if isinstance(g.value, str)]


class Coin:
    """A coin over a Parameter, a parameter in a store and a marked argument."""

    def __init__(self, baseline: float | None = 0.0) -> None:
        self.bias, self.store = pg.Parameter(0.3, name="bias"), pg.default_parameter_store
        bias = self.bias

        @gen.generative(grad=("x",))
        def coin(x: float, other: float = 1.0) -> bool:
            return gen.sample(gen.bernoulli(gen.sigmoid(gen.param(bias) + gen.param("w", 2.0) * x * other)), "heads")

        gen.init_parameter((coin, "w"), 2.0)
        self.function = coin
        self.node = pg.stochastic(coin, baseline=baseline)

    def toss(self, *args: Any, seed: int = 0) -> Any:
        """One sample."""
        with gen.seed(seed):
            return self.node(*args)

    @property
    def pushed(self) -> Any:
        """What the store has collected."""
        return self.store.get_gradient((self.function, "w"))


def slope(out: Any) -> float:
    """d log p / d logit of a toss."""
    return float(out.value) - 1.0 / (1.0 + 2.718281828459045 ** -(0.3 + 2.0 * 0.5))


def test_one_node_with_an_edge_for_everything_that_was_read() -> None:
    coin = Coin()
    x: Any = pg.Variable(0.5, requires_grad=True)
    out = coin.toss(x, pg.Variable(1.0))
    assert list(out.predecessors) == ["x", "other", "read:bias", "read:coin.w"]
    assert out.predecessors["read:bias"] is coin.bias
    assert out.grad_fn is coin.node.op
    assert "read:coin.w" in out.graph().mermaid()


def test_a_score_becomes_a_loss_s_gradient_and_climbs_in_stores() -> None:
    coin = Coin(baseline=0.5)
    x: Any = pg.Variable(0.5, requires_grad=True)
    other: Any = pg.Variable(1.0, requires_grad=True)
    for count, seed in enumerate((0, 2), 1):
        out = coin.toss(x, other, seed=seed)
        pg.backward([out], [pg.Feedback(2.0)])
        if count == 1:
            first = slope(out)
    both = 1.5 * (first + slope(out))
    assert (total(coin.bias), total(x), total(other)) == pytest.approx((-both, -2.0 * both, None))  # other is not marked
    assert coin.pushed == pytest.approx(0.5 * both)
    assert [record.component for record in coin.bias.scores] == ["coin", "coin"]


def test_the_estimate_is_unbiased() -> None:
    """Both outcomes, by their probabilities, give the derivative of the expected score."""
    coin, seen = Coin(), {}
    for seed in range(20):
        coin.bias.zero_grad()
        out = coin.toss(0.5, seed=seed)
        pg.backward([out], [pg.Feedback(3.0 if out.value else 1.0)])
        seen[out.value] = -total(coin.bias)
    chance = 1.0 / (1.0 + 2.718281828459045**-1.3)
    assert chance * seen[True] + (1 - chance) * seen[False] == pytest.approx((3.0 - 1.0) * chance * (1 - chance))


def test_scores_are_compared_with_the_others() -> None:
    coin = Coin(baseline=None)
    outs = [coin.toss(0.5, seed=seed) for seed in range(3)]
    pg.backward(outs, [pg.Feedback(float(place)) for place in range(3)])
    expected = sum((place - (3 - place) / 2) * slope(out) for place, out in enumerate(outs))
    assert total(coin.bias) == pytest.approx(-expected)


def test_numbers_go_through_a_marked_return_value() -> None:
    t, store = pg.Parameter(0.5, name="t"), pg.default_parameter_store

    @pg.stochastic
    @gen.generative(grad=True)
    def noisy(xs: Any, factor: float) -> Any:
        z = gen.sample(gen.normal(xs[0], 1.0), "z")
        return {"a": gen.param(t) * xs[1], "b": z * gen.param("gain", 2.0) * factor}

    a, b, factor = (pg.Variable(value, requires_grad=True) for value in (2.0, 3.0, 1.5))
    out: Any = noisy([a, b], factor)
    z = out.value["b"] / 3.0
    loss = out["a"] * 10.0 + out["b"]
    loss.backward()
    assert total(a) is None  # only the choice depends on it, which is the scores' part
    assert (total(b), total(t), total(factor)) == pytest.approx((10 * 0.5, 10 * 3.0, z * 2.0))
    assert store.get_gradient((noisy.gen_fn, "gain")) == pytest.approx(-z * 1.5)  # a loss goes down where the store climbs


def test_a_return_value_that_is_not_marked_stops_numbers() -> None:
    coin = Coin()
    (coin.toss(0.5) * 2.0).backward()
    assert total(coin.bias) is None
    assert coin.pushed == 0.0


def test_a_numeric_chain_on_top_of_a_sample() -> None:
    """Scores of a sample drawn from a number that a body returned flow through that body."""
    t = pg.Parameter(0.2, name="t")

    @pg.stochastic
    @gen.generative(grad=True)
    def logit() -> float:
        return gen.param(t) * 3.0  # type: ignore[no-any-return]

    @pg.stochastic(baseline=0.0)
    @gen.generative(grad=True)
    def toss(x: float) -> bool:
        return gen.sample(gen.bernoulli(gen.sigmoid(x)), "heads")  # type: ignore[no-any-return]

    out: Any = toss(logit())
    pg.backward([out], [pg.Feedback(2.0)])
    assert total(t) == pytest.approx(-2.0 * 3.0 * (float(out.value) - 1.0 / (1.0 + 2.718281828459045**-0.6)))


def test_words_go_to_texts_and_prompts_that_were_read() -> None:
    prompt, style = pg.Parameter("Answer", name="prompt"), pg.Parameter("briefly", name="style")
    model = pg.llm.Fake(lambda request: request.messages[-1]["content"])  # simulated

    @pg.stochastic
    @gen.generative
    def answer(question: str) -> str:
        asked = pg.format("{a} {b}: {q}", a=prompt, b=gen.param(style), q=question)
        return gen.sample(gen.completion(model, asked), "answer")  # type: ignore[no-any-return]

    question: Any = pg.Variable("why?", requires_grad=True)
    out: Any = answer(question)
    assert out.value == "Answer briefly: why?"
    out.backward("be kinder")
    assert said(prompt) == said(style) == said(question) == ["be kinder"]


def test_a_parameter_that_is_an_argument_and_is_read_gets_both() -> None:
    t = pg.Parameter(0.5, name="t")

    @pg.stochastic
    @gen.generative(grad=True)
    def f(x: float) -> float:
        return x * x + 10.0 * gen.param(t)  # type: ignore[no-any-return]

    f(t).backward()
    assert total(t) == pytest.approx(2 * 0.5 + 10.0)


def test_everything_is_delivered_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    coin = Coin()
    x: Any = pg.Variable(0.5, requires_grad=True)

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("gone")

    out = coin.toss(x)
    with monkeypatch.context() as patched:
        patched.setattr(coin.store, "increment_gradient", refuse)
        with pytest.raises(ConnectionError):
            pg.backward([out], [pg.Feedback(1.0)], retain_graph=True)
    assert not x.grad
    assert not coin.bias.grad
    assert not coin.bias.scores
    pg.backward([out], [pg.Feedback(1.0)], retain_graph=True)
    assert coin.pushed == pytest.approx(0.5 * slope(out))  # what failed is not pushed later


@pytest.mark.parametrize("moved", ["bias", "w"])
def test_a_node_whose_parameter_moved_on_is_stale(moved: str) -> None:
    coin = Coin()
    out = coin.toss(0.5)
    if moved == "bias":
        coin.bias.data = 1.0
    else:
        coin.store.set_parameter_value((coin.function, "w"), 5.0)
    with pytest.raises(StaleTrace, match=moved):
        pg.backward([out], [pg.Feedback(1.0)], retain_graph=True)
    assert (total(coin.bias), coin.pushed) == (None, 0.0)
    pg.backward([out], [pg.Feedback(1.0)], stale="keep")
    assert (total(coin.bias), coin.pushed) == pytest.approx((-slope(out), 0.5 * slope(out)))


def test_a_context_of_stores_has_its_own_gradients() -> None:
    coin = Coin()
    store = pg.stores.open("memory:")
    with pg.parameter_context(store):
        out = coin.toss(0.5)
        pg.backward([out], [pg.Feedback(1.0)])
        assert total(coin.bias) == pytest.approx(-slope(out))
    assert total(coin.bias) is None
    assert (coin.pushed, store.get_gradient((coin.function, "w"))) == (0.0, pytest.approx(0.5 * slope(out)))


def test_candidates_have_their_own_gradients() -> None:
    coin = Coin()
    with pg.overlay({coin.bias: 0.3}) as candidate:
        out = coin.toss(0.5)
    pg.backward([out], [pg.Feedback(1.0)])
    assert total(coin.bias) is None
    assert candidate.versions[coin.bias._cell].acc.total() == pytest.approx(-slope(out))  # type: ignore[attr-defined]


def test_draws_belong_to_the_coordinate_and_to_the_order_of_a_parallel_block() -> None:
    coin = Coin()

    def drawn(item: int, parallel: bool) -> list[bool]:
        with scope(Scope(Coordinate(item=item), seed=1)):
            if not parallel:
                return [coin.node(0.1).value for _ in range(20)]
            with pg.parallel():
                outs = [coin.node(0.1) for _ in range(20)]
            return [out.value for out in outs]

    assert drawn(0, False) == drawn(0, False) != drawn(1, False)
    assert drawn(0, True) == drawn(0, True)
    with scope(Scope(Coordinate(), seed=1)), pg.parallel():
        out = coin.node(0.5)
    pg.backward([out], [pg.Feedback(1.0)])
    assert total(coin.bias) == pytest.approx(-slope(out))


def test_plain_calls_and_methods() -> None:
    class Router:
        @pg.stochastic
        @gen.generative
        def route(self, length: float, unused: int = 0) -> bool:
            return gen.sample(gen.bernoulli(gen.sigmoid(length)), "long")  # type: ignore[no-any-return]

    assert Coin().node.predict(0.5) in (True, False)
    out: Any = Router().route(100.0)
    assert out.value is True
    named: Any = Router().route(length=-100.0)
    assert named.value is False


def test_combinators_have_edges_into_their_columns() -> None:
    t = pg.Parameter(0.5, name="t")
    each = gen.generative(grad=True)(lambda a, b: a * b + gen.param(t))
    x, y = (pg.Variable(value, requires_grad=True) for value in (3.0, 4.0))
    out: Any = pg.stochastic(gen.map_(each))([1.0, x], [2.0, y])
    assert list(out.predecessors) == ["columns[0][1]", "columns[1][1]", "read:t"]
    out[1].backward()
    assert (out.value, total(x), total(y), total(t)) == ([2.5, 12.5], 4.0, 3.0, 1.0)


def test_a_recorded_backward_is_refused() -> None:
    t = pg.Parameter(0.5, name="t")
    f = pg.stochastic(gen.generative(grad=("return",))(lambda: gen.param(t) * 2.0))
    with pytest.raises(UsageError, match="create_graph"):
        f().backward(create_graph=True)


def test_an_unknown_probability_is_named_and_nothing_is_delivered() -> None:
    t = pg.Parameter(0.0, name="t")

    @pg.stochastic(baseline=0.0)
    @gen.generative
    def f() -> float:
        return gen.sample(gen.delta(0.0), "x") + gen.sample(gen.normal(gen.param(t) * float("inf"), 1.0), "y")  # type: ignore[no-any-return]

    with pytest.raises(ValueError, match="'t'"):
        pg.backward([f()], [pg.Feedback(1.0)])
    assert total(t) is None


def test_the_example_trains_router_and_prompt_in_one_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path))
    spec = importlib.util.spec_from_file_location("example_generative_mixed", EXAMPLES / "generative_mixed.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    result, desk = example.train()
    assert "last complaint" in result.best.values["answer.instruction"]
    assert result.test.after.mean.value > result.test.before.mean.value + 0.2
    asked = {length: sum(desk.careful.predict(length) for _ in range(100)) for length in (3.0, 10.0)}
    assert asked[3.0] < 30 < 70 < asked[10.0]


def test_what_is_no_function_to_draw_from() -> None:
    coin = Coin()
    with pytest.raises(UsageError, match=r"coin.* is a node already; give pg.stochastic the function that draws"):
        pg.stochastic(coin.node)
    with pytest.raises(UsageError, match=r"coin.* is no generative function; give its .gen_fn"):
        gen.simulate(coin.node, (0.5,))
    for baseline in ("a", float("nan")):
        with pytest.raises(UsageError, match="is no score to compare with"):
            pg.stochastic(coin.function, baseline=baseline)


def test_a_node_is_freed_by_a_backward_unless_it_is_kept() -> None:
    coin = Coin()
    out = coin.toss(0.5)
    pg.backward([out], [pg.Feedback(1.0)], retain_graph=True)
    pg.backward([out], [pg.Feedback(1.0)])
    assert total(coin.bias) == pytest.approx(-2 * slope(out))
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        pg.backward([out], [pg.Feedback(1.0)])
    assert coin.pushed == pytest.approx(2 * 0.5 * slope(out))


def test_a_function_that_fails_leaves_the_block_that_calls_it_as_it_was() -> None:
    @pg.stochastic
    @gen.generative
    def broken(x: float) -> float:
        raise KeyError("inner")

    for act in (lambda: broken(1.0), lambda: broken.predict(1.0)):
        with pytest.raises(KeyError, match="inner"):
            act()
    with pytest.raises(KeyError, match="inner"), pg.parallel():
        broken(1.0)
    assert Coin().toss(0.5).value in (True, False)


@pytest.mark.parametrize("committed", [True, False])
def test_a_transaction_decides_whether_a_node_is_stale(committed: bool) -> None:
    coin = Coin()
    out = coin.toss(0.5)
    try:
        with pg.transaction():
            coin.bias.data = 2.0
            if not committed:
                raise ArithmeticError
    except ArithmeticError:
        pass
    if committed:
        with pytest.raises(StaleTrace, match="bias"):
            pg.backward([out], [pg.Feedback(1.0)])
    else:
        pg.backward([out], [pg.Feedback(1.0)])
    assert (total(coin.bias) is None) is committed


def test_any_number_of_workers_trains_to_the_same_bits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path))

    class Guess(pg.Module):
        def __init__(self) -> None:
            self.bias, self.slope = pg.Parameter(0.0, name="bias"), pg.Parameter(0.1, name="slope")

            @pg.stochastic
            @gen.generative
            def coin(x: float) -> bool:
                return gen.sample(gen.bernoulli(gen.sigmoid(gen.param(self.bias) + gen.param(self.slope) * x)), "h")  # type: ignore[no-any-return]

            self.coin = coin

        def forward(self, x: float) -> str:
            return "yes" if self.coin(x) else "no"

    def trained(workers: int) -> tuple[float, float]:
        program = Guess()
        rows = [(i % 7 - 3 + i * 1e-3, "yes" if i % 7 > 3 else "no") for i in range(120)]
        pg.fit(
            program, rows, metric=lambda output, target: float(output == target), optimizer=pg.optimizers.SGD(lr=4.0), workers=workers,
            seed=3, algorithm="minibatch", progress=False, budget="1200 calls",
        )  # fmt: skip
        return program.bias.value, program.slope.value

    found = trained(1)
    assert found[1] > 0.2
    assert found == trained(4)
