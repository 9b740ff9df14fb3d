"""docs/search.md: its lines run, its commands and its limits are those of the program."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from qaconv_reid import cli
from qaconv_reid.gallery import EXACT_ROWS
from support.images import write_market
from support.trained import write_run

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "search.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_market(tmp_path / "market", 0, 4)
    shutil.copytree("market/bounding_box_test", "photos")
    shutil.copy(next(Path("market/query").iterdir()), "query.jpg")
    write_run(tmp_path / "runs" / "people")


def test_its_lines_run(home, capsys):
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, names)
    out = capsys.readouterr().out
    assert out.startswith("torch.Size([1, 12]) False\nAdded(added=12, present=0)\n")
    assert Path("runs/people/calibration.json").is_file()


def test_its_commands_run(home, capsys):
    pytest.importorskip("lancedb")
    lines = [line.split("  #")[0] for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 5
    for line in lines:
        words = [quoted or word for quoted, word in re.findall(r'"(.*?)"|(\S+)', line)]
        assert words[0] == "qaconv"
        assert cli.main(words[1:]) == 0, capsys.readouterr().err


def test_its_limit_is_the_programs():
    assert f"Up to {EXACT_ROWS:,} rows" in PAGE
