"""Links of the documentation lead somewhere, and files it names are there."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.pages import DOCS, ROOT, blocks, pages

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
NAMED_FILE = re.compile(r"`((?:paragrad|tests|examples|docs|tools|benchmarks)/[\w./-]+\.\w+)(?::[\w.]+)?`")
WRITTEN_BY_TRAINING = {"embedded-model.md"}  # the model card: made together with the weights
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        text = text.replace(block.text, "", 1)
    return text


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as readers make them."""
    words = (re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower() for title in HEADING.findall(prose(page)))
    return {title.replace(" ", "-") for title in words}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_exist(page: Path) -> None:
    for groups in LINK.findall(prose(page)):
        target = next(filter(None, groups))
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page.name} links to {target}; the anchors there are {sorted(anchors(file))}"
        if DOCS in page.parents:
            assert DOCS in file.parents, f"{page.name} links to {target}, outside the documentation; name the file in `backticks`"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    for name in NAMED_FILE.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{page.name} names `{name}`, which is not there"


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = set(re.findall(r"[\w/.-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    there = {str(page.relative_to(DOCS)) for page in pages() if DOCS in page.parents}
    assert listed | WRITTEN_BY_TRAINING == there | WRITTEN_BY_TRAINING


def test_the_picture_is_a_drawing_of_a_graph() -> None:
    picture = ElementTree.parse(DOCS / "images" / "graph.svg").getroot()
    words = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"route.instruction", "summarise.instruction", "route.demos", "ticket", "instruction", "summary"} <= words


def test_the_readme_is_short() -> None:
    assert 60 <= len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 50


def test_the_command_line_page_lists_every_command() -> None:
    from paragrad.cli.app import COMMANDS

    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    silent = [name for name in COMMANDS if not re.search(rf"`(?:paragrad )?{name}\b", page)]
    assert not silent, f"docs/cli.md does not speak of {', '.join(silent)}"
