"""Paths below somebody's home, and below nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from qaconv_reid import cli
from qaconv_reid.files import expanded

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "~no-such-user-at-all/x"


def test_a_home_is_expanded_and_nobodys_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/a") == tmp_path / "a"
    assert expanded(NOBODY) == Path(NOBODY)


def test_there_is_one_way_to_expand_a_path():
    """`Path.expanduser` raises RuntimeError, which no command expects."""
    for file in (ROOT / "python").rglob("*.py"):
        assert ".expanduser()" not in file.read_text(), file


@pytest.mark.parametrize(
    "argv",
    [
        ("train", "tiny", f"data.train={NOBODY}"),
        ("data", "check", NOBODY),
        ("evaluate", NOBODY),
        ("data", "probe", NOBODY, "--run", NOBODY),
        ("calibrate", NOBODY, "--data", NOBODY),
        ("gallery", "info", f"{NOBODY}.safetensors"),
        ("search", NOBODY, f"{NOBODY}.safetensors", NOBODY),
    ],
)
def test_nobodys_home_gets_a_sentence(argv, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(list(argv)) == 2
    assert NOBODY in capsys.readouterr().err
