"""Row 0 of a run: digests of everything it depends on, so that a resumed run is the same run."""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import Any

from paragrad import __version__
from paragrad.trace.module import Module, Wrapped
from paragrad.trainers.values import to_json


def header_of(trainer: Any, *, algorithm: str) -> dict[str, str]:
    """Part to sha256: program, start (values), data, metric, configuration, package."""
    configuration = {
        "algorithm": algorithm,
        "optimizer": trainer.optimizer.describe(),
        "budget": str(trainer.budget),
        "seed": trainer.seed,
        "parameters": list(trainer.parameters),
        "model": getattr(trainer.model, "identity", None),
    }
    start = {id: p.value for id, p in trainer.parameters.items()}
    return {
        "program": _sha(source_of(trainer.program)),
        "start": _sha(json.dumps(to_json(trainer.parameters, start), sort_keys=True)),
        "data": _sha("|".join(_rows(part) for part in (trainer.train_rows, trainer.validation_rows, trainer.test_rows))),
        "metric": trainer.metric.digest,
        "configuration": _sha(json.dumps(configuration, sort_keys=True, default=str)),
        "package": __version__,
    }


def source_of(program: Module) -> str:
    """The program's source as far as it can be found; its class name otherwise."""
    subject: Any = program.fn if isinstance(program, Wrapped) else type(program)
    subject = getattr(subject, "wrapped", getattr(subject, "__wrapped__", subject))
    wrapped = getattr(program, "__wrapped__", None)
    try:
        return inspect.getsource(wrapped if wrapped is not None else subject)
    except (OSError, TypeError):
        return getattr(subject, "__qualname__", type(program).__qualname__)


def _rows(placed: Any) -> str:
    text = json.dumps([[p.row.id, dict(p.row.inputs), p.row.target] for p in placed], sort_keys=True, ensure_ascii=False, default=str)
    return _sha(text)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
