"""Score-function gradients: exact in expectation, with less variance against a baseline, mixed with everything else."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import UsageError
from paragrad.ops.stochastic import stochastic

REWARD = np.array([1.0, 3.0, 10.0])
LOGITS = np.array([0.2, -0.3, 0.5])
forced: list[int] = []
seen: dict[str, Any] = {}


@stochastic
def choose(rng: Any, logits: Any) -> int:
    """One index, in proportion to exp(logits)."""
    return forced.pop(0) if forced else rng.choices(range(len(logits)), pg.ops.softmax(logits))[0]  # type: ignore[no-any-return]


@choose.log_prob
def _(sample: int, logits: Any) -> Any:
    return logits[sample] - pg.ops.logsumexp(logits)


def exact() -> Any:
    """The gradient of the expected reward, from autodiff of the sum over outcomes."""
    logits: Any = pg.Variable(LOGITS, requires_grad=True)
    pg.ops.sum(pg.ops.softmax(logits) * REWARD).backward()
    return logits.grad[0].value


def estimates(count: int, *, together: bool) -> list[tuple[float, Any]]:
    """Every outcome of ``count`` samples: its probability, and the gradient it gives of the sum of rewards."""
    chance = pg.ops.softmax(LOGITS)
    found = []
    for outcome in itertools.product(range(3), repeat=count):
        forced[:] = outcome
        logits: Any = pg.Parameter(LOGITS)
        outputs = [choose(logits * 1.0) for _ in outcome]
        feedbacks = [pg.Feedback(REWARD[i]) for i in outcome]
        for group in [(outputs, feedbacks)] if together else [([o], [f]) for o, f in zip(outputs, feedbacks, strict=True)]:
            pg.backward(*group)
        found.append((float(np.prod(chance[list(outcome)])), -logits.grad[0].value))
    return found


def moments(found: list[tuple[float, Any]]) -> tuple[Any, float]:
    mean = sum(p * g for p, g in found)
    return mean, float(sum(p * ((g - mean) ** 2).sum() for p, g in found))


def test_the_estimate_is_unbiased_with_and_without_a_baseline() -> None:
    for count, together in ((1, False), (2, False), (2, True), (3, True)):
        mean, _ = moments(estimates(count, together=together))
        assert np.allclose(mean, count * exact())


def test_the_mean_of_the_other_scores_lowers_the_variance() -> None:
    _, alone = moments(estimates(3, together=False))
    _, compared = moments(estimates(3, together=True))
    assert compared < 0.8 * alone


def test_a_fixed_baseline() -> None:
    plain, fixed = [], []
    mean_reward = float(pg.ops.softmax(LOGITS) @ REWARD)
    for kept, baseline in ((plain, 0.0), (fixed, mean_reward)):
        choose.baseline = baseline
        kept.append(moments(estimates(1, together=False)))
    choose.baseline = None
    assert np.allclose(plain[0][0], exact())
    assert np.allclose(fixed[0][0], exact())
    assert fixed[0][1] < plain[0][1]


def test_scores_of_one_sample_are_not_its_own_baseline() -> None:
    forced[:] = [2]
    logits: Any = pg.Parameter(LOGITS)
    sample = choose(logits)
    pg.backward([sample + 1, sample + 2], [pg.Feedback(1.0), pg.Feedback(2.0)])
    wanted = np.eye(3)[2] - pg.ops.softmax(LOGITS)
    assert np.allclose(logits.grad[0].value, -3.0 * wanted)


def test_the_score_still_reaches_everything_and_once() -> None:
    forced[:] = [1]
    logits: Any = pg.Parameter(LOGITS)
    prompt: Any = pg.Parameter("Answer:")
    sample = choose(logits)
    out = pg.format("{p} {s} {s}", p=prompt, s=sample)
    pg.backward([out], [pg.Feedback(0.5, "too short")])
    assert [r.value for r in prompt.scores] == [0.5]
    assert [r.value for r in logits.scores] == [0.5]
    assert prompt.grad[0].value == "too short"
    assert np.allclose(logits.grad[-1].value, -0.5 * (np.eye(3)[1] - pg.ops.softmax(LOGITS)))


@pytest.mark.parametrize("feedback", [pg.Feedback(None, "words"), pg.Feedback(float("nan")), pg.Feedback(1.0, status="outage")])
def test_what_is_no_score_gives_no_gradient(feedback: Any) -> None:
    logits: Any = pg.Parameter(LOGITS)
    pg.backward([choose(logits)], [feedback])
    assert not any(isinstance(g.value, np.ndarray) for g in logits.grad)


def test_samples_are_drawn_by_coordinate() -> None:
    def drawn(item: int) -> list[int]:
        with scope(Scope(Coordinate(item=item), seed=1)):
            return [choose(LOGITS).value for _ in range(20)]

    assert drawn(0) == drawn(0) != drawn(1)


def test_without_a_log_probability_the_error_says_what_to_write() -> None:
    @stochastic
    def flip(rng: Any, p: float) -> bool:
        return rng.random() < p  # type: ignore[no-any-return]

    p: Any = pg.Parameter(0.5, name="p")
    with pytest.raises(UsageError, match=r"flip\.log_prob"):
        pg.backward([flip(p)], [pg.Feedback(1.0)])
    assert not p.grad


class Chooser(pg.Module):
    """Answers with what it drew."""

    def __init__(self) -> None:
        self.logits = pg.Parameter(np.zeros(3), "what is likely")

    def forward(self, question: str) -> Any:
        return pg.format("answer {choice}", choice=choose(self.logits))


@pytest.mark.parametrize("workers", [1, 3])
def test_fit_steps_what_samples_were_drawn_from(workers: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No metric of words has a slope; the scores have."""
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path))
    program = Chooser()
    pg.fit(
        program, [(f"question {i}", "answer 1") for i in range(60)], metric="exact_match", optimizer=pg.optimizers.SGD(lr=10.0),
        budget="400 calls", progress=False, algorithm="minibatch", seed=1, workers=workers,
    )  # fmt: skip
    assert pg.ops.softmax(program.logits.value)[1] > 0.8
    seen.setdefault("logits", program.logits.value)
    assert np.array_equal(seen["logits"], program.logits.value)  # whatever the number of workers


def test_torch_density_and_parents_upstream() -> None:
    torch = pytest.importorskip("torch")

    @stochastic(baseline=0.0)
    def gauss(rng: Any, mean: float) -> float:
        return mean + rng.choice([-1.25, 0.75])  # exact in float32, as which torch gets it; the density does not ask how it was drawn

    normal = pg.from_torch(lambda x, mean: torch.distributions.Normal(mean, 1.0).log_prob(torch.as_tensor(x)))
    gauss.log_prob(lambda sample, mean: normal(sample, mean))
    w: Any = pg.Parameter(0.5)
    sample = gauss(w * 3.0)
    pg.backward([sample], [pg.Feedback(2.0)])
    assert w.grad[0].value == pytest.approx(-2.0 * (sample.value - 1.5) * 3.0)
