"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def modules_with_examples() -> list[str]:
    return [
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for root, package in ((ROOT, "qaconv_ext"), (ROOT / "python", "qaconv_reid"))
        for file in sorted((root / package).rglob("*.py"))
        if ">>> " in file.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_of_a_module(name):
    # All that is printed of a failure is captured, and shown with the test that failed.
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0, "the examples are in no docstring"
    assert found.failed == 0
