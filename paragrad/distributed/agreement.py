"""Whether all processes hold the same Parameters: asked before anything else is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from paragrad.distributed.collective import Link
from paragrad.errors import UsageError
from paragrad.trace.parameter import Parameter


def shared(parameter: Parameter[Any]) -> bool:
    """Whether all processes hold it alike: it is neither layer-wise nor a slice."""
    return not (parameter.layerwise_parallel or getattr(parameter, "sliced", False))


def form(parameter: Parameter[Any]) -> list[Any]:
    """What must be equal everywhere: name or path, kind, shape, element type, flags."""
    pending = parameter._meta.pending
    value = parameter.value if pending is None else pending
    shape = list(getattr(value, "shape", ())) if shared(parameter) else None
    dtype = str(getattr(value, "dtype", type(value).__name__ if parameter.kind == "number" else ""))
    named = parameter._meta.name or parameter._meta.path or "unnamed"  # the private label differs from process to process
    return [named, parameter.kind, shape, dtype, parameter.requires_grad, shared(parameter)]


def check(link: Link, parameters: Sequence[Parameter[Any]], what: str = "comparing the programs") -> None:
    """Compare the lists of Parameters; the same error everywhere when they differ.

    Raises:
        UsageError: the first difference, by process.
    """
    import torch

    forms = [form(p) for p in parameters]
    digest = int.from_bytes(hashlib.sha256(json.dumps(forms).encode()).digest()[:7], "little")
    both = torch.tensor([digest, -digest], dtype=torch.int64, device=link.device)
    link.largest(what, both)
    if int(both[0]) == -int(both[1]):
        return
    found = [json.loads(data) for data in link.collect(what, json.dumps(forms).encode())]
    raise UsageError(f"the processes hold different Parameters: {difference(found)}; run the same program everywhere. Nothing was sent")


def difference(found: Sequence[Any]) -> str:
    """The first difference between process 0 and another, in words."""
    for rank, other in enumerate(found):
        for mine, theirs in zip(found[0], other, strict=False):
            if mine != theirs:
                return f"process 0 has {_words(mine)}, process {rank} has {_words(theirs)}"
        if len(other) != len(found[0]):
            longer = max(other, found[0], key=len)[min(len(other), len(found[0]))]
            return f"process 0 has {len(found[0])}, process {rank} has {len(other)}; only one has {_words(longer)}"
    return "another order"


def _words(form: Any) -> str:
    id, kind, shape, dtype, trained, alike = form
    parts = [
        repr(id),
        kind,
        *([f"of shape {tuple(shape)}"] if shape else []),
        dtype,
        "" if trained else "not trained",
        "" if alike else "its own",
    ]
    return " ".join(part for part in parts if part)
