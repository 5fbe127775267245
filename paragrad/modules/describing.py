"""A program that is one Generator, described in its manifest and made again from it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Literal, get_args

from paragrad.errors import DataError
from paragrad.modules.generator import REQUEST_FIELDS, Generator
from paragrad.modules.inputs import kind_named
from paragrad.trace.module import Module
from paragrad.trace.parameter import Parameter

TYPES: Mapping[str, Any] = {"str": str, "int": int, "float": float, "bool": bool}


def described(program: Module) -> dict[str, Any]:
    """JSON from which :func:`rebuilt` makes the program; other programs need their own class to load."""
    if not isinstance(program, Generator):
        return {"class": type(program).__qualname__}
    if program.tools or hasattr(program, "max_steps"):  # tools are code, which no file holds
        return {"class": f"{type(program).__qualname__} with tools"}
    return {
        "class": "Generator",
        "inputs": list(program.inputs or ()),
        "kinds": {name: kind.name for name, kind in program.kinds.items()},
        "output": _output(program),
        "template": program.template,
        "request": program.request,
        "fixed": None if isinstance(program.instruction, Parameter) else str(program.instruction.value),
    }


def _output(program: Generator[Any]) -> Any:
    """A type's name, or the options of a Literal or Enum; None for types that only their own code knows."""
    wanted = program.output.type
    if program.output.options is None:
        return next((name for name, type in TYPES.items() if type is wanted), None)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return list(program.output.options)
    return list(get_args(wanted))


def rebuilt(found: Any, values: Mapping[str, tuple[Any, Any]], where: str) -> Generator[Any]:
    """The Generator that a manifest describes.

    Args:
        found: what :func:`described` gave, from a file that anyone may have written.
        values: value and space of each Parameter.

    Raises:
        DataError: it describes no Generator, or one that its own code must make.
    """
    if not isinstance(found, Mapping) or found.get("class") != "Generator":
        name = found.get("class") if isinstance(found, Mapping) else found
        raise DataError(f"{where} holds a {str(name)[:80]!r}; make that program and call program.load({where!r})")
    inputs, template, fixed, kinds = (found.get(name) for name in ("inputs", "template", "fixed", "kinds"))
    right = isinstance(inputs, list) and all(isinstance(name, str) for name in inputs) and isinstance(template, (str, type(None)))
    if not right or ("instruction" not in values and not isinstance(fixed, str)):
        raise DataError(f"the manifest in {where} describes no program; it was changed by someone")
    parameters: dict[str, Any] = {name: Parameter(value, space=space) for name, (value, space) in values.items()}
    try:
        made: Generator[Any] = Generator(
            parameters.get("instruction", fixed),
            output=_type(found.get("output"), where),
            inputs=inputs or None,
            demos=parameters.get("demos", 0),
            template=template,
            trainable="instruction" in parameters,
            **_request(found.get("request"), where),
        )
        made.kinds = {name: kind for name in made.inputs or () if (kind := kind_named((kinds or {}).get(name))) is not None}
        return made
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the manifest in {where} describes no program: {error}") from error


def _type(output: Any, where: str) -> Any:
    if isinstance(output, list) and output and all(isinstance(x, (str, int, bool, type(None))) for x in output):
        return Literal[tuple(output)]
    if isinstance(output, str) and output in TYPES:
        return TYPES[output]
    raise DataError(
        f"{where} was saved from a program whose answers have a type of their own; make that program and call program.load({where!r})"
    )


def _request(request: Any, where: str) -> dict[str, Any]:
    """Request options: sampling only; a file does not choose the model, its address or its headers."""
    given = dict(request) if isinstance(request, Mapping) else {}
    extra = given.pop("extra", {})
    foreign = [name for name in given if name not in REQUEST_FIELDS]
    if foreign or not isinstance(extra, Mapping) or any(str(name) in FOREIGN for name in extra):
        raise DataError(
            f"the manifest in {where} sets {', '.join(map(str, foreign)) or 'headers or an address'}, which a saved program may not"
        )
    return {**given, **extra}


FOREIGN = frozenset(
    {
        "api_key", "base_url", "demos", "extra_body", "extra_headers", "extra_query", "headers", "inputs", "instruction", "model", "name",
        "output", "template", "tools", "trainable",
    }
)  # fmt: skip
