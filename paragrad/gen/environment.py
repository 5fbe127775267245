"""Environment: what one execution carries to everything it calls: context, random numbers, batch size, pins.

Parameters are read as of one commit per store, fixed at the execution's first read there, so that no
trace mixes two updates. Values are remembered per function, store and commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from paragrad.errors import UsageError
from paragrad.gen.choices import MISSING
from paragrad.gen.parameters import ParameterRead, Snapshot, again, read
from paragrad.gen.randomness import ambient, generator, many
from paragrad.spaces.arrays import array_of, is_array, is_lazy
from paragrad.spaces.infer import space_for
from paragrad.stores.cells import ensure
from paragrad.stores.contexts import ambient_stores
from paragrad.stores.default import default_parameter_context
from paragrad.stores.ids import encode_id

if TYPE_CHECKING:
    from paragrad.gen.interface import GenerativeFunction

_VIEWS = "_gen_views"  # attribute of a store: what functions read there, gone with the store or the function
_IDS = "_parameter_names"  # attribute of a function: its parameters' ids by name
_FIRST = Lock()  # of first values, so that two threads do not both give one


class Read(NamedTuple):
    """One parameter as it was read."""

    value: Any
    version: int
    store: Any
    commit: int
    id: str


class View:
    """The parameters of one function in one store as of one commit, by name."""

    __slots__ = ("bundles", "commit", "reads", "store")

    def __init__(self, store: Any, commit: int) -> None:
        self.store = store
        self.commit = commit
        self.reads: dict[str, Read] = {}
        self.bundles: dict[Any, Any] = {}  # what static functions made of them

    def carry_on(self, before: View) -> None:
        """Read what an earlier view had read, if the store gives it all at once."""
        several = getattr(self.store, "newest_values", None)
        found = several([read.id for read in before.reads.values()], self.commit) if several is not None else None
        if found is not None:
            store, commit, (version, values) = self.store, self.commit, found
            for (name, read), value in zip(before.reads.items(), values, strict=True):
                self.reads[name] = Read(value, version, store, commit, read.id)

    def fetch(self, owner: Any, name: str, init: Any) -> Read:
        """Read ``name``; a parameter that does not exist yet begins with ``init``."""
        known: dict[str, str] = owner.__dict__.setdefault(_IDS, {})
        id = known.get(name)
        if id is None:
            id = known[name] = encode_id((owner, name))
        try:
            entry = self.store.get_entry(id, self.commit)
        except KeyError:
            if init is not MISSING:
                initialised(self.store, id, init)
            try:
                entry = self.store.get_entry(id)  # its first value was written after the commit
            except KeyError:
                raise KeyError(
                    f"parameter {name!r:.80} of {owner!r} does not exist in {self.store!r}; write gen.param({name!r:.80}, initial value), "
                    f"or gen.init_parameter(({owner!r}, {name!r:.80}), value, context)"
                ) from None
        if init.__class__ is not float or entry.value.__class__ is not float:
            self._refuse_conflict(owner, name, entry.value, init)
        found = Read(entry.value, entry.version, self.store, self.commit, id)
        self.reads[name] = found
        return found

    def _refuse_conflict(self, owner: Any, name: str, value: Any, init: Any) -> None:
        if init is not MISSING and (kinds := _conflict(value, init)):
            raise UsageError(
                f"parameter {name!r:.80} of {owner!r} is {kinds[0]} in {self.store!r}, and gen.param({name!r:.80}, …) begins with {kinds[1]}; "
                f"start it anew with gen.init_parameter(({owner!r}, {name!r:.80}), value, context), or change the first value in the source"
            )


def _conflict(value: Any, init: Any) -> tuple[str, str] | None:
    """What a parameter is and what its declaration begins with, in words, where those are surely of different shapes."""
    if callable(init) and not hasattr(init, "shape"):
        return None
    is_text, wants_text = isinstance(value, str), isinstance(init, str)
    have, want = (() if isinstance(each, Real) else getattr(each, "shape", None) for each in (value, init))
    if is_text == wants_text and (have is None or want is None or tuple(have) == tuple(want)):
        return None
    if not (is_text or have is not None) or not (wants_text or want is not None):
        return None
    kinds = [
        "a text" if text else f"an array of shape {tuple(shape or ())}" if shape else "a number"
        for text, shape in ((is_text, have), (wants_text, want))
    ]
    return kinds[0], kinds[1]


class Environment:
    """Made by the verbs; a custom generative function hands it on and reads its parameters with it.

    Attributes:
        context: key to store.
        size: samples in a batched execution, None in an ordinary one.
    """

    __slots__ = ("_many", "_rng", "context", "pins", "size", "snapshot")

    def __init__(self, context: Mapping[Any, Any], rng: Random | None = None, size: int | None = None) -> None:
        self.context = context
        self.size = size
        self.pins: dict[Any, int] = {}
        self.snapshot: Snapshot | None = None  # of pg.Parameters; made at the first read
        self._rng = rng
        self._many: Any = None

    @property
    def rng(self) -> Random:
        """The generator of an ordinary execution."""
        if self._rng is None:
            self._rng = ambient()
        return self._rng

    @property
    def rng_many(self) -> Any:
        """The numpy generator of a batched one."""
        if self._many is None:
            self._many = many(self.rng)
        return self._many

    def widened(self, size: int) -> Environment:
        """The same reads for ``size`` samples that were drawn already."""
        made = Environment(self.context, self._rng, size)
        made.pins, made.snapshot = self.pins, self.snapshot
        made._many = ()  # nothing is drawn any more, so no generator is made
        return made

    def store(self, gen_fn: GenerativeFunction) -> Any:
        """The store of a function's parameters: under the function, its ``store=`` key, or "default".

        Raises:
            UsageError: the context has none of them.
        """
        context = self.context
        found = context.get(gen_fn)
        if found is None and gen_fn.store_key is not None:
            found = context.get(gen_fn.store_key)
        if found is None:
            found = context.get("default")
        if found is None:
            keys = ", ".join(sorted(repr(key) for key in context)) or "nothing"
            wanted = f"{gen_fn.store_key!r} or " if gen_fn.store_key is not None else ""
            raise UsageError(
                f"the parameter context has no store for {gen_fn!r}: it holds {keys}; add {wanted}'default' or the function itself"
            )
        if not hasattr(found, "get_entry"):
            fix = (
                f"open it once: pg.stores.open({found!r:.80})"
                if isinstance(found, str)
                else "give a store, such as pg.stores.open('memory:')"
            )
            raise UsageError(f"the parameter context holds {found!r:.80} where {gen_fn!r} needs a store; {fix}")
        return found

    def pin(self, store: Any) -> int:
        """The commit as of which this execution reads a store."""
        commit = self.pins.get(store)
        if commit is None:
            commit = self.pins[store] = int(store.commit())
        return commit

    def view(self, gen_fn: GenerativeFunction) -> View:
        """The parameters of ``gen_fn`` as this execution sees them."""
        store = self.store(gen_fn)
        commit = self.pin(store)
        views = store.__dict__.get(_VIEWS)
        if views is None:
            views = store.__dict__.setdefault(_VIEWS, WeakKeyDictionary())
        found: View | None = views.get(gen_fn)
        if found is None or found.commit != commit:
            before, found = found, View(store, commit)
            if before is not None and before.reads:
                found.carry_on(before)
            views[gen_fn] = found
        return found

    def read(self, gen_fn: GenerativeFunction, name: Any, init: Any = MISSING) -> Read | ParameterRead:
        """A parameter with its version; ``name`` may be a ``pg.Parameter``."""
        if name.__class__ is not str:
            return read(name, gen_fn, self)
        view = self.view(gen_fn)
        return view.reads.get(name) or view.fetch(gen_fn, name, init)

    def reads(self, gen_fn: GenerativeFunction) -> dict[Any, Any]:
        """What was read here, as ``Trace(reads=)`` takes it: the parameters of ``gen_fn``, and every ``pg.Parameter``."""
        found: dict[Any, Any] = {(gen_fn, name): read for name, read in self.view(gen_fn).reads.items()}
        return found if self.snapshot is None else {**found, **self.snapshot.reads}

    def param(self, gen_fn: GenerativeFunction, name: Any, init: Any = MISSING) -> Any:
        """A parameter's value; ``init`` is what it begins with where it does not exist yet."""
        return self.read(gen_fn, name, init).value


def environment(context: Any = None, rng: Any = None, size: int | None = None) -> Environment:
    """The environment of one execution, from what the caller gave."""
    if rng is not None:
        rng = generator(rng)
    if size is not None and (not isinstance(size, int) or size < 1):
        raise UsageError(f"batch={size!r:.40} samples make no batch; give a whole number, 1 or more")
    return Environment(resolved(context), rng, size)


def anew(env: Environment, rng: Any = None, context: Any = None) -> Environment:
    """The environment of another execution in the place of an earlier one: where parameters are, and how many samples.

    Args:
        context: key to store; None: the earlier one's.
    """
    made = environment(env.context if context is None else context, rng, env.size)
    made.snapshot = again(env.snapshot)
    return made


def resolved(context: Any = None) -> Mapping[Any, Any]:
    """A context as key to store: the given one, else the ambient one, else the default one.

    Raises:
        UsageError: neither a mapping nor a store.
    """
    if context is None:
        context = ambient_stores()
        return default_parameter_context() if context is None else context
    if context.__class__ is dict or isinstance(context, Mapping):
        return context
    if hasattr(context, "get_entry"):
        return {"default": context}
    raise UsageError(f"context={context!r:.80} is no parameter context; give {{key: store}} or a store")


def init_parameter(id: tuple[GenerativeFunction, str], value: Any, context: Any = None) -> int:
    """Make or reset a parameter of a generative function; its gradient becomes zero.

    Args:
        id: (generative function, name).
        value: its first value; whole numbers become floats, lists arrays.
        context: where; None: the ambient context, else the default one.

    Returns:
        The store's commit.
    """
    if not isinstance(id, tuple) or len(id) != 2:
        raise UsageError(f"{id!r:.80} is no parameter of a generative function; write gen.init_parameter((f, 'name'), value)")
    owner, name = id
    value = starting(value)
    return int(Environment(resolved(context)).store(owner).init_parameter((owner, name), value, space_for(value, parameter=True)))


def initialised(store: Any, id: str, init: Any) -> None:
    """Make a parameter unless another thread just did."""
    value = starting(init)
    with _FIRST:
        ensure(store, id, value, space_for(value, parameter=True))


def starting(value: Any) -> Any:
    """A first value: whole numbers and lists of numbers are taken for real ones; initializers and functions are run."""
    if is_lazy(value):
        return value.materialize()
    if callable(value) and not is_array(value):
        return starting(value())
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    space = space_for(value, parameter=True)
    if space is None or space.kind != "tensor":
        return value
    array = array_of(value)
    return array.astype("float64") if isinstance(value, list | tuple) and array.dtype.kind in "iu" else array
