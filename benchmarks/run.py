"""Run every benchmark and render benchmarks/RESULTS.md: ``python -m benchmarks.run [p02 p05 ...]``.

With names, only those are run and only their sections are replaced.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(wanted: list[str]) -> int:
    """Run the scripts named (all, when none is), write the results; 1 when one failed."""
    scripts = sorted(path for path in HERE.glob("[mp][0-9_]*.py") if not wanted or any(path.stem.startswith(name) for name in wanted))
    sections = _kept() if wanted else {}
    failed = 0
    for script in scripts:
        started = time.monotonic()
        run = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{script.stem}"], capture_output=True, text=True, cwd=HERE.parent, timeout=900, check=False
        )
        seconds = time.monotonic() - started
        print(f"{script.stem}: {'failed' if run.returncode else 'done'} in {seconds:.0f} s")
        print(run.stdout, run.stderr[-2000:] if run.returncode else "")
        failed += run.returncode != 0
        sections[script.stem] = _section(script, run, seconds)
    (HERE / "RESULTS.md").write_text(_page([sections[name] for name in sorted(sections)]), encoding="utf-8")
    return 1 if failed else 0


def _kept() -> dict[str, str]:
    """The sections of the page as it stands, by script."""
    page = (HERE / "RESULTS.md").read_text(encoding="utf-8")
    return {part.partition("\n")[0].strip(): f"## {part.rstrip()}\n" for part in page.split("\n## ")[1:]}


def _section(script: Path, run: subprocess.CompletedProcess[str], seconds: float) -> str:
    title = (script.read_text(encoding="utf-8").split('"""')[1]).strip().splitlines()[0]
    lines = [line for line in run.stdout.splitlines() if ": " in line] or ["(no figure)"]
    rows = "\n".join(f"| {name.strip()} | {rest.strip()} |" for name, _, rest in (line.partition(": ") for line in lines))
    said = run.stderr.strip().rpartition("\n")[2][:300] or f"exit status {run.returncode}"
    status = "" if run.returncode == 0 else f"\n\n**This benchmark failed**: {said}"
    ran = f"`python -m benchmarks.{script.stem}` · {seconds:.0f} s · {datetime.now(UTC):%Y-%m-%d}{status}"
    return f"## {script.stem}\n\n{title}\n\n{ran}\n\n| what | measured |\n|---|---|\n{rows}\n"


def _page(sections: list[str]) -> str:
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    head = f"# Measured\n\nMade by `make bench`; nothing here is asserted by a test. Machine: {machine}, shared with other work.\n\n"
    return head + "\n".join(sections)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
