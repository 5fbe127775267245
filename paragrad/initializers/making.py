"""``initializer``: from a name, a rule, a number or an array to a lazy value."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from paragrad import registry
from paragrad.errors import UsageError
from paragrad.initializers.base import Initializer
from paragrad.initializers.constant import Constant, Given
from paragrad.initializers.lazy import LazyArray

F = TypeVar("F")


def initializer(init: Any, shape: Any = None, dtype: Any = "float32", *, seed: int | None = None, **options: Any) -> LazyArray:
    """A value that allocates nothing until it is read.

        pg.Parameter(pg.initializer("xavier_uniform", (256, 128)), name="layer.weight")

    Args:
        init: a name (``pg.initializers.names()``; case does not matter), an :class:`Initializer`, a number, or an array.
        shape: the shape, an int for one dimension; may be left out for an array.
        dtype: the element type, a name or numpy's or torch's type.
        seed: where draws start. Equal seeds give equal values. Without one a Parameter's name stands in, and
            without a name the system draws a seed.
        options: the rule's own arguments where ``init`` is a name: ``initializer("normal", 8, sigma=0.02)``.

    Raises:
        UnknownName: an unknown name; says the nearest ones.
        ValueError: a dimension below 1, another shape than the array's, or a shape the rule cannot fill.
        TypeError: no rule, an unknown option, or an element type the rule cannot fill.
    """
    tensor = registry.spaces.get("tensor")
    name = tensor(dtype=dtype).dtype
    if _is_array(init) and shape is not None and tuple(init.shape) == ():
        init = init.item()  # a scalar of numpy or torch is a number, and fills the shape
    if _is_array(init):
        return _given(tensor, init, shape, name)
    rule = _rule(init, options)
    sizes = _shape(shape)
    if seed is not None:
        seed = _seed(seed)
    rule.refuse(sizes, name)
    return LazyArray(rule, sizes, name, seed)


def names() -> list[str]:
    """Every name that ``initializer`` knows, sorted."""
    return registry.initializers.names()


def register(name: str) -> Callable[[F], F]:
    """Decorator: a rule of your own under a name.

    It decorates an :class:`Initializer` subclass, or a function ``fill(array, generator)`` that fills a
    numpy array in place.
    """
    if not isinstance(name, str) or not name or name != name.lower():
        raise UsageError(f"an initializer's name is a text in small letters, not {name!r}")

    def add(part: F) -> F:
        if not isinstance(part, type):
            registry.initializers.register(name)(_maker(part))
        elif issubclass(part, Initializer):
            registry.initializers.register(name)(part)
        else:
            raise TypeError(f"{part.__name__} is no Initializer; derive it: class {part.__name__}(pg.initializers.Initializer)")
        return part

    return add


@dataclass(frozen=True)
class Filled(Initializer):
    """A function as a rule."""

    function: Callable[[Any, Any], None]

    def fill(self, array: Any, generator: Any) -> None:
        """Call the function."""
        self.function(array, generator)

    def refuse(self, shape: tuple[int, ...], dtype: str) -> None:
        """Leave it to the function."""


def _maker(function: Any) -> Callable[[], Filled]:
    """What makes the rule of a registered function."""
    if not callable(function):
        raise TypeError(f"register takes an Initializer subclass or a function fill(array, generator), not {function!r}")

    def made() -> Filled:
        return Filled(function)

    made.__qualname__ = getattr(function, "__qualname__", type(function).__qualname__)
    return made


def _rule(init: Any, options: dict[str, Any]) -> Initializer:
    """The rule a name, number or Initializer stands for."""
    if isinstance(init, str):
        made = registry.initializers.get(init.lower())
        try:
            rule: Initializer = made(**options)
        except TypeError as error:
            raise TypeError(f"initializer({init!r}): {error}") from None
        return rule
    if options:
        raise TypeError(f"initializer: {', '.join(options)} goes with a name; give it to {init!r} itself")
    if isinstance(init, Initializer):
        return init
    if isinstance(init, (int, float)) and not isinstance(init, bool):
        return Constant(init)
    wrong = f"the class {init.__name__}; write {init.__name__}()" if isinstance(init, type) else f"{init!r} of type {type(init).__name__}"
    raise TypeError(f"initializer takes a name, an Initializer, a number or an array, not {wrong}")


def _given(tensor: Any, array: Any, shape: Any, dtype: str) -> LazyArray:
    """An existing array as a lazy value."""
    if shape is not None and _shape(shape) != tuple(array.shape):
        raise ValueError(f"the array has the shape {tuple(array.shape)}, wanted {_shape(shape)}; leave shape out, or reshape the array")
    kept = tensor(dtype=dtype).check(array)
    return LazyArray(Given(kept), kept.shape, dtype)


def _is_array(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in ("numpy", "torch") and hasattr(value, "dtype") and hasattr(value, "shape")


def _shape(shape: Any) -> tuple[int, ...]:
    if shape is None:
        raise ValueError("initializer needs a shape: initializer('ones', (2, 3)); () is a single number")
    try:
        sizes = (operator.index(shape),) if not hasattr(shape, "__iter__") else tuple(map(operator.index, shape))
    except TypeError:
        raise TypeError(f"shape must be an int or a tuple of ints, got {shape!r}") from None
    if isinstance(shape, bool) or any(size <= 0 for size in sizes):
        raise ValueError(f"shape must hold ints from 1 up, got {shape!r}")
    return sizes


def _seed(seed: Any) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an int or None, got {seed!r}") from None
    if isinstance(seed, bool) or number < 0:
        raise ValueError(f"seed must be an int from 0 up, got {seed!r}")
    return number
