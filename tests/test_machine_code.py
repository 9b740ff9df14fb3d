"""The table of what ptxas made of the CUDA kernels: complete, without spills, lean, rendered.

That it is of this code the gate checks, by compiling again: ``benchmarks/machine_code.py --check``.
"""

from __future__ import annotations

import json
from pathlib import Path

from support.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
machine_code = load_script(ROOT / "benchmarks" / "machine_code.py")
DATA = json.loads(machine_code.RESULTS.read_text())


def test_every_kernel_is_there_for_every_architecture():
    architectures = machine_code.read_list("csrc/cuda_architectures.txt")
    of_kernel = {}
    for kernel in DATA["kernels"]:
        of_kernel.setdefault((kernel["source"], kernel["kernel"]), []).append(
            kernel["architecture"]
        )
    assert of_kernel
    assert all(found == architectures for found in of_kernel.values())
    with_kernels = {p for p in machine_code.sources() if "_kernel<" in (ROOT / p).read_text()}
    assert {source for source, _ in of_kernel} == with_kernels


def test_no_kernel_spills():
    assert [k for k in DATA["kernels"] if k["spill_bytes"] > 0] == []


def test_the_main_loops_are_lean():
    """Few enough other instructions for each ``mma`` that the model's share is what is claimed."""
    loops = {
        k["kernel"]: k["main_loop"]
        for k in DATA["kernels"]
        if k["architecture"] == "8.0" and k["kernel"].startswith("resident_kernel<Half, 8")
    }
    registers = {k["kernel"]: k["registers"] for k in DATA["kernels"] if k["architecture"] == "8.0"}
    scores = "resident_kernel<Half, 8, Scores<float>>"
    planes = "resident_kernel<Half, 8, Planes<float>>"
    assert set(loops) == {scores, planes}
    assert machine_code.shares(loops[scores], registers[scores])[1] >= 0.65
    assert machine_code.shares(loops[planes], registers[planes])[0] >= 0.65


def test_the_page_is_rendered_from_the_table():
    page = machine_code.PAGE.read_text()
    assert machine_code.page_with(machine_code.rendered(DATA)) == page
