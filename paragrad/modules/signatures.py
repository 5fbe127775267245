"""What a model is told of a function: its arguments as JSON Schema, and the words of its docstring."""

from __future__ import annotations

import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, NotRequired, get_args, get_origin

from paragrad.errors import UsageError

_SECTION = re.compile(r"^(?:Args|Arguments|Parameters):[ \t]*$", re.MULTILINE)
_ENTRY = re.compile(r"\s*\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


class Signature:
    """The arguments of one function, checked.

    Args:
        function: a plain function.
        name: what models call it.
        skip: the name of an argument that is no business of the model ("self"), or None.

    Raises:
        UsageError: an argument without a type, with one that JSON cannot hold, or ``*args``.
    """

    def __init__(self, function: Callable[..., Any], name: str, skip: str | None) -> None:
        self.name = name
        self.hints = _hints(function, name, skip)
        self.told = {key: words for key, hint in self.hints.items() if (words := _annotated(hint))}
        self._adapter = _adapter(name, self.hints, self._optional(function))
        self.schema = self._schema()

    def checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """A model's arguments as the function takes them.

        Raises:
            ValueError: they do not fit; the message is meant for the model.
        """
        from pydantic import ValidationError

        try:
            return dict(self._adapter.validate_python(dict(arguments)))
        except ValidationError as error:
            wrong = "; ".join(_complaint(one) for one in error.errors(include_url=False))
            raise ValueError(f"{self.name}: {wrong}. Its arguments are: {', '.join(self.hints) or 'none'}") from None

    def _optional(self, function: Callable[..., Any]) -> dict[str, Any]:
        parameters = inspect.signature(function).parameters
        return {name: parameters[name].default for name in self.hints if parameters[name].default is not inspect.Parameter.empty}

    def _schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, without words."""
        from pydantic.errors import PydanticInvalidForJsonSchema

        try:
            schema = self._adapter.json_schema()
        except PydanticInvalidForJsonSchema as error:
            raise UsageError(f"an argument of the tool {self.name} has a type that JSON cannot hold: {error.message}") from error
        for part in (schema, *schema.get("properties", {}).values()):
            part.pop("title", None)
            part.pop("description", None)
        return dict(schema)


def docstring(function: Any) -> tuple[str, dict[str, str]]:
    """The words of a Google docstring: everything but its ``Args:``, and those argument by argument."""
    text = inspect.getdoc(function) or ""
    found = _SECTION.search(text)
    if found is None:
        return text.strip(), {}
    block, rest = _indented(text[found.end() :])
    return "\n\n".join(part for part in (text[: found.start()].strip(), rest.strip()) if part), _entries(block)


def _indented(text: str) -> tuple[str, str]:
    """The indented lines at the start, and what comes after them."""
    lines = text.splitlines()[1:]
    end = next((i for i, line in enumerate(lines) if line.strip() and not line[0].isspace()), len(lines))
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def _entries(block: str) -> dict[str, str]:
    """``name: words`` lines; deeper lines go on."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in textwrap.dedent(block).splitlines():
        entry = _ENTRY.fullmatch(line) if line and not line[0].isspace() else None
        if entry is not None:
            name = entry[1]
            found[name] = [entry[2]]
        elif name:
            found[name].append(line.strip())
    return {name: " ".join(part for part in parts if part) for name, parts in found.items()}


def _hints(function: Callable[..., Any], name: str, skip: str | None) -> dict[str, Any]:
    """Argument to type. The return type is not looked at: a model never sees it."""
    plain: Any = inspect.unwrap(function)
    while isinstance(plain, partial):
        plain = inspect.unwrap(plain.func)
    plain = getattr(plain, "__func__", plain)
    own = {key: hint for key, hint in getattr(plain, "__annotations__", {}).items() if key != "return"}
    try:
        shim = type("Arguments", (), {"__annotations__": own})
        known = typing.get_type_hints(shim, globalns=getattr(plain, "__globals__", None), include_extras=True)
    except NameError as error:
        raise UsageError(f"the types of the tool {name} cannot be resolved: {error}; define them at the top of its file") from error
    hints = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == skip:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            shown = str(parameter).partition(":")[0]
            raise UsageError(f"the tool {name} takes {shown}; a model gives its arguments by name, so name each of them")
        if parameter.name not in known:
            raise UsageError(f"the argument {parameter.name!r} of the tool {name} has no type; write {parameter.name}: str, or what it is")
        hints[parameter.name] = known[parameter.name]
    return hints


def _adapter(name: str, hints: Mapping[str, Any], optional: Mapping[str, Any]) -> Any:
    """What checks a mapping of arguments, and no others. A typed dict, because it takes any name for a key."""
    from pydantic import ConfigDict, Field, TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
    from typing_extensions import TypedDict

    fields: dict[str, Any] = {}
    for key, hint in hints.items():
        default = optional.get(key)
        shown = Annotated[hint, Field(json_schema_extra={"default": default})] if isinstance(default, (str, int, float, bool)) else hint
        fields[key] = NotRequired[shown] if key in optional else shown
    typed_dict: Any = TypedDict  # its fields are known only now
    made = typed_dict("Arguments", fields)
    made.__pydantic_config__ = ConfigDict(extra="forbid")
    try:
        return TypeAdapter(made)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise UsageError(f"an argument of the tool {name} has a type that cannot be checked: {str(error).splitlines()[0]}") from error


def _annotated(hint: Any) -> str:
    """The words of ``Annotated[str, "words"]`` and ``Annotated[str, Field(description="words")]``."""
    if get_origin(hint) is not Annotated:
        return ""
    told = [part if isinstance(part, str) else getattr(part, "description", None) for part in get_args(hint)[1:]]
    return next((words for words in told if isinstance(words, str) and words.strip()), "")


def _complaint(error: Any) -> str:
    """One thing that is wrong, with its place and value."""
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "extra_forbidden":
        return f"{place} is no argument"
    given = repr(error["input"])
    return f"{place}: {error['msg']} (got {given if len(given) <= 80 else given[:79] + '…'})"
