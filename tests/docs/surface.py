"""The public surface, read from the code: ``python tests/docs/surface.py --write`` brings the pages up to date.

``docs/surface.txt`` pins the names, ``docs/reference.md`` shows each with the first line of its docstring.
"""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SURFACE = ROOT / "docs" / "surface.txt"
REFERENCE = ROOT / "docs" / "reference.md"
MORE = ("executors", "journal", "modules", "propagators", "runs")
HEAD = """# Reference

Every public name, with the first line of its docstring. `help(name)` shows the rest.
This page is made from the code by `tests/docs/surface.py`.
"""


def packages() -> list[str]:
    """The public modules: ``paragrad``, those it exports, and those that extensions import."""
    import paragrad

    exported = [name for name in paragrad.__all__ if isinstance(getattr(paragrad, name), ModuleType)]
    return ["paragrad", *sorted({f"paragrad.{name}" for name in (*exported, *MORE)})]


def module_of(package: str) -> ModuleType:
    """The module behind a public dotted name; some are exported under a shorter one than their own."""
    import paragrad

    tail = package.partition(".")[2]
    found = getattr(paragrad, tail) if tail in paragrad.__all__ else import_module(package)
    assert isinstance(found, ModuleType)
    return found


def names_of(package: str) -> list[str]:
    """The names a module offers: its ``__all__``, or the public ones it defines itself."""
    module = module_of(package)
    given = getattr(module, "__all__", None)
    if given is not None:
        return sorted(given)
    return sorted(name for name, value in vars(module).items() if not name.startswith("_") and _defined_in(value, module))


def _defined_in(value: Any, module: ModuleType) -> bool:
    return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__


def find(package: str, name: str) -> Any:
    """The object behind a public name."""
    return getattr(module_of(package), name)


def documented(value: Any) -> bool:
    """Whether an object that can have a docstring of its own has one."""
    if inspect.isclass(value):
        return bool((vars(value).get("__doc__") or "").strip())
    if isinstance(value, ModuleType) or callable(value):
        return bool((inspect.getdoc(value) or "").strip()) or (isinstance(value, ModuleType) and value.__file__ is None)
    return True


def summary(value: Any) -> str:
    """The first line of its docstring."""
    text = inspect.getdoc(value) if inspect.isclass(value) or isinstance(value, ModuleType) or callable(value) else None
    first = (text or "").strip().split("\n\n")[0].replace("\n", " ").replace("|", "\\|").rstrip(":")
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", first).replace("``", "`")


def surface_text() -> str:
    """One line per public name."""
    return "".join(f"{package}.{name}\n" for package in packages() for name in names_of(package))


def listed(text: str) -> str:
    """The names a reference page lists, in the form of ``surface_text``."""
    lines, package = [], ""
    for line in text.splitlines():
        if line.startswith("## `"):
            package = line[4:-1]
        elif line.startswith("| `"):
            lines.append(f"{package}.{line[3:].partition('`')[0]}\n")
    return "".join(lines)


def reference_text() -> str:
    """The reference page."""
    parts = [HEAD]
    for package in packages():
        rows = [f"| `{name}` | {summary(find(package, name))} |" for name in names_of(package) if name != "__version__"]
        parts.append(f"\n## `{package}`\n\n| name | what it is |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    return "".join(parts)


if __name__ == "__main__":
    if "--write" in sys.argv:
        SURFACE.write_text(surface_text(), encoding="utf-8")
        REFERENCE.write_text(reference_text(), encoding="utf-8")
    print(surface_text(), end="")
