"""docs/search.md: its lines run, its commands and its limits are those of the program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qaconv_reid import cli
from qaconv_reid.calibration import _ENOUGH
from qaconv_reid.gallery import EXACT_ROWS
from qaconv_reid.recipes.answers import _PART
from qaconv_reid.recipes.probe import ADVICE
from support.images import write_market
from support.scripts import load_script
from support.trained import write_run

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
SCRIPT = ROOT / "benchmarks" / "render_search.py"


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
    assert len(lines) == 7
    for line in lines:
        words = [quoted or word for quoted, word in re.findall(r'"(.*?)"|(\S+)', line)]
        assert words[0] == "qaconv"
        assert cli.main(words[1:]) == 0, capsys.readouterr().err


def test_its_limits_are_the_programs():
    assert f"Up to {EXACT_ROWS:,} rows" in PAGE
    assert f"parts of {_PART}" in PAGE
    identities, pairs = _ENOUGH
    prose = " ".join(PAGE.split())
    assert (
        f"at least {identities} identities and there are {pairs:,} pairs of different ones" in prose
    )


def test_the_page_is_rendered_from_the_results():
    run = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_advice_of_a_probe_has_the_limits_of_the_table():
    limits = tuple(least for least, _ in ADVICE)
    assert limits == load_script(SCRIPT)._STEPS


def test_rank_correlation_is_spearmans():
    stats = pytest.importorskip("scipy.stats")
    some, others = [1.0, 5.0, 5.0, 2.0, 9.0, 0.0], [0.3, 0.1, 0.7, 0.3, 0.8, 0.2]
    wanted = stats.spearmanr(some, others).statistic
    assert load_script(SCRIPT).rank_correlation(some, others) == pytest.approx(wanted)


def test_the_benchmark_of_a_large_gallery_runs(monkeypatch, tmp_path):
    pytest.importorskip("lancedb")
    script = ROOT / "benchmarks" / "search_scale.py"
    file = tmp_path / "scale.json"
    argv = [str(script), "--rows", "2100", "--searches", "2", "--json", str(file)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, *argv], check=True, env=environment, capture_output=True)
    lines = load_script(SCRIPT).scale(json.loads(file.read_text()))
    assert "2,100 random maps of 128 channels, 24×8 locations; 1,000 of them are scored." in lines
