"""Paths below somebody's home, and below nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qaconv_reid import cli
from qaconv_reid.build import find_hardware
from qaconv_reid.config import ConfigError, RuntimeConfig
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


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (
            ("evaluate", ""),
            "settings: got an empty text, wanted a file, a run or a preset",
        ),
        (("study", "."), ".: cannot be read as a study: Is a directory"),
    ],
)
def test_what_is_no_file_gets_a_sentence(argv, wanted, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(list(argv)) == 2
    assert capsys.readouterr().err == f"qaconv: error: {wanted}\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(ConfigError) as caught:
        find_hardware(RuntimeConfig(device="cuda:7"))
    assert str(caught.value) == (
        "runtime.device: got 'cuda:7', wanted one of this machine: torch finds no GPU here"
    )
