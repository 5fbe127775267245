"""Arguments by name: a function's signature, bound once and reused for every call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Binder:
    """Binds calls of one function to argument names, defaults filled in.

    A callable without a signature (some builtins) is bound as ``x0, x1, ...`` and keywords.
    """

    __slots__ = ("defaults", "names", "positional", "signature")

    def __init__(self, fn: Callable[..., Any]) -> None:
        try:
            self.signature: inspect.Signature | None = inspect.signature(fn)
        except (ValueError, TypeError):
            self.signature = None
        parameters = list(self.signature.parameters.values()) if self.signature else []
        self.names = tuple(p.name for p in parameters)
        simple = parameters and all(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in parameters)
        self.positional = len(parameters) if simple else -1
        self.defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}

    def pairs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        """Names with arguments, as a call gives them by name; nothing is made of those that come in the signature's order."""
        if self.positional == len(args) + len(kwargs) and (not kwargs or tuple(kwargs) == self.names[len(args) :]):
            return zip(self.names, (*args, *kwargs.values()) if kwargs else args, strict=True)
        return self(args, kwargs).items()

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by name in the order of the signature; ``*args`` come as a tuple, ``**kwargs`` as a dict.

        Raises:
            TypeError: as the call itself would.
        """
        if self.positional == len(args) and not kwargs:
            return dict(zip(self.names, args, strict=True))
        if self.signature is None:
            return {**{f"x{i}": x for i, x in enumerate(args)}, **kwargs}
        if self.positional > len(args):
            bound = dict(zip(self.names, args, strict=False))
            used = 0
            for name in self.names[len(args) :]:
                if name in kwargs:
                    bound[name] = kwargs[name]
                    used += 1
                elif name in self.defaults:
                    bound[name] = self.defaults[name]
            if used == len(kwargs) and len(bound) == self.positional:
                return bound
        arguments = self.signature.bind(*args, **kwargs)
        arguments.apply_defaults()
        return dict(arguments.arguments)

    def call(self, fn: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call ``fn`` with arguments bound here."""
        if self.positional >= 0:
            return fn(*arguments.values())
        if self.signature is None:
            positional = [v for k, v in arguments.items() if k[0] == "x" and k[1:].isdigit()]
            return fn(*positional, **{k: v for k, v in arguments.items() if not (k[0] == "x" and k[1:].isdigit())})
        bound = inspect.BoundArguments(self.signature, arguments)  # type: ignore[arg-type]
        return fn(*bound.args, **bound.kwargs)


def is_variadic(parameter: inspect.Parameter) -> bool:
    """``*args`` or ``**kwargs``."""
    return parameter.kind in _VARIADIC
