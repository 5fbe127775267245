"""Whole prompts are golden files, the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.optimizers import sent_prompts

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(sent_prompts.prompts()))
def test_a_prompt_is_the_one_on_file(name: str) -> None:
    wanted = (sent_prompts.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert sent_prompts.prompts()[name] + "\n" == wanted, sent_prompts.FIX


def test_prompts_do_not_depend_on_the_process() -> None:
    program = "from tests.optimizers import sent_prompts; print(sent_prompts.prompts(), end='')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "77"}
    )
    assert done.stdout == str(sent_prompts.prompts())
