"""The examples are typed: both type checkers accept them as they stand, strictly."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.docs.pages import ROOT

TORCH = find_spec("torch") is not None
PATHS = [path for path in sorted((ROOT / "examples").rglob("*.py")) if TORCH or "import torch" not in path.read_text(encoding="utf-8")]
EXAMPLES = [str(path.relative_to(ROOT)) for path in PATHS]
KNOWN = ("empty-body", "untyped-decorator")  # a @pg.prompt has no body; @pg.op's result has no type of its own


def test_mypy_accepts_the_examples() -> None:
    pytest.importorskip("mypy")
    options = ["--strict", *(f"--disable-error-code={code}" for code in KNOWN)]
    ran = subprocess.run([sys.executable, "-m", "mypy", *options, *EXAMPLES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_pyright_accepts_the_examples() -> None:
    pytest.importorskip("pyright")
    if shutil.which("node") is None:
        pytest.skip("pyright runs on node, which is not installed")
    ran = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *EXAMPLES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
