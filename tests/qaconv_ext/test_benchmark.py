"""The benchmark runs, proves before it times, and writes where its figures come from."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest
import torch

from qaconv_ext._library import LIBRARY
from qaconv_ext.benchmark import __main__ as benchmark
from qaconv_ext.benchmark.cases import BASELINES, cases
from qaconv_ext.benchmark.measure import Spread, peak_extra_bytes

pytestmark = pytest.mark.skipif(not LIBRARY.loaded, reason=LIBRARY.reason)


@pytest.fixture(autouse=True)
def _auto_backend():
    yield
    benchmark.backend.set_backend("auto")


def test_writes_results_with_their_provenance(tmp_path, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["benchmark", "--quick", "--budget", "0", "--json", str(tmp_path)]
    )
    assert benchmark.main() == 0
    (file,) = tmp_path.glob("*/matcher.json")
    written = json.loads(file.read_text())
    assert written["command"].startswith("python -m qaconv_ext.benchmark --quick")
    assert {"commit", "uncommitted_changes", "made", "machine"} <= written.keys()
    names = [result["case"] for result in written["results"]]
    assert names == [case.name for case in cases("cpu", quick=True)]
    for result in written["results"]:
        assert set(result["baselines"]) == set(BASELINES)
        for plain in result["baselines"].values():
            assert plain["largest_error"] <= benchmark.LARGEST_ERROR
            spread = plain["times_faster"]
            assert 0 < spread["minimum"] <= spread["median"] <= spread["maximum"]
            assert spread["runs"] >= 3


def test_does_not_time_what_is_wrong():
    case = next(cases("cpu", quick=True))
    wrong = dataclasses.replace(case, ours=lambda: [case.baselines["max"]()[0] + 1e-2])
    with pytest.raises(SystemExit, match="what is wrong is not timed"):
        benchmark.measure(wrong, "cpu", 0.0)
    nan = dataclasses.replace(case, ours=lambda: [case.baselines["max"]()[0] * torch.nan])
    with pytest.raises(SystemExit, match="not timed"):
        benchmark.measure(nan, "cpu", 0.0)


def test_peak_memory_sees_what_was_freed_again():
    def work():
        torch.ones(40 * 2**20, dtype=torch.uint8).add_(1)
        return []

    peak = peak_extra_bytes(work, "cpu")
    if peak is None:
        pytest.skip("this system does not tell the peak of resident memory")
    assert 38 * 2**20 <= peak <= 60 * 2**20


def test_spread():
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(1.0, 2.0, 3.0, 3)
