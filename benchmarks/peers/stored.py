"""The peers' stored results."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.peers.settings import RESULTS


def stored() -> dict[str, dict[str, Any]]:
    """Peer to what was measured of it; empty when nothing was."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
