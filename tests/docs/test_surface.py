"""The public surface is pinned, documented, and spoken of in the pages."""

from __future__ import annotations

import re

import pytest

from tests.docs import surface
from tests.docs.pages import pages

FIX = "if the change is meant: python tests/docs/surface.py --write, and a line in CHANGELOG.md"


def test_the_surface_is_the_pinned_one() -> None:
    pinned = surface.SURFACE.read_text(encoding="utf-8").split()
    found = surface.surface_text().split()
    gone, new = sorted(set(pinned) - set(found)), sorted(set(found) - set(pinned))
    assert not gone + new, f"gone: {gone}, new: {new}; {FIX}"
    assert pinned == found, f"docs/surface.txt is out of order; {FIX}"


def test_the_reference_lists_every_name() -> None:
    names = [line for line in surface.surface_text().splitlines(keepends=True) if not line.endswith("__version__\n")]
    assert surface.listed(surface.REFERENCE.read_text(encoding="utf-8")) == "".join(names), FIX


@pytest.mark.parametrize("package", surface.packages())
def test_every_public_name_has_a_docstring(package: str) -> None:
    bare = [name for name in surface.names_of(package) if not surface.documented(surface.find(package, name))]
    assert not bare, f"{package}: no docstring on {', '.join(bare)}"


def test_every_name_of_the_package_is_spoken_of_in_a_written_page() -> None:
    written = "\n".join(page.read_text(encoding="utf-8") for page in pages() if page != surface.REFERENCE)
    names = [name for name in surface.names_of("paragrad") if name != "__version__"]
    silent = [name for name in names if not re.search(rf"\bpg\.{name}\b|\bparagrad\.{name}\b|`@?{name}[`(]", written)]
    assert not silent, f"no page speaks of {', '.join(silent)}"
