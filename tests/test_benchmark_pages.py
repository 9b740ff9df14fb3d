"""Figures in the documents are those of committed files, and only of files that may stand there."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
SPREAD = {"minimum": 1.0, "median": 2.0, "maximum": 3.0, "runs": 3}
PAGE = "".join(
    f"<!-- rendered {k}: begin -->\n<!-- rendered {k}: end -->\n" for k in ("cpu", "gpu")
)
DATA = {
    "command": "python -m qaconv_ext.benchmark",
    "commit": "0123456789abcdef",
    "uncommitted_changes": False,
    "made": "2026-01-01",
    "complete": True,
    "quick": False,
    "machine": {"processor": "a processor"},
    "results": [
        {
            "case": "qaconv_eval",
            "shape": "P=2 G=2",
            "seconds": SPREAD,
            "gflops": 1.0,
            "share_of_peak": 0.5,
            "peak_extra_bytes": 2**20,
            "not_timed": {"a package": "not installed"},
            "baselines": {
                "max": {
                    "seconds": {**SPREAD, "median": 8.0},
                    "times_faster": {**SPREAD, "median": 4.0},
                    "at_most": 6.0,
                    "peak_extra_bytes": None,
                },
                "amax": {
                    "seconds": SPREAD,
                    "times_faster": SPREAD,
                    "at_most": None,
                    "peak_extra_bytes": None,
                },
            },
        }
    ],
    "ratios": [],
}


@pytest.fixture(scope="module")
def render():
    return load_script(ROOT / "benchmarks" / "render.py")


def page(render, folder, data):
    (folder / "machine").mkdir()
    (folder / "machine" / "matcher.json").write_text(json.dumps(data))
    return render.rendered(PAGE, folder)


def test_pages_are_rendered_from_the_results():
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "render.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_processor_stands_in_its_block(render, tmp_path):
    text = page(render, tmp_path, DATA)
    cpu, gpu = text.split("<!-- rendered gpu: begin -->")
    assert "| `qaconv_eval` | P=2 G=2 | ours | 2000 | 1 | 50 % | 1.0 | | |" in cpu
    assert "| | | max | 8000 | | | – | 4.0 (1.0 – 3.0) | 6.0 |" in cpu
    assert "| | | amax | 2000 | | | – | **2.0** (1.0 – 3.0) | – |" in cpu  # the fastest is bold
    assert "| | | a package | | | | | not timed: not installed | |" in cpu
    assert "No GPU has been measured" in gpu


def test_a_gpu_stands_in_its_block(render, tmp_path):
    data = copy.deepcopy(DATA)
    data["machine"]["gpu"] = "a GPU"
    cpu, gpu = page(render, tmp_path, data).split("<!-- rendered gpu: begin -->")
    assert "### a GPU" in gpu
    assert "No processor has been measured" in cpu
    assert "No GPU" not in gpu


def target(measured, met, **more):
    entry = {"what": "scores", "wanted": 0.85, "unit": "share", "at_most": False}
    return {**entry, "measured": measured, "met": met, "remark": "a remark", **more}


def figure(**more):
    common = {"name": "match_scores", "shape": "2 × 2", "unit": "share", "variant": "hopper"}
    return {**common, "value": SPREAD, "seconds": SPREAD, "tflops": 5.0, "why_not": None, **more}


def test_a_gpu_has_ceilings_kernels_and_figures_to_reach(render, tmp_path):
    data = copy.deepcopy(DATA)
    data["machine"]["gpu"] = "a GPU"
    data["results"][0]["variant"] = "hopper"
    rate = {"minimum": 1e12, "median": 2e12, "maximum": 3e12, "runs": 3}
    products = ("float16_product_flops", "float16_product_flops_at_end", "float32_product_flops")
    kinds = (*products, "copied_bytes_per_second")
    data["ceilings"] = {kind: rate for kind in kinds} | {"at_work": {"sm_clock": "1755 MHz"}}
    data["targets"] = [
        target({**SPREAD, "minimum": 0.7, "median": 0.8, "maximum": 0.9}, False),
        target(SPREAD, True, unit="s", at_most=True, wanted=2.0),
        target(None, None, unit="times", wanted=10),
    ]
    nothing = {"value": None, "seconds": None, "tflops": None, "variant": None}
    data["figures"] = [figure(), figure(**nothing, why_not="no memory")]
    text = page(render, tmp_path, data)
    assert "| float16 matrix product | 2 TFLOP/s | 3 TFLOP/s |" in text
    assert "| copy, read and written | 2000 GB/s | 3000 GB/s |" in text
    assert "During the float16 product: sm_clock 1755 MHz." in text
    assert "| scores | ≥ 85 % | **80 %** (70 – 90) | **no** | a remark |" in text
    assert "| scores | ≤ 2 s | **2 s** (1 – 3) | yes | a remark |" in text
    assert "| scores | ≥ 10 × | – | not measured | a remark |" in text
    assert "| match_scores | 2 × 2 | hopper | 2000 | 5 | **200 %** (100 – 300) |" in text
    assert "| match_scores | 2 × 2 | | | | not taken: no memory |" in text
    assert "| `qaconv_eval` | P=2 G=2 | ours (hopper) | 2000 |" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"machine": {"processor": "p", "gpu": "g", "emulated": True}}, "under an emulator"),
        ({"quick": True}, "--quick"),
        ({"complete": False}, "did not come to its end"),
        ({"uncommitted_changes": True}, "uncommitted changes"),
        ({"commit": None}, "uncommitted changes"),
    ],
)
def test_what_may_not_stand_is_refused(render, tmp_path, change, message):
    with pytest.raises(SystemExit, match=message):
        page(render, tmp_path, {**DATA, **change})


README = "<!-- speed: begin -->\n<!-- speed: end -->\n"


def front(render, folder, change=lambda result: None):
    """The README's block, of the committed files with each result changed."""
    speed_table = sys.modules["speed_table"]
    for name in speed_table.ROWS:
        data = json.loads((render.RESULTS / name).read_text())
        for result in data["results"]:
            change(result)
        (folder / name).parent.mkdir()
        (folder / name).write_text(json.dumps(data))
    return render.front(README, folder)


def test_the_front_page_names_the_fastest_of_each_kind(render, tmp_path):
    def change(result):
        result["seconds"]["median"] = 0.5
        result["peak_extra_bytes"] = 2**20
        entry = {"times_faster": SPREAD, "peak_extra_bytes": 3 * 2**20}
        result["baselines"] = {
            "slow, float16": {**entry, "seconds": {"median": 9.0}, "kind": "eager"},
            "fast": {
                **entry,
                "seconds": {"median": 3.0},
                "times_faster": {"median": 6.0},
                "kind": "compiled",
            },
            "a-package 1.2, two calls": {**entry, "seconds": {"median": 1.0}, "kind": "package"},
        }

    text = front(render, tmp_path, change)
    assert (
        text.count("| **6.0 ×** (3,000) | **2.0 ×** (1,000, a-package) | 1 | 3 | 3 |") == 3
    )  # the CPU's
    # The H100's.
    assert text.count("| 500 | **6.0 ×** (3,000, in float32) | **2.0 ×** (1,000, a-package) |") == 5
    assert "commit `" in text


def test_the_front_page_says_which_case_it_lacks(render, tmp_path):
    def change(result):
        result["shape"] = "another"

    with pytest.raises(SystemExit, match=r"matcher.json: got no case qaconv_eval of P=64 G=64"):
        front(render, tmp_path, change)
