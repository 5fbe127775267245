"""Put real output into the pages: ``python tests/docs/capture.py [--demo]``.

Rewrites the text block below each Python block with what the block prints today, and with ``--demo``
the terminal capture between ``<!-- demo -->`` and ``<!-- /demo -->``, from a run of the demo.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.docs.pages import MARK, blocks, pages, program, run  # noqa: E402

CAPTURE = re.compile(r"(<!-- demo -->\n).*?(<!-- /demo -->)", re.DOTALL)


def printed(page: Path) -> dict[int, str]:
    """Line of each Python block to what it prints."""
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(out), contextlib.chdir(folder):
        os.environ["PARAGRAD_HOME"] = str(Path(folder) / ".paragrad")
        run(program(page), "captured_page", Path(folder))
    ran = [block.line for block in blocks(page) if block.language == "python" and block.run]
    return dict(zip(ran, out.getvalue().split(MARK + "\n")[1:], strict=True))


def with_output(page: Path) -> str:
    """The page with the outputs of today."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found = blocks(page)
    outputs = printed(page) if any(block.language == "python" for block in found) else {}
    for i in reversed(range(1, len(found))):
        block = found[i]
        if block.language == "text" and block.follows_python and found[i - 1].line in outputs:
            end = block.line + (block.text.count("\n") + 1 if block.text else 0)
            lines[block.line : end] = outputs[found[i - 1].line].rstrip().splitlines()
    return "\n".join(lines) + "\n"


def demo() -> str:
    """What ``paragrad demo`` prints, steps left out."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
        ran = subprocess.run(
            [sys.executable, "-m", "paragrad", "--home", ".paragrad", "demo"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    kept = [line.rstrip() for line in ran.stdout.splitlines() if not re.match(r" step \d+ ", line)]
    return "```console\n$ paragrad demo\n" + "\n".join(kept).strip() + "\n```\n"


if __name__ == "__main__":
    shown = demo() if "--demo" in sys.argv else None
    for page in pages():
        text = with_output(page)
        if shown is not None:
            text = CAPTURE.sub(lambda match: match[1] + shown + match[2], text)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print("rewrote", page.relative_to(ROOT))
