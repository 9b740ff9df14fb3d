"""The benchmark of a GPU, at tiny sizes: what it writes, and that it times nothing wrong."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from qaconv_ext._library import LIBRARY
from qaconv_ext.benchmark import __main__ as benchmark
from qaconv_ext.benchmark import cuda_clock, cuda_shares
from qaconv_ext.benchmark.targets import TARGETS
from qaconv_ext.qaconv import match_scores

pytestmark = [
    pytest.mark.skipif(not LIBRARY.loaded, reason=LIBRARY.reason),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture(autouse=True)
def _auto_backend():
    yield
    benchmark.backend.set_backend("auto")


def run_on_cuda(folder, monkeypatch, *more):
    arguments = ["--device", "cuda", "--quick", "--budget", "0", "--json", str(folder), *more]
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    assert benchmark.main() == 0
    (file,) = folder.glob("*/*.json")
    return file.name, json.loads(file.read_text())


def test_writes_results_of_cuda(tmp_path, monkeypatch):
    name, written = run_on_cuda(tmp_path, monkeypatch)
    assert name == "matcher.json"
    assert written["complete"]
    assert written["quick"]
    assert written["machine"]["gpu"] == torch.cuda.get_device_name()
    # What an emulator timed says so.
    emulated = "emulat" in torch.cuda.get_device_name().lower()
    assert written["machine"].get("emulated", False) is emulated
    cases_of = {result["case"].split()[0] for result in written["results"]}
    assert cases_of == {
        "qaconv_eval",
        "qaconv_eval_self",
        "qaconv_train_step",
        "score_gradients",
        "nearest_classes",
    }
    for result in written["results"]:
        assert result["share_of_peak"] > 0
        names = result["baselines"] | result["not_timed"]
        assert any("float32" in name for name in names)
        half = result["case"].endswith("float16")
        assert any("float16" in name for name in names) is half
        assert result["variant"]
    rates = [value for name, value in written["ceilings"].items() if name != "at_work"]
    assert len(rates) == 4
    assert all(rate["median"] > 0 for rate in rates)
    for figure in written["figures"]:
        # Measured, or the reason why not; by which variant, where that is known.
        assert figure["why_not"] or figure["value"]["median"] > 0, figure
        forward = figure["value"] and not figure["name"].startswith("its backward")
        assert bool(figure["variant"]) is bool(forward) or "direction" in figure["name"]
    not_measured = {verdict["what"] for verdict in written["targets"] if verdict["met"] is None}
    assert len(written["targets"]) == len(TARGETS)
    if emulated:
        assert all("compiled" in what for what in not_measured)
    else:
        assert not not_measured


def test_the_kernels_alone_have_a_file_of_their_own(tmp_path, monkeypatch):
    name, written = run_on_cuda(tmp_path, monkeypatch, "--only", "kernels")
    assert name == "kernels.json"
    assert written["complete"]
    assert written["figures"]
    assert written["results"] == []
    whats = [verdict["what"] for verdict in written["targets"]]
    assert any("match_scores" in what for what in whats)
    assert not any("PyTorch" in what for what in whats)


def test_a_wrong_kernel_is_named_and_not_timed(tmp_path, monkeypatch, capsys):
    def wrong(probe, gallery, weight):
        return match_scores(probe, gallery, weight) + 1

    monkeypatch.setattr(cuda_shares, "match_scores", wrong)
    with pytest.raises(SystemExit, match="what is wrong is not timed"):
        run_on_cuda(tmp_path, monkeypatch, "--only", "kernels")
    (file,) = tmp_path.glob("*/kernels.json")
    written = json.loads(file.read_text())
    assert not written["complete"]
    for figure in written["figures"]:
        assert figure["wrong"] is (
            figure["name"]
            in ("match_scores float16", "match_scores float32", "match_scores bfloat16")
        )
        assert not (figure["wrong"] and figure["value"])


def test_inputs_are_copied_until_they_are_twice_the_cache(monkeypatch):
    monkeypatch.setattr(cuda_clock, "_cache_bytes", lambda: 1000)
    a, b = torch.ones(100, device="cuda"), torch.zeros(25, device="cuda")  # 500 bytes
    inputs = cuda_clock.copies(a, b)
    assert len(inputs) == 4
    assert len({tensor.data_ptr() for pair in inputs for tensor in pair}) == 8
    assert all(torch.equal(first, a) and torch.equal(second, b) for first, second in inputs)
    assert len(cuda_clock.copies(torch.ones(600, device="cuda"))) == 1


def test_a_burst_takes_its_inputs_in_turn(monkeypatch):
    seen = []
    bursts = cuda_clock.Bursts(samples=3, least=0.0)
    spread = bursts(seen.append, [(0,), (1,), (2,)])
    assert spread.runs == 3
    assert seen == [n % 3 for n in range(len(seen))]
    assert len(seen) > 3
