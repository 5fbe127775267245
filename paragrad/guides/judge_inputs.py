"""What a judge is shown: its inputs, found by name in a row and its output."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from paragrad.errors import UsageError
from paragrad.protocols.data import Row

OUTPUT = ("output", "response", "answer")
TARGET = ("target", "reference")
WHOLE = ("input", "query")

_NOTHING = object()


def bound_inputs(who: str, names: Sequence[str], optional: Collection[str], row: Row, output: Any) -> dict[str, Any]:
    """A judge's inputs for a row.

    A name among the row's inputs means that input; else output, target, all inputs, or another column. When nothing
    means the output, the one name that is left over does, or the row's own "answer" gives way to it.

    Args:
        who: the judge, for messages.
        names: its inputs; none: it is given everything.
        optional: those with a default.

    Raises:
        UsageError: an input that is nowhere to be found, or an output that is not among them.
    """
    if not names:
        return {**row.inputs, **({"target": row.target} if row.target is not None else {}), "output": output}
    found = {name: value for name in names if (value := _found(name, row, output)) is not _NOTHING}
    left = [name for name in names if name not in found and name not in optional]
    if not any(name in OUTPUT and name not in row.inputs for name in found):
        shown = left[:1] if len(left) == 1 else [name for name in OUTPUT if name in found][:1]
        found.update(dict.fromkeys(shown, output))
        left = [name for name in left if name not in shown]
        if not shown and not left:
            _refuse(f"{who} is never shown the output", names, row)
    if left:
        _refuse(f"{who} asks for {left[0]!r}, which is nowhere to be found", names, row)
    return {name: found[name] for name in names if name in found}


def _found(name: str, row: Row, output: Any) -> Any:
    if name in row.inputs:
        return row.inputs[name]
    if name in OUTPUT:
        return output
    if name in TARGET and row.target is not None:
        return row.target
    if name in WHOLE:
        return next(iter(row.inputs.values())) if len(row.inputs) == 1 else dict(row.inputs)
    return row.meta.get(name, _NOTHING)


def _refuse(what: str, names: Sequence[str], row: Row) -> None:
    have = ", ".join([*row.inputs, *row.meta, *(["target"] if row.target is not None else [])]) or "nothing"
    raise UsageError(
        f"{what}; its inputs ({', '.join(names)}) are looked for by name in the row ({have}) and as output, response or answer"
    )
