"""``@pg.prompt``: a function without a body becomes a program that asks a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from paragrad.errors import UsageError
from paragrad.modules.generator import Generator
from paragrad.modules.inputs import kinds_of
from paragrad.modules.outputs import return_type
from paragrad.trace.binding import Binder

P = ParamSpec("P")
R = TypeVar("R")


class Prompt(Generator[R], Generic[P, R]):
    """A Generator made from a function: its docstring is the trainable instruction, its parameters are the inputs,
    its return annotation is the checked output.

    Raises:
        UsageError: the function has no docstring.
    """

    if TYPE_CHECKING:

        def forward(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Ask the model, with the function's own arguments."""
            raise NotImplementedError

    def __init__(self, function: Callable[P, R], **options: Any) -> None:
        text = inspect.getdoc(function)
        if not text:
            raise UsageError(f"{function.__name__} has no docstring, so there is no instruction to train; write one")
        self._binder = Binder(function)
        super().__init__(text, output=return_type(function), inputs=self._binder.names, name=function.__name__, **options)
        self.kinds = kinds_of(function)
        update_wrapper(self, function)

    def _inputs(self, args: tuple[Any, ...], kwargs: Any) -> dict[str, Any]:
        return self._binder(args, kwargs)


@overload
def prompt(function: Callable[P, R], /) -> Prompt[P, R]: ...
@overload
def prompt(
    *,
    demos: int = 0,
    model: Any = None,
    tools: Sequence[Any] = (),
    template: str | Path | None = None,
    trainable: bool = True,
    **request: Any,
) -> Callable[[Callable[P, R]], Prompt[P, R]]: ...
def prompt(function: Any = None, /, **options: Any) -> Any:
    """Make a program of a function: ``@pg.prompt`` or ``@pg.prompt(demos=4)``.

    Args:
        demos: how many worked examples may be trained.
        model: a name or model; None: the one in use.
        tools: functions the model may call, in one round before it answers.
        template: the system message, with ``{instruction}`` and any inputs.
        trainable: False for a fixed prompt.
        **request: temperature, max_tokens, ... for every request.
    """
    return partial(Prompt, **options) if function is None else Prompt(function, **options)
