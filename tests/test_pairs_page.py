"""What the project promises of Pythons and torches is what was tried, and stands on its page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "render_pairs.py"
render_pairs = load_script(SCRIPT)
try_pair = load_script(ROOT / "tools" / "try_pair.py")


def result(python, torch, failed=0, built=None):
    made = "2026-11-28T01:00:00+00:00"
    doctor = {"name": "doctor", "made": made, "passed": 1, "failed": 0, "skipped": 0}
    counts = {"passed": 8 - failed, "failed": failed, "skipped": 2}
    return {
        "python": python,
        "torch": torch,
        "built_against": built or torch,
        "parts": [
            doctor,
            {
                "name": "library",
                "commit": "0123456789ab",
                "made": made,
                **counts,
                "failures": ["tests.a::b"] * failed,
            },
        ],
    }


def test_the_page_is_rendered_from_the_results():
    run = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_classifiers_name_the_pythons_that_were_tried():
    prefix = "Programming Language :: Python :: 3."
    named = [c for c in render_pairs.PROJECT["project"]["classifiers"] if c.startswith(prefix)]
    tried = render_pairs.tried(render_pairs.results())
    assert named == [f"{prefix}{python.removeprefix('3.')}" for python in tried]


def test_what_is_tried_exists():
    for path in (*try_pair.LIBRARY, *try_pair.APPLICATION):
        assert (ROOT / path).exists(), path


def test_the_page_has_a_column_for_every_part_that_is_tried():
    assert render_pairs.PARTS == try_pair.PARTS


def test_a_row_says_what_ran_and_what_did_not():
    _, _, first, second = render_pairs.table(
        [result("3.12.1", "2.10.0"), result("3.12.1", "2.15.0", failed=1, built="2.10.0")]
    )
    assert first == (
        "| 3.12.1 | 2.10.0 | the same | passed | 8 passed, 2 skipped | not run | 2026-11-28 |"
    )
    assert second == (
        "| 3.12.1 | 2.15.0 | 2.10.0 | passed | **1 failed**, 7 passed, 2 skipped | not run "
        "| 2026-11-28 |"
    )


def test_what_failed_is_named():
    found = [result("3.12.1", "2.10.0"), result("3.12.1", "2.15.0", failed=1)]
    line = "* Python 3.12.1, torch 2.15.0, commit `0123456789`: `tests.a::b`"
    assert render_pairs.failures(found) == [line]
    assert render_pairs.tried(found) == ["3.12"]


def test_promised_pairs_that_were_not_tried_are_named(monkeypatch):
    project = {
        "project": {"dependencies": ["torch>=2.10", "numpy"]},
        "tool": {"cibuildwheel": {"build": ["cp39-*", "cp312-*"]}},
    }
    monkeypatch.setattr(render_pairs, "PROJECT", project)
    found = [result("3.12.1", "2.9.1"), result("3.12.1", "2.15.0+cpu")]
    assert render_pairs.missing(found) == ["3.9 with 2.10", "3.9 with 2.15", "3.12 with 2.10"]


def test_counts_come_from_the_report_of_the_tests():
    report = """<testsuites><testsuite>
    <testcase classname="tests.a" name="good"/>
    <testcase classname="tests.a" name="bad"><failure message="m">text</failure></testcase>
    <testcase classname="tests.b" name="broken"><error message="m">text</error></testcase>
    <testcase classname="tests.b" name="left"><skipped message="m">text</skipped></testcase>
    </testsuite></testsuites>"""
    assert try_pair.outcome(report) == {
        "passed": 1,
        "failed": 2,
        "skipped": 1,
        "failures": ["tests.a::bad", "tests.b::broken"],
    }


@pytest.mark.parametrize(
    ("parts", "well"),
    [
        ([{"passed": 3, "failed": 0}], True),
        ([{"passed": 3, "failed": 1}], False),
        ([{"passed": 3, "failed": 0}, {"passed": 0, "failed": 0}], False),
    ],
)
def test_a_part_that_ran_nothing_did_not_pass(parts, well):
    assert try_pair.passed({"parts": parts}) is well


def test_the_doctor_fails_where_the_kernels_do_not_run(capsys):
    from qaconv_ext import doctor
    from qaconv_ext._library import LIBRARY

    doctor.main()
    assert try_pair.kernels_run(capsys.readouterr().out) == LIBRARY.loaded
    assert not try_pair.kernels_run("  cpu kernels        no: they were not compiled\n")


def test_one_part_tried_again_leaves_the_others():
    former = result("3.12.1", "2.15.0", failed=1)
    latter = result("3.12.1", "2.15.0")
    latter["parts"] = latter["parts"][1:]
    assert try_pair.merged(former, latter) == result("3.12.1", "2.15.0")
    other = {**latter, "python": "3.12.2"}
    assert try_pair.merged(former, other) == other


def test_trials_have_files_of_their_own():
    names = [
        try_pair.file_name(result("3.12.1", "2.15.0")),
        try_pair.file_name(result("3.12.1", "2.15.0", built="2.10.0")),
    ]
    assert names == ["python3.12-torch2.15.0.json", "python3.12-torch2.15.0-built2.10.0.json"]
