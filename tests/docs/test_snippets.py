"""Every Python block of the documentation runs, and prints what the page says it prints."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.pages import MARK, ROOT, blocks, pages, program, run

WITH_CODE = [page for page in pages() if any(block.language == "python" for block in blocks(page))]
EXAMPLES = sorted((ROOT / "examples" / "extend").glob("*.py"))
LONGEST_EXAMPLE = 40
PARTS = (
    "generative-function",
    "guide",
    "hook",
    "loader",
    "model-backend",
    "op",
    "optimizer",
    "propagator",
    "rule",
    "store",
    "trainer",
    "utility",
)


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_run_and_print_what_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "import torch" in program(page):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path / ".paragrad"))
    run(program(page), f"docs_{page.stem.replace('-', '_')}", tmp_path)
    printed = capsys.readouterr().out.split(MARK + "\n")[1:]
    ran = [block for block in blocks(page) if block.run and block.language == "python"]
    assert len(printed) == len(ran), "a block printed the mark itself"
    shown = _shown(page)
    for block, text in zip(ran, printed, strict=True):
        if block.line in shown:
            assert steady(text) == steady(shown[block.line]), (
                f"{page.name}, line {block.line} prints something else; python tests/docs/capture.py"
            )


def steady(text: str) -> str:
    """What does not depend on the clock."""
    return re.sub(r"\d+(\.\d+)? s\b", "N s", text.rstrip())


def _shown(page: Path) -> dict[int, str]:
    """Line of a Python block to the text block right below it."""
    found = blocks(page)
    return {
        before.line: after.text for before, after in pairwise(found) if after.language == "text" and after.follows_python and before.run
    }


def test_few_blocks_need_a_network() -> None:
    silent = [f"{page.name}:{block.line}" for page in WITH_CODE for block in blocks(page) if block.language == "python" and not block.run]
    assert len(silent) <= 3, silent


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_how_to_page_is_built_on_its_example(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST_EXAMPLE, f"{example.name} is too long to be an example"
    page = ROOT / "docs" / "howto" / f"{example.stem.replace('_', '-')}.md"
    assert f"```python\n{text}```" in page.read_text(encoding="utf-8"), f"{page.name} does not hold {example.name} word for word"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run_as_programs(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path / ".paragrad"))
    run(example.read_text(encoding="utf-8").replace('if __name__ == "__main__":', "if True:"), f"example_{example.stem}", tmp_path)
    assert capsys.readouterr().out.strip(), "an example shows what it does"


def test_every_how_to_page_has_an_example() -> None:
    wanted = {f"add-{part}" for part in PARTS}
    assert {page.stem for page in (ROOT / "docs" / "howto").glob("add-*.md")} == wanted
    assert {example.stem.replace("_", "-") for example in EXAMPLES} == wanted
