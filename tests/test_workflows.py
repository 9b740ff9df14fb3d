"""The workflows use actions by commit, and run what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
#: A tag can be moved to other code; a commit cannot. The comment says which release it is.
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path):
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_one_action_is_of_one_release():
    used = set(re.findall(r"uses: (.*)", "".join(path.read_text() for path in WORKFLOWS)))
    assert len(used) == len({action.partition("@")[0] for action in used})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_they_make_exists(path):
    makefile = (ROOT / "Makefile").read_text()
    for words in re.findall(r"run: make (.*)", path.read_text()):
        for target in (word for word in words.split() if "=" not in word):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
