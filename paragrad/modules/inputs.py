"""What a program takes: the names of its inputs, and which of them are media or chat histories."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from paragrad.modules.bound import Bound
from paragrad.modules.history import Messages
from paragrad.modules.media import Audio, File, Image, Media
from paragrad.trace.binding import Binder
from paragrad.trace.bundle import BoundBundle, Bundle
from paragrad.trace.module import Module, Wrapped
from paragrad.trace.variable import Variable


@dataclass(frozen=True, slots=True)
class Kind:
    """An input that is annotated as media or as a chat history; ``many``: a list of them."""

    type: type[Media] | type[Messages]
    many: bool = False

    @property
    def name(self) -> str:
        """How it is written in an annotation."""
        return f"list[{self.type.__name__}]" if self.many else self.type.__name__

    def of(self, value: Any) -> Any:
        """What a caller gave, as this kind; Variables and None are left alone.

        Raises:
            TypeError: it is none and cannot become one.
        """
        if value is None or isinstance(value, Variable):
            return value
        if not self.many:
            return self.type.of(value)
        return [part if isinstance(part, Variable) else self.type.of(part) for part in value]

    def read(self, cell: Any, folder: Path | None) -> Any:
        """A cell of a data set as this kind; a text is a path (or the JSON of a chat)."""
        if not self.many:
            return self.type.read(cell, folder)
        if not isinstance(cell, (list, tuple)):
            raise TypeError(f"a list is wanted, {str(cell)[:60]!r} is a {type(cell).__name__}")
        return [self.type.read(part, folder) for part in cell]


KINDS = (Kind(Messages), *(Kind(medium, many) for medium in (Audio, File, Image) for many in (False, True)))


def input_names(program: Any) -> tuple[list[str], list[str]]:
    """Names of the program's inputs, and those that have a default. Empty when it takes anything."""
    program = _inner(program)
    binder = _binder(program)
    if binder is None or binder.signature is None:
        return list(getattr(program, "inputs", None) or ()), []
    named = [p for p in binder.signature.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [p.name for p in named], [p.name for p in named if p.default is not inspect.Parameter.empty]


def input_kinds(program: Any) -> dict[str, Kind]:
    """Inputs that are annotated as media or chat histories, by name."""
    program = _inner(program)
    own: Mapping[str, Kind] | None = getattr(program, "kinds", None)
    if own:
        return dict(own)
    function = program.fn if isinstance(program, Wrapped) else getattr(program, "forward", program)
    if isinstance(function, BoundBundle):
        function = function.bundle
    return kinds_of(function.fn if isinstance(function, Bundle) else function)


def kinds_of(function: Any) -> dict[str, Kind]:
    """The kinds in a function's annotations; those that cannot be resolved are none."""
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}
    return kinds_among({name: hint for name, hint in hints.items() if name != "return"})


def kinds_among(types: Mapping[str, Any]) -> dict[str, Kind]:
    """The kinds among inputs with their types."""
    return {name: kind for name, annotation in types.items() if (kind := kind_of(annotation)) is not None}


def kind_of(annotation: Any) -> Kind | None:
    """The kind an annotation names: ``Image``, ``Image | None``, ``list[Image]``, ``Messages``; None for others."""
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind_of(part) for part in get_args(annotation) if part is not types.NoneType]
        return kinds[0] if len(kinds) == 1 else None
    if get_origin(annotation) in (list, tuple) and get_args(annotation):
        inner = kind_of(get_args(annotation)[0])
        return Kind(inner.type, many=True) if inner is not None and issubclass(inner.type, Media) else None
    if isinstance(annotation, type) and annotation is not Media and issubclass(annotation, (Media, Messages)):
        return Kind(annotation)
    return None


def kind_named(name: Any) -> Kind | None:
    """The kind that is written so; None for another name."""
    return next((kind for kind in KINDS if kind.name == name), None)


def _inner(program: Any) -> Any:
    """The program behind a bound one."""
    while isinstance(program, Bound):
        program = program.program
    return program


def _binder(program: Any) -> Binder | None:
    own: Binder | None = getattr(program, "_binder", None)
    if own is not None:
        return own
    if getattr(program, "inputs", None) is not None or hasattr(program, "instruction"):
        return None
    fn: Any = program.fn if isinstance(program, Wrapped) else program.forward if isinstance(program, Module) else program
    if isinstance(fn, Bundle):
        return fn.binder
    return Binder(fn.bundle.fn.__get__(fn.instance)) if isinstance(fn, BoundBundle) else Binder(fn)
