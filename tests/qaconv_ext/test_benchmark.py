"""The benchmark runs, proves before it times, and writes where its figures come from."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import json
import sys
import types

import pytest
import torch

from qaconv_ext._library import LIBRARY
from qaconv_ext.benchmark import __main__ as benchmark
from qaconv_ext.benchmark.case import LARGEST_ERROR, Baseline, Meter, measure, prove
from qaconv_ext.benchmark.cases import BASELINES, cases, nearest_classes, unit_maps
from qaconv_ext.benchmark.measure import Spread, peak_extra_bytes, wall_clock
from qaconv_ext.benchmark.peers import both_directions_on_cuda
from qaconv_ext.qaconv import match_scores

pytestmark = pytest.mark.skipif(not LIBRARY.loaded, reason=LIBRARY.reason)
METER = Meter("cpu", wall_clock, None)


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
    assert written["command"] == "python -m qaconv_ext.benchmark --quick --budget 0 --json FOLDER"
    assert {"commit", "uncommitted_changes", "made", "machine"} <= written.keys()
    names = [result["case"] for result in written["results"]]
    assert names == [case.name for case in cases(quick=True)]
    for result in written["results"]:
        for other in result["baselines"].values():
            assert other["largest_error"] <= LARGEST_ERROR
            spread = other["times_faster"]
            assert 0 < spread["minimum"] <= spread["median"] <= spread["maximum"]
            assert spread["runs"] >= 3
            assert other["at_most"] > 0
    by_name = {result["case"]: result for result in written["results"]}
    assert set(by_name["qaconv_train_step"]["baselines"]) == set(BASELINES)
    # Measured, or the reason why not: nothing is left out in silence.
    for case, other in (("qaconv_eval", "amax, compiled"), ("one_direction", "maxsim-cpu")):
        first = next(result for result in written["results"] if result["case"] == case)
        assert any(name.startswith(other) for name in (first["baselines"] | first["not_timed"]))


def test_parts_are_those_of_cuda(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmark", "--only", "kernels"])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "--only: got kernels on cpu, wanted --device cuda" in capsys.readouterr().err


def test_cuda_wants_a_device(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["benchmark", "--device", "cuda"])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "--device: got cuda, wanted a CUDA device" in capsys.readouterr().err


def first_case():
    return next(cases(quick=True))


def test_does_not_time_what_is_wrong():
    case = first_case()
    truth = case.baselines["max"].run
    wrong = dataclasses.replace(case, ours=lambda: [truth()[0] + 1e-2])
    with pytest.raises(SystemExit, match="what is wrong is not timed"):
        measure(wrong, METER, 0.0)
    nan = dataclasses.replace(case, ours=lambda: [truth()[0] * torch.nan])
    with pytest.raises(SystemExit, match="not timed"):
        measure(nan, METER, 0.0)


def test_does_not_time_another_that_is_wrong_or_fails():
    case = first_case()
    truth = case.baselines["max"]

    def fails():
        raise RuntimeError("no compiler\nand many lines more")

    others = {
        "max": truth,
        "wrong": Baseline(lambda: [truth.run()[0] * 1.01]),
        "rough": Baseline(lambda: [truth.run()[0] * 1.01], 0.1),
        "nan": Baseline(lambda: [truth.run()[0] * torch.nan]),
        "fails": Baseline(fails),
    }
    case = dataclasses.replace(case, baselines=others, not_timed={"absent": "not installed"})
    result = measure(case, METER, 0.0)
    assert set(result["baselines"]) == {"max", "rough"}
    reasons = result["not_timed"]
    assert reasons["absent"] == "not installed"
    assert reasons["fails"] == "RuntimeError: no compiler"
    assert all("differs from the reference" in reasons[name] for name in ("wrong", "nan"))


def test_a_bound_is_the_time_of_the_other_over_that_of_the_multiplications():
    case = first_case()
    peak = 1e9
    result = measure(case, dataclasses.replace(METER, peak=lambda: peak), 0.0)
    least = case.least_operations / peak
    for other in result["baselines"].values():
        assert other["at_most"] == pytest.approx(other["seconds"]["median"] / least)
    assert measure(case, METER, 0.0)["baselines"]["max"]["at_most"] is None


def test_nearest_classes_are_proven_by_their_scores():
    case = nearest_classes(7, 2, 3)
    (truth,) = (baseline.run() for baseline in case.baselines.values())
    scores, index = case.ours()
    assert case.error([scores, index], truth) <= LARGEST_ERROR
    assert case.error([scores, index.flip(1)], truth) > LARGEST_ERROR
    assert case.error([scores + 0.1, index], truth) > LARGEST_ERROR


def test_gradients_may_be_held_to_their_norm():
    scores, gradient = torch.ones(3), torch.randn(1000, generator=torch.Generator().manual_seed(0))
    other = gradient.clone()
    other[0] += gradient.abs().max()
    case = dataclasses.replace(
        first_case(),
        ours=lambda: [scores, other],
        baselines={"max": Baseline(lambda: [scores, gradient], gradient_error=0.2)},
        gradients=1,
    )
    _, errors = prove(case)
    assert errors.values == 0
    assert 0.05 < errors.gradients < 0.2
    strict = {"max": Baseline(lambda: [scores, gradient], gradient_error=0.05)}
    with pytest.raises(SystemExit, match="of the norm of a gradient"):
        prove(dataclasses.replace(case, baselines=strict))
    alike = {"max": Baseline(lambda: [scores, gradient])}
    with pytest.raises(SystemExit, match="of the largest value"):
        prove(dataclasses.replace(case, baselines=alike))


def test_no_other_way_begins_when_the_time_is_up():
    result = measure(first_case(), dataclasses.replace(METER, end=0.0), 0.0)
    assert set(result["baselines"]) == {"max"}
    assert set(result["not_timed"].values()) == {"the time was up"}


def test_packages_of_one_direction_are_called_twice(monkeypatch):
    def one_direction(queries, documents, **_):
        return torch.einsum("qsc,drc->qdsr", queries, documents).amax(3).sum(2)

    for module, names in (
        ("flash_maxsim", ("flash_maxsim_batched", "flash_maxsim_batched_train")),
        ("late_interaction_kernels", ("maxsim",)),
    ):
        fake = types.ModuleType(module)
        fake.__spec__ = importlib.machinery.ModuleSpec(module, None)
        for name in names:
            setattr(fake, name, one_direction)
        monkeypatch.setitem(sys.modules, module, fake)
    maps = [unit_maps(count, "cpu", 0).flatten(2)[:, :, :20] for count in (2, 3)]
    wanted = match_scores(*maps, torch.ones(20))
    for train in (False, True):
        packages, missing = both_directions_on_cuda(train=train)
        assert len(packages) == 2
        assert not missing
        for both in packages.values():
            got = both(*(m.transpose(1, 2).contiguous() for m in maps))
            torch.testing.assert_close(got, wanted)


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
