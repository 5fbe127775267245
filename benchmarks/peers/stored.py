"""The peers' stored results."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.peers.settings import RESULTS


def stored() -> dict[str, dict[str, Any]]:
    """Peer to what was measured of it; empty when nothing was."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}


def measured(part: str) -> dict[str, dict[str, Any]]:
    """Peer with version and date to one measured part of it, for those that have it."""
    return {f"{peer} {kept['version']}, stored {kept['date']}": kept[part] for peer, kept in stored().items() if part in kept}
