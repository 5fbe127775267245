"""``paragrad doctor``."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from paragrad.cli.closing import near
from paragrad.cli.common import Command, Shell
from paragrad.runs.figures import size
from paragrad.runs.lines import Line, Part, labelled

PACKAGES = ("numpy", "openai", "pydantic", "click", "rich", "safetensors")
ROOM = 200_000_000  # bytes a few runs may take


@click.command(cls=Command)
@click.pass_obj
def command(shell: Shell) -> int:
    """Check this installation: Python, packages, keys (by name only), local servers, disk, the home folder."""
    found = checks(shell.home)
    shell.give({"ok": all(row["ok"] is not False for row in found), "checks": found})
    shell.show([_line(row) for row in found])
    return 1 if any(row["ok"] is False for row in found) else 0


def checks(home: Path) -> list[dict[str, Any]]:
    """Every check: name, what was found, and ok (True, False, or None for "not needed")."""
    return [_python(), _packages(), _torch(), _weights(), _keys(), _servers(), _home(home), _disk(home)]


def _row(name: str, found: str, ok: bool | None, hint: str = "") -> dict[str, Any]:
    return {"name": name, "found": found, "ok": ok, "hint": hint}


def _python() -> dict[str, Any]:
    from paragrad import __version__

    ok = sys.version_info >= (3, 11)
    return _row(
        "python",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}, paragrad {__version__}",
        ok,
        "" if ok else "3.11 or later is needed",
    )


def _packages() -> dict[str, Any]:
    versions = {name: _version(name) for name in PACKAGES}
    missing = [name for name, found in versions.items() if found is None]
    text = ", ".join(f"{name} {found or 'missing'}" for name, found in versions.items())
    return _row("packages", text, not missing, f"pip install {' '.join(missing)}" if missing else "")


def _torch() -> dict[str, Any]:
    found = _version("torch") if importlib.util.find_spec("torch") is not None else None
    return _row(
        "torch",
        found or "not installed",
        True if found else None,
        "" if found else "only needed for weights as parameters: pip install 'paragrad[torch]'",
    )


def _weights() -> dict[str, Any]:
    from paragrad.errors import ParagradError
    from paragrad.llm.embedded import EmbeddedModel

    try:
        return _row("embedded", f"weights {EmbeddedModel().digest[:12]}…", True)
    except (ParagradError, OSError) as error:
        return _row("embedded", str(error), False, "install the package again")


def _keys() -> dict[str, Any]:
    from paragrad.llm.providers import PROVIDERS

    names = [name for provider in PROVIDERS.values() for name in provider.key_env]
    found = [name for name in names if os.environ.get(name, "").strip()]
    return _row(
        "keys",
        ", ".join(found) or "none set",
        True if found else None,
        "" if found else "export one, or use a local server or the embedded model",
    )


def _servers() -> dict[str, Any]:
    from paragrad.llm.auto import PORTS, first_model

    found = [(port, model) for port in PORTS if (model := first_model(port, 0.3)) is not None]
    text = ", ".join(f":{port} ({model})" for port, model in found)
    return _row("servers", text or f"none on {' '.join(f':{port}' for port in PORTS)}", True if found else None)


def _home(home: Path) -> dict[str, Any]:
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            return _row("home", f"{near(home)}{'' if home.is_dir() else ' (made by the first run)'}", True)
    except OSError as error:
        return _row("home", f"{place}: {error.strerror or error}", False, "choose another folder with --home or PARAGRAD_HOME")


def _disk(home: Path) -> dict[str, Any]:
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    return _row("disk", f"{size(free)} free", free >= ROOM, "" if free >= ROOM else "make room: runs and caches live there")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _line(row: dict[str, Any]) -> Line:
    mark: Part = {True: ("✓ ", "good"), False: ("✗ ", "bad"), None: ("· ", "dim")}[row["ok"]]
    return labelled(row["name"], mark, row["found"], (f"  {row['hint']}" if row["hint"] else "", "dim"))
