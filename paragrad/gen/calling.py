"""What the body of a generative function says: sample, call, param. Whoever executes the body answers."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from paragrad.errors import UsageError
from paragrad.gen.choices import MISSING
from paragrad.gen.interface import Call
from paragrad.trace.parameter import Parameter
from paragrad.trace.variable import Variable

if TYPE_CHECKING:
    from paragrad.gen.interface import GenerativeFunction
    from paragrad.gen.running import Run

RUNNING: ContextVar[Run | None] = ContextVar("paragrad_gen_running", default=None)


def sample(what: Any, address: Any = None) -> Any:
    """Make a random choice, or a call, at an address.

    Args:
        what: a distribution (``gen.normal(0.0, 1.0)``), or a call of a generative function (``f(x)``).
        address: any hashable; a tuple is a path. A call without one is spliced: its choices become the caller's.

    Returns:
        The choice's value, or what the call returned.

    Raises:
        UsageError: outside a generative function, a distribution without an address, or an address used twice.
    """
    run = RUNNING.get()
    if run is None:
        raise _outside("sample")
    if what.__class__ is Call:
        return run.call(what.gen_fn, what.args, address)
    return run.choice(what, address)


def call(gen_fn: GenerativeFunction, args: tuple[Any, ...], address: Any = None) -> Any:
    """``gen.sample(gen_fn(*args), address)``."""
    run = RUNNING.get()
    if run is None:
        raise _outside("call")
    return run.call(gen_fn, args, address)


def param(name: str | Parameter[Any], init: Any = MISSING) -> Any:
    """A parameter of the generative function that says this, from the store that the context gives it.

    Args:
        name: its id is (generative function, name). Or a ``pg.Parameter``: its value as the surrounding context has it;
            its derivative reaches its ``.grad``.
        init: what it begins with where it does not exist yet: a number, array, list, text, initializer,
            or a function that makes one. Whole numbers become floats. Without it the parameter must exist.

    Raises:
        KeyError: it does not exist and there is no ``init``.
    """
    run = RUNNING.get()
    if run is None:
        raise _outside("param")
    if name.__class__ is not str:
        return _shared(run, name, init)
    return run.param(name, init)


def _shared(run: Any, parameter: Any, init: Any) -> Any:
    """What ``gen.param`` says of anything but a name."""
    if isinstance(parameter, Parameter):
        if init is not MISSING:
            raise UsageError(f"gen.param({parameter.id}, …) has a value already; leave the {init!r:.40} out")
        return run.parameter(parameter)
    if isinstance(parameter, Variable):
        raise UsageError(f"gen.param takes a name or a pg.Parameter; {parameter!r:.80} is neither: pass it as an argument of the function")
    if not isinstance(parameter, str):
        raise UsageError(f"gen.param takes a name or a pg.Parameter, not {parameter!r:.80}; write gen.param('name', initial value)")
    return run.param(parameter, init)


def called(gen_fn: GenerativeFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``f(x)`` means: a call to be sampled, or outside generative functions a run's return value."""
    if kwargs:
        args = gen_fn.bound(args, kwargs)
    if RUNNING.get() is not None:
        return Call(gen_fn, args)
    from paragrad.gen.environment import environment

    return gen_fn.simulate(args, environment()).retval


def _outside(what: str) -> UsageError:
    return UsageError(
        f"gen.{what} works only while a generative function runs; decorate the function with @gen.generative "
        "and run it with gen.simulate(f, args)"
    )
