"""How values read in a prompt."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any


def text_of(value: Any) -> str:
    """Text as it is; structures as JSON; everything else by ``str``."""
    if isinstance(value, str):
        return value
    if hasattr(value, "model_dump_json"):
        return str(value.model_dump_json())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def inputs_text(inputs: Mapping[str, Any]) -> str:
    """One input as its bare text; several as ``name: text`` lines. Absent ones (None) are left out."""
    present = {name: value for name, value in inputs.items() if value is not None}
    if len(present) == 1:
        return text_of(next(iter(present.values())))
    return "\n".join(f"{name}: {text_of(value)}" for name, value in present.items())
