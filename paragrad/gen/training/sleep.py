"""``lecture``: the sleep phase: a teacher dreams up traces, a student learns to infer them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from paragrad.gen.choices import Choices, join
from paragrad.gen.environment import Environment, resolved
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.learning import accumulate_param_gradients
from paragrad.gen.randomness import ambient, generator
from paragrad.gen.trace import Trace
from paragrad.gen.training.sums import positive


def lecture(
    p: GenerativeFunction,
    p_args: tuple[Any, ...],
    q: GenerativeFunction,
    get_q_args: Callable[[Trace], tuple[Any, ...]],
    *,
    context: Any = None,
    rng: int | Random | None = None,
    scale: float = 1.0,
) -> float:
    """One example: simulate ``p``, give its choices to ``q``, accumulate the gradient of ``q``'s log probability.

    Choices of ``p`` that ``q`` does not make are left out. Apply an optimizer over ``q`` after one or more lectures.

    Args:
        p: the teacher (the model). Its parameters do not learn.
        q: the student, often a proposal or an inference network.
        get_q_args: the student's arguments, from the teacher's trace.
        context: where the parameters of both are.
        rng: a seed or generator; None: see ``gen.seed``.
        scale: a factor of the gradient.

    Returns:
        The score of the student's trace: an estimate of the expected log probability that is being maximised.
    """
    env = Environment(resolved(context), ambient() if rng is None else generator(rng))
    dream = p.simulate(p_args, env)
    trace, _ = q.generate(get_q_args(dream), dream.choices, env)
    accumulate_param_gradients(trace, scale=scale)
    return float(trace.score)


def lecture_batched(
    p: GenerativeFunction,
    p_args: tuple[Any, ...],
    q: GenerativeFunction,
    get_q_args: Callable[[list[Trace]], tuple[Any, ...]],
    batch_size: int,
    *,
    context: Any = None,
    rng: int | Random | None = None,
    scale: float = 1.0,
) -> float:
    """Several examples for a student that takes a whole batch in one call.

    Args:
        q: its choices for the i-th example are at addresses that begin with ``i`` (from 0).
        get_q_args: the student's arguments, from the list of the teacher's traces.
        batch_size: how many.
        scale: a factor of the gradient of the whole batch; 1 / batch_size makes it a mean.

    The other arguments are those of :func:`lecture`.

    Returns:
        The score of the student's trace divided by ``batch_size``.
    """
    positive(batch_size=batch_size)
    env = Environment(resolved(context), ambient() if rng is None else generator(rng))
    dreams = [p.simulate(p_args, env) for _ in range(batch_size)]
    given = {join(i, address): value for i, dream in enumerate(dreams) for address, value in dream.choices.items()}
    trace, _ = q.generate(get_q_args(dreams), Choices.flat(given), env)
    accumulate_param_gradients(trace, scale=scale)
    return float(trace.score) / batch_size
