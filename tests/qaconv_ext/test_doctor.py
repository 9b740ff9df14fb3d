"""The doctor's table, its verdict and its reasons."""

from __future__ import annotations

import pytest
import torch

from qaconv_ext import backend, doctor
from qaconv_ext._library import LIBRARY, Library


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(doctor, "_BUDGET", 0.0)


def test_healthy(capsys):
    assert doctor.main() == 0
    printed = capsys.readouterr().out
    for wanted in ("qaconv-ext", torch.__version__, "cpu kernels", "cuda kernels", "GFLOP/s"):
        assert wanted in printed
    assert printed.count("agrees") == 1 + LIBRARY.loaded + (not doctor._why_no_cuda())


def test_says_why_nothing_was_compiled(capsys, monkeypatch):
    for module in (backend, doctor):
        monkeypatch.setattr(module, "LIBRARY", Library(False, "_C.so is missing"))
    assert doctor.main() == 0
    printed = capsys.readouterr().out
    assert "none: _C.so is missing" in printed
    assert "no: they were not compiled; reinstall with a C++ compiler" in printed


def test_says_that_a_debug_build_is_slow(monkeypatch):
    monkeypatch.setattr(doctor, "LIBRARY", Library(True, "", debug="yes"))
    assert "a debug build, without optimization: slow" in dict(doctor._compiled())["C++"]


def test_a_wrong_result_is_an_error(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "_TOLERANCE", 0.0)
    assert doctor.main() == 1
    assert "WRONG" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("capability", "runs"),
    [
        ((8, 0), True),
        ((8, 7), True),
        ((9, 0), True),
        ((9, 1), False),
        ((13, 0), True),
        ((7, 0), False),
        ((11, 0), False),
    ],
)
def test_architectures(capability, runs, monkeypatch):
    monkeypatch.setattr(
        doctor,
        "LIBRARY",
        Library(True, "", cuda="13.0", cuda_architectures="7.5 8.0 8.6 9.0a 12.0"),
    )
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert (doctor._why_no_cuda() == "") is runs
