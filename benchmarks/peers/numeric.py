"""Measure the numeric peers and store what they printed: ``python -m benchmarks.peers.numeric [mindspore ...]``.

Needs their environments (``benchmarks/peers/setup.sh``); writes ``benchmarks/peers/results/<peer>.json``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from benchmarks.peers.settings import HERE, RESULTS

ROOT = HERE.parents[1]


def measure(peer: str) -> dict[str, Any]:
    """What ``benchmarks.peers.numeric_<peer>`` prints in the peer's environment."""
    python = HERE / f".venv-{peer}" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{peer} is not installed; run: sh benchmarks/peers/setup.sh {peer}")
    command = [str(python), "-m", f"benchmarks.peers.numeric_{peer}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{peer} printed no result\n{run.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def main(peers: list[str]) -> None:
    """Measure each and store it."""
    for peer in peers or ["mindspore"]:
        kept = {
            "peer": peer,
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "command": f"python -m benchmarks.peers.numeric {peer}",
            **measure(peer),
        }
        (RESULTS / f"{peer}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        print(f"{peer}: {kept['numeric']}")


if __name__ == "__main__":
    main(sys.argv[1:])
