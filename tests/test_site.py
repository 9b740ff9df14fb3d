"""The site of the documentation names everything that is public."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import qaconv_ext

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = "\n".join(page.read_text() for page in sorted((DOCS / "api").glob("*.md")))
MODULES = re.findall(r"^\.\. automodule:: (\S+)$", PAGES, re.MULTILINE)


def test_every_name_of_the_library_is_on_a_page():
    named = {
        name
        for module in MODULES
        if module.startswith("qaconv_ext")
        for name in importlib.import_module(module).__all__
    }
    assert set(qaconv_ext.__all__) - {"__version__"} <= named


@pytest.mark.parametrize("module", MODULES)
def test_a_module_on_a_page_says_what_is_public(module):
    found = importlib.import_module(module)
    assert found.__doc__
    assert found.__all__


def test_every_page_is_in_a_table_of_contents():
    lists = [page.read_text() for page in (DOCS / "index.md", DOCS / "api" / "index.md")]
    entries = {line.strip() for text in lists for line in text.splitlines()}
    for page in [*DOCS.glob("*.md"), *(DOCS / "api").glob("*.md")]:
        name = "api/index" if page == DOCS / "api" / "index.md" else page.stem
        assert page == DOCS / "index.md" or name in entries, page
