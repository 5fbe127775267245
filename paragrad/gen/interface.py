"""What a distribution and a generative function are: the two things that traces are made of.

Notation: t are the traced choices, r the untraced randomness, x the arguments; p is the model and q
the function's own proposal of what is not given. A generative function that uses no untraced
randomness has p(t, r; x)/q(r; x, t) = p(t; x). All densities are natural logarithms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from paragrad.errors import UsageError

if TYPE_CHECKING:
    from paragrad.gen.choices import Choices, Selection
    from paragrad.gen.environment import Environment
    from paragrad.gen.trace import Trace


@runtime_checkable
class Sampled(Protocol):
    """What ``gen.sample`` takes: a distribution with its arguments, such as ``gen.normal(0.0, 1.0)`` makes.

    ``gen.Distribution`` is a base class that writes most of it.

    Attributes:
        args: its arguments, as given: numbers, arrays, or the tracked numbers of a gradient.
        kind: its name, for messages.
        differentiable: whether ``logpdf`` has a derivative in the value.
    """

    args: tuple[Any, ...]
    kind: str
    differentiable: bool

    def sample(self, rng: Any) -> Any:
        """A value; ``rng`` is a ``random.Random``."""

    def logpdf(self, value: Any) -> Any:
        """The log density (or probability) of ``value``; minus infinity outside the support."""

    def logpdf_grad(self, value: Any) -> tuple[Any, tuple[Any, ...]]:
        """Derivatives of ``logpdf`` in the value and in each argument; None where there is none.

        It is always called on plain arguments: numbers or arrays, never tracked ones.
        """

    def with_args(self, *args: Any) -> Sampled:
        """The same distribution with other arguments (optional; default ``type(self)(*args)``)."""

    def sample_many(self, rng: Any, size: int) -> Any:
        """``size`` values as an array (optional, for batched runs); ``rng`` is a ``numpy.random.Generator``.

        Arguments may be arrays whose first axis is the batch. ``logpdf`` and ``logpdf_grad`` then get
        such arrays too and answer with one number per sample.
        """


@dataclass(slots=True)
class Gradients:
    """What a gradient pass found.

    Attributes:
        args: per argument, None where nothing flows.
        choices: address to derivative, for the selected choices.
        params: (generative function, name), or a ``pg.Parameter``, to derivative, for every parameter read, callees' included.
    """

    args: tuple[Any, ...]
    choices: dict[Any, Any] = field(default_factory=dict)
    params: dict[Any, Any] = field(default_factory=dict)


class Call:
    """A call of a generative function inside another one, made by ``f(x)`` there; ``gen.sample`` makes it."""

    __slots__ = ("args", "gen_fn")

    def __init__(self, gen_fn: GenerativeFunction, args: tuple[Any, ...]) -> None:
        self.gen_fn = gen_fn
        self.args = args

    def __repr__(self) -> str:
        return f"{self.gen_fn!r}(…)"


class GenerativeFunction(ABC):
    """A function whose random choices have addresses.

    ``simulate``, ``generate`` and ``gradients`` must be written; the rest follows from them, at the cost
    of running again, and may be overridden. ``env`` carries the parameter context, the random generator
    and the batch size; hand it to whatever is called. Parameters are read with ``env.param(self, name, init)``.

    Attributes:
        argument_grads: per argument, whether ``choice_gradients`` and ``accumulate_param_gradients`` give its derivative.
        output_grad: whether they take a ``retgrad``.
        store_key: the key of its store in a parameter context, or None.
        __name__: with the module, what its parameters' ids begin with; the class's name, unless set otherwise.
    """

    argument_grads: Sequence[bool] = ()
    output_grad: bool = False
    store_key: Any = None
    __name__: str

    def __new__(cls, *_: Any, **__: Any) -> Self:
        made = super().__new__(cls)
        made.__name__ = cls.__qualname__
        return made

    @abstractmethod
    def simulate(self, args: tuple[Any, ...], env: Environment) -> Trace:
        """A trace with every choice sampled."""

    @abstractmethod
    def generate(self, args: tuple[Any, ...], constraints: Choices, env: Environment) -> tuple[Trace, Any]:
        """A trace that holds ``constraints``, and log p(t, r; x)/(q(u; x) q(r; x, t)), u the choices not given."""

    def assess(self, args: tuple[Any, ...], choices: Choices, env: Environment) -> Trace:
        """The trace of given choices, which must be all of them; its score is the weight."""
        from paragrad.gen.defaults import assess

        return assess(self, args, choices, env)

    def gradients(self, trace: Trace, selection: Selection, retgrad: Any, needed: Sequence[bool], scale: Any = 1.0) -> Gradients:
        """Derivatives of scale * (log p(t, r; x) + J), J with dJ/dretval = ``retgrad``.

        Args:
            trace: one of this function's.
            selection: the choices whose derivatives are wanted.
            retgrad: derivative of J in the return value, already scaled; None for none.
            needed: per argument, whether its derivative is wanted.
            scale: a factor of log p; one per sample in a batched trace.
        """
        raise UsageError(f"{self!r} has no gradients; write its method gradients(trace, selection, retgrad, needed, scale)")

    def update(self, trace: Trace, args: tuple[Any, ...], constraints: Choices, env: Environment) -> tuple[Trace, Any, Choices]:
        """The trace with new arguments and values; the weight; the values that were replaced or dropped."""
        from paragrad.gen.defaults import update

        return update(self, trace, args, constraints, env)

    def regenerate(self, trace: Trace, args: tuple[Any, ...], selection: Selection, env: Environment) -> tuple[Trace, Any]:
        """The trace with the selected choices sampled anew, and the weight."""
        from paragrad.gen.defaults import regenerate

        return regenerate(self, trace, args, selection, env)

    def project(self, trace: Trace, selection: Selection) -> Any:
        """The part of the score that the selected choices make up."""
        from paragrad.gen.defaults import project

        return project(self, trace, selection)

    def parameter_ids(self, context: Any = None) -> Mapping[Any, Sequence[tuple[Any, str]]]:
        """Store to the ids of every parameter that this function and its callees have there.

        A parameter exists once it was read or given a first value; callees are found in the source and while running.

        Args:
            context: a parameter context; None: the ambient one, else the default one.
        """
        from paragrad.gen.discovery import parameter_ids

        return parameter_ids(self, context)

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Arguments by position, where a call names some."""
        raise UsageError(f"{self!r} takes its arguments by position; got {', '.join(kwargs)}=")

    def callees(self) -> Sequence[GenerativeFunction]:
        """Generative functions it is known to call."""
        return ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside another generative function a call for ``gen.sample``; outside, a run's return value."""
        from paragrad.gen.calling import called

        return called(self, args, kwargs)

    def __repr__(self) -> str:
        return self.__name__
