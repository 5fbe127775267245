"""P1: what ``import paragrad`` costs: time, modules, distributions, size."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from importlib.metadata import files as files_of
from pathlib import Path

from packaging.requirements import Requirement

ROUNDS = 9
TIMED = "import time, sys; t = time.process_time(); import {name}; print(time.process_time() - t, len(sys.modules))"
LOADED = """
import sys
before = set(sys.modules)
import paragrad
names = {m.partition(".")[0] for m in set(sys.modules) - before}
print(len(names - set(sys.stdlib_module_names) - {"paragrad"}))
"""


def run(program: str) -> list[str]:
    """The words a program prints, in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


def seconds(name: str) -> float:
    """CPU seconds of an import beyond an empty one, the best of some rounds."""
    return min(float(run(TIMED.format(name=name))[0]) for _ in range(ROUNDS))


def installed(root: str = "paragrad") -> dict[str, float]:
    """Every distribution a plain install brings, with its size in MB without bytecode."""
    found: dict[str, float] = {}
    queue = [Requirement(line) for line in requires(root) or [] if "extra ==" not in line] if known(root) else declared()
    while queue:
        wanted = queue.pop()
        name = wanted.name.lower().replace("_", "-")
        if name in found or (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})) or not known(wanted.name):
            continue
        found[name] = (
            sum(f.locate().stat().st_size for f in files_of(wanted.name) or [] if f.suffix != ".pyc" and f.locate().is_file()) / 1e6
        )
        for line in requires(wanted.name) or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": e}) for e in ("", *wanted.extras)):
                queue.append(inner)
    return found


def known(name: str) -> bool:
    """Whether a distribution is installed."""
    try:
        requires(name)
    except PackageNotFoundError:
        return False
    return True


def declared() -> list[Requirement]:
    """The dependencies in pyproject.toml, when the package itself runs from its checkout."""
    import tomllib

    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    return [Requirement(line) for line in tomllib.loads(text)["project"]["dependencies"]]


def main() -> None:
    found = installed()
    source = (
        sum(
            p.stat().st_size for p in (Path(__file__).parent.parent / "paragrad").rglob("*") if p.is_file() and "__pycache__" not in p.parts
        )
        / 1e6
    )
    figures = {
        "import_seconds": seconds("paragrad") - 0.0,
        "kernel_import_seconds": seconds("paragrad.trace"),
        "third_party_modules": int(run(LOADED)[0]),
        "distributions": len(found) + 1,
        "megabytes": sum(found.values()) + source,
    }
    targets = {"import_seconds": "0.10", "third_party_modules": "0", "distributions": "30", "megabytes": "120"}
    for name, value in figures.items():
        print(f"P1 {name}: {value:.4g}" + (f" (target {targets[name]})" if name in targets else ""))
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p01_import.json").write_text(json.dumps({**figures, "parts": found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
