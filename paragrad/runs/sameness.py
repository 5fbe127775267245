"""What makes two rows the same question."""

from __future__ import annotations

import json

from paragrad.protocols.data import Row


def content_key(row: Row) -> str:
    """Equal for rows with equal inputs."""
    return json.dumps(dict(row.inputs), sort_keys=True, ensure_ascii=False, default=str)
