"""Executing the body of a generative function: one class per verb, alike but for what a choice means.

Those that change a trace are in :mod:`paragrad.gen.revising`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragrad.errors import UsageError
from paragrad.gen.calling import RUNNING
from paragrad.gen.choices import MISSING, Choices, known, normal
from paragrad.gen.environment import Environment, Read
from paragrad.gen.given import PLAIN
from paragrad.gen.parameters import ParameterRead
from paragrad.gen.parameters import read as read_parameter
from paragrad.gen.trace import Trace

if TYPE_CHECKING:
    from paragrad.gen.environment import View
    from paragrad.gen.interface import GenerativeFunction


class Run:
    """One execution of one body.

    Attributes:
        owner: whose parameters ``gen.param`` reads; a splice changes it while it lasts.
        values: own choices by address. ``logps``: their log probabilities. ``calls``: callees' traces.
        score: their sum, callees' included.
    """

    __slots__ = ("_view", "calls", "env", "gen_fn", "logps", "owner", "reads", "rng", "score", "size", "values", "weight")

    def __init__(self, gen_fn: Any, env: Environment) -> None:
        self.gen_fn = self.owner = gen_fn
        self.env = env
        self.size = env.size
        self.rng: Any = None  # taken at the first draw: an assessment draws nothing
        self.values: dict[Any, Any] = {}
        self.logps: dict[Any, Any] = {}
        self.calls: dict[Any, Trace] = {}
        self.reads: dict[Any, Read | ParameterRead] = {}
        self.score: Any = 0.0
        self.weight: Any = 0.0
        self._view: View | None = None

    def execute(self, args: tuple[Any, ...]) -> Trace:
        """Run the body; what it did, as a trace."""
        token = RUNNING.set(self)
        try:
            retval = self.gen_fn.function(*args)
        except (TypeError, ValueError) as error:
            if self.size is not None and any(words in str(error) for words in _OF_ONE):
                raise _of_many(self.gen_fn, error) from error
            raise
        finally:
            RUNNING.reset(token)
        if self.calls:
            _refuse_overlap(self.values, self.calls)
        return Trace(self.gen_fn, args, retval, self.score, self.values, self.env, logps=self.logps, calls=self.calls, reads=self.reads)

    def param(self, name: str, init: Any) -> Any:
        """A parameter of the function that is running."""
        view = self._view
        if view is None:
            view = self._view = self.env.view(self.owner)
        read = view.reads.get(name) or view.fetch(self.owner, name, init)
        self.reads[self.owner, name] = read
        return read.value

    def parameter(self, parameter: Any) -> Any:
        """A ``pg.Parameter``, as the execution's snapshot has it."""
        read = self.reads[parameter] = read_parameter(parameter, self.owner, self.env)
        return read.value

    def choice(self, dist: Any, address: Any) -> Any:
        """A random choice; says its value."""
        if address.__class__ not in PLAIN:
            address = self._address(dist, address)
        values = self.values
        if address in values or address in self.calls:
            raise _twice(self.gen_fn, address)
        try:
            value, logp = self.chosen(dist, address)
            if logp.__class__ is not float:
                logp = self._density(dist, address, value, logp)
        except (AttributeError, TypeError):
            if hasattr(dist, "logpdf") and not isinstance(dist, type):
                raise
            what = "a distribution without arguments" if isinstance(dist, type) else "no distribution"
            raise UsageError(f"{dist!r:.60} is {what}; write gen.sample(gen.normal(0.0, 1.0), {address!r:.40})") from None
        values[address] = value
        self.logps[address] = logp
        self.score += logp
        return value

    def chosen(self, dist: Any, address: Any) -> tuple[Any, Any]:
        """The value at an address and its log probability."""
        value = self.draw(dist)
        return value, dist.logpdf(value)

    def draw(self, dist: Any) -> Any:
        """A value of a distribution; one per sample of a batch."""
        if self.size is None:
            rng = self.rng
            if rng is None:
                rng = self.rng = self.env.rng
            return dist.sample(rng)
        many = getattr(dist, "sample_many", None)
        if many is None:
            raise UsageError(f"{dist.kind} cannot be sampled in a batch: it has no sample_many(rng, size); run it without batch=")
        return many(self.env.rng_many, self.size)

    def call(self, gen_fn: GenerativeFunction, args: tuple[Any, ...], address: Any) -> Any:
        """A call at an address, or spliced; says what it returns."""
        if address is None:
            return self.splice(gen_fn, args)
        address = normal(address)
        if address in self.values or address in self.calls:
            raise _twice(self.gen_fn, address)
        self.gen_fn.seen.add(gen_fn)
        trace = self.calls[address] = self.callee(gen_fn, args, address)
        self.score += trace._score
        return trace._retval

    def splice(self, gen_fn: Any, args: tuple[Any, ...]) -> Any:
        """Run another body as part of this one; its parameters stay its own."""
        function = getattr(gen_fn, "function", None)
        if function is None:
            raise UsageError(f"{gen_fn!r} cannot be spliced, it is not written with @gen.generative; give the call an address")
        self.gen_fn.seen.add(gen_fn)
        owner, view = self.owner, self._view
        self.owner, self._view = gen_fn, None
        try:
            return function(*args)
        finally:
            self.owner, self._view = owner, view

    def callee(self, gen_fn: GenerativeFunction, args: tuple[Any, ...], address: Any) -> Trace:
        """The trace of a call."""
        return gen_fn.simulate(args, self.env)

    def _density(self, dist: Any, address: Any, value: Any, logp: Any) -> Any:
        """A log density that is no float: one number, or in a batch one per sample.

        Raises:
            UsageError: it is neither, as the value or an argument has another shape.
        """
        shape, size = getattr(logp, "shape", ()), self.size
        if not isinstance(logp, float | int) and not hasattr(logp, "dtype"):
            raise UsageError(
                f"the choice at {address!r:.80} in {self.gen_fn!r} is {value!r:.60}, whose log density {logp!r:.60} is no number"
            )
        if shape == () and size is None:
            return float(logp)
        if shape == () or shape == (size,):
            return logp
        parts = [*zip(getattr(dist, "names", ()), dist.args, strict=False), ("its value", value)]
        shown = ", ".join(f"{name} has the shape {part.shape}" for name, part in parts if getattr(part, "ndim", 0))
        wanted = "one number" if size is None else f"one for each of the {size} samples"
        raise UsageError(
            f"the choice at {address!r:.80} in {self.gen_fn!r} has log densities of the shape {shape}, not {wanted}: {shown or repr(dist)}"
        )

    def _address(self, dist: Any, address: Any) -> Any:
        if address is None:
            raise UsageError(
                f"a choice of {getattr(dist, 'kind', dist)!r:.60} in {self.gen_fn!r} has no address; write gen.sample(…, 'name')"
            )
        return normal(address)


class Simulation(Run):
    """Every choice is sampled."""

    __slots__ = ()


class Generation(Run):
    """Choices with a constraint take its value; their log probabilities are the weight."""

    __slots__ = ("constraints",)

    def __init__(self, gen_fn: Any, env: Environment, constraints: Choices) -> None:
        super().__init__(gen_fn, env)
        self.constraints = constraints

    def chosen(self, dist: Any, address: Any) -> tuple[Any, Any]:
        value = self.constraints._values.get(address, MISSING)
        if value is MISSING:
            return super().chosen(dist, address)
        logp = dist.logpdf(value)
        self.weight += logp
        return value, logp

    def callee(self, gen_fn: GenerativeFunction, args: tuple[Any, ...], address: Any) -> Trace:
        trace, weight = gen_fn.generate(args, self.constraints.sub(address), self.env)
        self.weight += weight
        return trace


class Assessment(Generation):
    """Every choice must be given."""

    __slots__ = ()

    def chosen(self, dist: Any, address: Any) -> tuple[Any, Any]:
        value = self.constraints._values.get(address, MISSING)
        if value is MISSING:
            raise UsageError(f"{self.gen_fn!r} makes a choice at {address!r:.80} that is not given; given: {known(self.constraints)}")
        logp = dist.logpdf(value)
        self.weight += logp
        return value, logp

    def callee(self, gen_fn: GenerativeFunction, args: tuple[Any, ...], address: Any) -> Trace:
        trace = gen_fn.assess(args, self.constraints.sub(address), self.env)
        self.weight += trace._score
        return trace


_OF_ONE = (
    "truth value of an array",
    "only integer scalar arrays",
    "only 0-dimensional arrays",
    "only length-1 arrays",
    "unhashable type: 'numpy",
)
"""What numpy says where an array with one entry per sample is taken for one number."""


def _of_many(gen_fn: Any, error: Exception) -> UsageError:
    return UsageError(
        f"{gen_fn!r} takes what differs from sample to sample for one number (numpy: {error}): in a batch there is no if, while, float(), "
        "range() or math function of a choice; write numpy.where and the functions of gen, or run it without batch="
    )


def _twice(gen_fn: Any, address: Any) -> UsageError:
    return UsageError(
        f"{gen_fn!r} uses the address {address!r:.80} twice; give every choice and call its own, such as ({address!r:.40}, i)"
    )


def _refuse_overlap(values: dict[Any, Any], calls: dict[Any, Trace]) -> None:
    """A choice at ("bar", "z") beside a call at "bar" that may have a "z" too."""
    for address in [a for found in (values, calls) for a in found if a.__class__ is tuple]:
        for end in range(1, len(address)):
            if normal(address[:end]) in calls:
                raise UsageError(f"the address {address!r:.80} lies below the call at {normal(address[:end])!r:.80}; rename one of the two")
