"""The verbs of the interface, as functions: what users call. One trace in, new traces out; nothing is changed."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.choices import Choices, Selection, choicemap, known, selection_of
from paragrad.gen.environment import anew, environment
from paragrad.gen.given import has_nan
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.trace import Change, Trace


def simulate(f: GenerativeFunction, args: tuple[Any, ...] = (), context: Any = None, *, rng: Any = None, batch: int | None = None) -> Trace:
    """Run ``f``, sampling every choice.

    Args:
        f: a generative function.
        args: its arguments, a tuple.
        context: where its parameters are, key to store: the ambient context if None.
        rng: a seed or a ``random.Random``; None: see ``gen.seed``.
        batch: run that many samples at once: choices are arrays with one row per sample, scores likewise. The body
            must do the same for every sample: no ``if`` on a choice.
    """
    return function_of(f).simulate(_arguments(args), environment(context, rng, batch))


def generate(
    f: GenerativeFunction,
    args: tuple[Any, ...] = (),
    constraints: Any = None,
    context: Any = None,
    strict: bool = False,
    *,
    rng: Any = None,
    batch: int | None = None,
) -> tuple[Trace, Any]:
    """Run ``f`` with some choices given.

    Args:
        constraints: address to value.
        strict: a constraint that no choice takes is an error; otherwise it is left over silently.

    Returns:
        The trace and its weight: the sum of the log probabilities of the constrained choices.

    Raises:
        UsageError: unused constraints under ``strict``, with the addresses there are; or a value that is nan.
    """
    given = choicemap(constraints)
    trace, weight = function_of(f).generate(_arguments(args), given, environment(context, rng, batch))
    if strict:
        refuse_unused(given, trace)
    _refuse_nan(given, weight)
    return trace, weight


def propose(
    f: GenerativeFunction, args: tuple[Any, ...] = (), context: Any = None, *, rng: Any = None, batch: int | None = None
) -> tuple[Choices, Any, Any]:
    """Sample from ``f`` as a proposal: (choices, their log probability, return value)."""
    trace = simulate(f, args, context, rng=rng, batch=batch)
    return trace.choices, trace._score, trace.retval


def assess(
    f: GenerativeFunction, args: tuple[Any, ...] = (), choices: Any = None, context: Any = None, *, batch: int | None = None
) -> tuple[Any, Any]:
    """The log probability of ``choices``, which must be all of them: (weight, return value).

    Raises:
        UsageError: a choice is missing, or there is one too many.
    """
    given = choicemap(choices)
    trace = function_of(f).assess(_arguments(args), given, environment(context, None, batch))
    refuse_unused(given, trace)
    _refuse_nan(given, trace._score)
    return trace._score, trace.retval


def update(
    trace: Trace, args: tuple[Any, ...] | None = None, constraints: Any = None, *, rng: Any = None
) -> tuple[Trace, Any, Change, Choices]:
    """Change a trace: new arguments, new values; parameters are read anew, in the trace's own context.

    Args:
        args: None: as they are.
        constraints: address to new value.

    Returns:
        (trace, weight, change of the return value, discard). The weight is the new score minus the old one,
        without the choices that had to be sampled. ``update(new, old args, discard)`` takes it back.

    Raises:
        UsageError: a constraint that no choice takes.
    """
    given = choicemap(constraints)
    trace = _trace(trace)
    env = anew(trace.env, rng)
    made, weight, discard = trace.gen_fn.update(trace, trace.args if args is None else _arguments(args), given, env)
    refuse_unused(given, made)
    _refuse_nan(given, weight)
    return made, weight, Change.between(trace.retval, made.retval), discard


def regenerate(
    trace: Trace, selection: Selection | Any, args: tuple[Any, ...] | None = None, *, rng: Any = None
) -> tuple[Trace, Any, Change]:
    """Sample the selected choices anew, keep the others: (trace, weight, change of the return value).

    A selection may be one address, or a list of them.

    The weight is that of a Metropolis-Hastings move: the difference of the log probabilities of the kept choices.
    """
    env, selection = anew(_trace(trace).env, rng), selection_of(selection)
    made, weight = trace.gen_fn.regenerate(trace, trace.args if args is None else _arguments(args), selection, env)
    return made, weight, Change.between(trace.retval, made.retval)


def project(trace: Trace, selection: Selection | Any) -> Any:
    """The part of the score that the selected choices make up; ``select()`` gives 0, ``~select()`` the score."""
    return _trace(trace).gen_fn.project(trace, selection_of(selection))


def refuse_unused(given: Choices, trace: Trace) -> None:
    """Every given address must be one of the trace's.

    Raises:
        UsageError: naming those that are not.
    """
    if given._values.keys() <= trace._values.keys():
        return
    unused = [address for address in given if address not in trace.choices._values]
    if unused:
        raise UsageError(
            f"{trace.gen_fn!r} makes no choice at {known(unused)}; the addresses of this run: {known(trace.choices)}. "
            "Check the spelling, or whether this run reaches that choice"
        )


def _refuse_nan(given: Choices, weight: Any) -> None:
    """Where a weight is nan because a given value is, name the address."""
    if has_nan(weight):
        refuse_nan(given)


def refuse_nan(given: Choices) -> Choices:
    """The choices, none of which is nan.

    Raises:
        UsageError: naming the address of one that is.
    """
    for address, value in given.items():
        if has_nan(value):
            what = "is nan" if isinstance(value, float) else "has a nan in it"
            raise UsageError(f"the value given at {address!r:.80} {what}, which has no density; leave the address out, then it is sampled")
    return given


def function_of(f: Any) -> GenerativeFunction:
    """``f``, which must be a generative function.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(f, GenerativeFunction):
        fix = "give its .gen_fn, the function it draws from" if hasattr(f, "gen_fn") else "decorate it with @gen.generative"
        raise UsageError(f"{f!r:.80} is no generative function; {fix}")
    return f


def _trace(trace: Any) -> Trace:
    if not isinstance(trace, Trace):
        hint = "generate and update give a tuple: take its first" if isinstance(trace, tuple) else "gen.simulate and gen.generate make one"
        raise UsageError(f"{trace!r:.80} is no trace; {hint}")
    return trace


def _arguments(args: Any) -> tuple[Any, ...]:
    if not isinstance(args, tuple):
        raise UsageError(f"args={args!r:.80} must be a tuple of the function's arguments; write ({args!r:.40},)")
    return args
