"""Subject: values of any form as a program whose output they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paragrad.errors import UsageError
from paragrad.trace.bundle import bundle
from paragrad.trace.module import Module
from paragrad.trace.parameter import Parameter

ONE = "candidate"


class Subject(Module):
    """Takes nothing, and gives its values in the form they were given in.

    Args:
        initial: a value, a Parameter, a space; a dict of these by name; a list of Parameters and spaces.
        words: prose for the optimizer. ``constraint``: words or a function, for one value, for each by name, or of the whole.

    Raises:
        UsageError: a form or a name that cannot be.
    """

    def __init__(self, initial: Any, *, words: str | None = None, constraint: Any = None, space: Any = None) -> None:
        self.form, named = _named(initial, space)
        self.names = list(named)
        each = dict(constraint) if isinstance(constraint, Mapping) else {}
        for name in each:
            if name not in named:
                raise UsageError(f"constraint names {name!r}; there are {', '.join(named)}")
        whole = constraint if callable(constraint) and self.form is not None else None
        self.check = whole
        common = None if whole is not None or isinstance(constraint, Mapping) else constraint
        for name, part in named.items():
            setattr(self, name, _parameter(name, part, each.get(name, common), words, space if self.form is None else None))

    def forward(self, **inputs: Any) -> Any:
        """The values, whatever the row holds."""
        return candidate(**{name: getattr(self, name) for name in self.names})

    def shaped(self, values: Mapping[str, Any]) -> Any:
        """Values by name in the form of the initial ones."""
        if self.form is None:
            return values[ONE]
        return dict(values) if self.form is dict else [values[name] for name in self.names]

    def refused(self, value: Any) -> str:
        """Why the constraint of the whole refuses a candidate, or ""."""
        if self.check is None:
            return ""
        verdict = self.check(value)
        return "" if verdict is True or verdict is None else verdict if isinstance(verdict, str) else "the constraint refuses it"


@bundle(description="the candidate", effects=())
def candidate(**values: Any) -> Any:
    """The values by name."""
    return dict(values)


def _named(initial: Any, space: Any) -> tuple[Any, dict[str, Any]]:
    """Form (None: a single value) and parts by name."""
    if isinstance(initial, Mapping) and space is None:
        if not initial:
            raise UsageError("initial={} names nothing to optimize")
        for name in initial:
            if not isinstance(name, str) or not name or hasattr(Module, name) or name in ("form", "names", "check", "shaped", "refused"):
                raise UsageError(f"initial has the name {name!r:.40}, which cannot be used; take another")
        return dict, dict(initial)
    if isinstance(initial, (list, tuple)) and initial and space is None and any(_is_part(part) for part in initial):
        return list, {f"item{place}": part for place, part in enumerate(initial)}
    return None, {ONE: initial}


def _is_part(value: Any) -> bool:
    return isinstance(value, Parameter) or _is_space(value)


def _is_space(value: Any) -> bool:
    return not isinstance(value, type) and all(hasattr(value, name) for name in ("check", "spec", "parse", "kind"))


def _parameter(name: str, part: Any, constraint: Any, words: str | None, space: Any) -> Parameter[Any]:
    if isinstance(part, Parameter):
        if constraint is not None:
            raise UsageError(f"{name} is a Parameter; give it its constraint itself: pg.Parameter(..., constraint=...)")
        return part
    if callable(part) and not _is_space(part):
        raise UsageError(f"{name} is a function; code is not trained before it can be run in a sandbox. Give its source as a text")
    if _is_space(part):
        part, space = _first(part), part
    made: Parameter[Any] = Parameter(part, space=space, constraint=constraint, instruction_to_optimizer=words)
    return made


def _first(space: Any) -> Any:
    """Where a search of a space starts."""
    told = space.spec()
    if space.kind == "choice":
        return told["options"][0]
    low, high = told.get("low"), told.get("high")
    if space.kind == "number" and low is not None and high is not None:
        middle = (low * high) ** 0.5 if told.get("log") else (low + high) / 2
        return round(middle) if told.get("integer") else middle
    if space.kind == "demos":
        return ()
    raise UsageError(f"{space!r:.80} does not say where to start; give a value: pg.Parameter(value, space=...)")
