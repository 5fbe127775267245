"""Runs a scenario of ``worker.py`` in real processes on this machine's loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WORKER = Path(__file__).parent / "worker.py"


def processes(scenario: str, size: int = 2) -> list[Any]:
    """The last line that each process printed."""
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "meeting")
        started = [
            subprocess.Popen(
                [sys.executable, str(WORKER), scenario, str(rank), str(size), place],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for rank in range(size)
        ]
        try:
            told = [process.communicate(timeout=90) for process in started]
        finally:
            for process in started:
                process.kill()
                process.communicate()
    for out, err in told:
        assert out, err
    return [json.loads(out.splitlines()[-1]) for out, _ in told]
