"""Row 0 of a run: digests of everything it depends on, so that a resumed run is the same run."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from typing import Any

from paragrad import __version__
from paragrad.data.content import digest
from paragrad.trace.module import Module, Wrapped
from paragrad.trainers.values import to_json


def header_of(trainer: Any) -> dict[str, str]:
    """Part to sha256: program, start (values), data, metric, configuration, package."""
    configuration = {
        "algorithm": type(trainer).__name__,
        "optimizer": _settings(trainer.optimizer),
        "budget": str(trainer.budget),
        "seed": trainer.seed,
        "parameters": list(trainer.parameters),
        "model": getattr(trainer.model, "identity", None),
    }
    if trainer.objective is not None:
        configuration["objective"] = str(trainer.objective)
    start = {id: p.value for id, p in trainer.parameters.items()}
    rows = (trainer.train_rows, trainer.validation_rows, trainer.test_rows)
    return {
        "program": _sha(source_of(trainer.program)),
        "start": digest_of(to_json(trainer.parameters, start)),
        "data": _sha("|".join(map(_rows, rows))),
        "metric": trainer.metric.digest,
        "configuration": _sha(json.dumps(configuration, sort_keys=True, default=str)),
        "package": __version__,
    }


def digest_of(values: Mapping[str, Any]) -> str:
    """sha256 of values in JSON."""
    return _sha(json.dumps(values, sort_keys=True))


def _settings(part: Any, depth: int = 0) -> Any:
    """An optimizer's class and its plain settings; of everything else the type."""
    if isinstance(part, (str, int, float, bool, type(None))):
        return part
    if isinstance(part, (list, tuple)):
        return [_settings(x, depth + 1) for x in part]
    if isinstance(part, dict):
        return {str(getattr(key, "id", key)): _settings(x, depth + 1) for key, x in part.items()}
    known = vars(part) if hasattr(part, "propose") and depth < 8 else {}
    inside = {name: _settings(value, depth + 1) for name, value in known.items() if not name.startswith("_") and name != "bound"}
    return [type(part).__qualname__, inside]


def source_of(program: Module) -> str:
    """The program's source as far as it can be found, with that of its tools; its class name otherwise."""
    subject: Any = program.fn if isinstance(program, Wrapped) else type(program)
    subject = getattr(subject, "wrapped", getattr(subject, "__wrapped__", subject))
    wrapped = getattr(program, "__wrapped__", None)
    tools = program.sources() if hasattr(program, "sources") else ()
    return "\n".join(map(_source, (wrapped if wrapped is not None else subject, *tools)))


def _source(subject: Any) -> str:
    if isinstance(subject, str):
        return subject
    try:
        return inspect.getsource(subject)
    except (OSError, TypeError):
        return str(getattr(subject, "__qualname__", type(subject).__qualname__))


def _rows(placed: Any) -> str:
    return digest([[p.row.id, p.row.inputs, p.row.target] for p in placed])


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
