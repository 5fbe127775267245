"""What the documentation tests share: the pages, their fenced blocks, and a way to run a page's Python."""

from __future__ import annotations

import importlib.util
import sys
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from paragrad import registry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
NO_RUN = "<!-- no-run -->"
WORKING = {"plan.md"}  # pages that are not part of the documentation
MARK = "\x1e"
REGISTRIES = [part for part in vars(registry).values() if isinstance(part, registry.Registry)]


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the line of its opening fence (from 1)."""

    language: str
    text: str
    line: int
    run: bool
    follows_python: bool


def pages() -> list[Path]:
    """README and every page of docs/, sorted."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*top, *sorted(page for page in DOCS.rglob("*.md") if page.name not in WORKING)]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    start, language, before, inside = 0, "", "", False
    last_end = -1
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            if not inside:
                start, language, inside = number, line[3:].strip(), True
            else:
                inside = False
                text = "\n".join(lines[start : number - 1])
                between = "".join(lines[last_end : start - 1]).strip() if last_end >= 0 else "x"
                follows = bool(found) and found[-1].language == "python" and not between
                found.append(Block(language, text, start, before != NO_RUN, follows))
                last_end = number
        if line.strip() and not inside and not line.startswith("```"):
            before = line.strip()
        elif line.startswith("```") and not inside:
            before = ""
    return found


def program(page: Path) -> str:
    """All runnable Python of a page as one module: line n of it is line n of the page, blocks are told apart by a mark."""
    lines = [""] * (len(page.read_text(encoding="utf-8").splitlines()) + 1)
    for block in blocks(page):
        if block.language == "python" and block.run:
            lines[block.line - 1] = f"print({MARK!r})"
            lines[block.line : block.line + block.text.count("\n") + 1] = block.text.split("\n")
    return "\n".join(lines) + "\n"


def run(source: str, name: str, folder: Path) -> ModuleType:
    """Import ``source`` as a module of its own from ``folder``, in a context of its own; what it registers is forgotten."""
    file = folder / f"{name}.py"
    file.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before = {id(part): dict(part._found) for part in REGISTRIES}
    try:
        copy_context().run(spec.loader.exec_module, module)
    finally:
        del sys.modules[name]
        for part in REGISTRIES:
            part._found = before[id(part)]
    return module
