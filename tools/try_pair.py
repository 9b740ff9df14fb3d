"""Tries the project with one Python and one torch, and writes down what came out.

``python tools/try_pair.py ENVIRONMENT/bin/python`` wants an environment that has torch, numpy,
pytest and hypothesis; where it also has scikit-learn and what the extra ``reid`` names, the
application is tried too. ``--built-with OTHER/bin/python`` compiles the kernels against the torch
of another environment of the same Python. The commit is tried, not the working tree: it is
exported, its wheel is built from there (kept in ``--wheels``, so that it is compiled once) and
installed without touching anything else; the doctor and the tests run on what was installed. The
result is a file of ``benchmarks/pairs``; ``benchmarks/render_pairs.py`` writes docs/release.md from
those.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "pairs"

#: What is tried of the library: every operator and its derivatives, compiled and not, the samplers,
#: the losses, the matcher.
LIBRARY = [
    "tests/qaconv_ext/test_operators.py",
    "tests/qaconv_ext/test_derivatives.py",
    "tests/qaconv_ext/test_correlation_max.py",
    "tests/qaconv_ext/test_match_scores.py",
    "tests/qaconv_ext/test_nearest_matches.py",
    "tests/qaconv_ext/test_narrow.py",
    "tests/qaconv_ext/test_arrays.py",
    "tests/qaconv_ext/test_arguments.py",
    "tests/qaconv_ext/test_backend.py",
    "tests/qaconv_ext/test_fold.py",
    "tests/qaconv_ext/test_qaconv.py",
    "tests/qaconv_ext/test_training.py",
    "tests/qaconv_ext/test_correspondence.py",
    "tests/qaconv_ext/test_factory.py",
    "tests/qaconv_ext/test_public_names.py",
    "tests/qaconv_ext/graph",
    "tests/qaconv_ext/losses",
]
#: And of the application, with no more than the extra ``reid``.
APPLICATION = [
    "tests/qaconv_reid/test_config.py",
    "tests/qaconv_reid/test_matcher.py",
    "tests/qaconv_reid/data/test_augmentation.py",
    "tests/qaconv_reid/data/test_images.py",
    "tests/qaconv_reid/data/test_loading.py",
    "tests/qaconv_reid/models/test_network.py",
    "tests/qaconv_reid/models/test_inference.py",
    "tests/qaconv_reid/evaluation/test_ranking.py",
    "tests/qaconv_reid/evaluation/test_rerank.py",
    "tests/qaconv_reid/training/test_checkpoint.py",
    "tests/qaconv_reid/training/test_trainer.py",
]
PARTS = ("doctor", "library", "application")
#: Asked of an environment; the last line that it prints is JSON.
FACTS = """
import importlib.util, json, platform, sys, sysconfig
import hypothesis, numpy, pytest, torch
wanted = ("torchvision", "PIL", "pydantic", "rich", "safetensors", "tomli_w", "sklearn")
print(json.dumps({
    "python": platform.python_version(),
    "torch": torch.__version__,
    "numpy": numpy.__version__,
    "platform": f"{platform.system()} {platform.machine()}",
    "application": all(importlib.util.find_spec(name) for name in wanted),
}))
"""


def main() -> int:
    """The exit code: 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", type=Path, help="of the environment to try")
    parser.add_argument("--built-with", type=Path, help="the environment to compile in instead")
    parser.add_argument("--only", choices=PARTS, help="one part; the others stay as they were")
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "pairs")
    parser.add_argument("--json", type=Path, default=RESULTS, help="the folder of the results")
    options = parser.parse_args()
    found = facts(options.python)
    built = facts(options.built_with) if options.built_with else found
    if minor(built["python"]) != minor(found["python"]):
        parser.error(
            f"--built-with: got Python {built['python']}, wanted {minor(found['python'])}, as of "
            "the environment to try"
        )
    with tempfile.TemporaryDirectory() as temporary:
        result = tried(options, found, built, Path(temporary))
    options.json.mkdir(parents=True, exist_ok=True)
    path = options.json / file_name(result)
    if options.only and path.exists():
        result = merged(json.loads(path.read_text()), result)
    path.with_suffix(".tmp").write_text(json.dumps(result, indent=1) + "\n")
    os.replace(path.with_suffix(".tmp"), path)
    print(f"{path}: {'passed' if passed(result) else 'FAILED'}")
    return int(not passed(result))


def facts(python: Path) -> dict[str, Any]:
    """The versions of an environment."""
    run = subprocess.run([python, "-c", FACTS], capture_output=True, text=True, cwd="/")
    if run.returncode:
        sys.exit(
            f"{python}: wanted an environment with torch, numpy, pytest and hypothesis, got\n"
            f"{run.stderr}"
        )
    return json.loads(run.stdout.splitlines()[-1])


def tried(
    options: argparse.Namespace, found: dict[str, Any], built: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """Build, install, run: the content of the file."""
    commit = git("rev-parse", "HEAD").decode().strip()
    source = folder / "source"
    source.mkdir()
    subprocess.run(["tar", "-x"], input=git("archive", "HEAD"), cwd=source, check=True)
    wheels = options.wheels / f"{commit[:10]}-python{minor(built['python'])}-torch{built['torch']}"
    compiled = not list(wheels.glob("*.whl"))
    if compiled:
        pip(options.built_with or options.python, "wheel", "--wheel-dir", str(wheels), str(source))
    (wheel,) = wheels.glob("*.whl")
    pip(options.python, "install", "--force-reinstall", str(wheel))
    possible = PARTS if found.pop("application") else PARTS[:-1]
    parts = []
    for name in [options.only] if options.only else possible:
        if name == "doctor":
            part = doctor(options.python, folder)
        else:
            paths = LIBRARY if name == "library" else APPLICATION
            part = tests(paths, options.python, source, folder)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        parts.append({"name": name, "commit": commit, "made": made, **part})
    return {**found, "built_against": built["torch"], "parts": parts}


def merged(former: dict[str, Any], latter: dict[str, Any]) -> dict[str, Any]:
    """The parts that were not tried again stay, if they ran on the same versions."""
    if {**former, "parts": []} != {**latter, "parts": []}:
        return latter
    parts = {part["name"]: part for part in (*former["parts"], *latter["parts"])}
    return {**latter, "parts": [parts[name] for name in PARTS if name in parts]}


def git(*words: str) -> bytes:
    """What it prints."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout


def pip(python: Path, command: str, *words: str) -> None:
    """For the CPU, and without dependencies: the environment stays as it is."""
    environment = {**os.environ, "QACONV_CUDA": "0"}
    run = [python, "-m", "pip", command, "--quiet", "--no-deps", *words]
    subprocess.run(run, env=environment, cwd="/", check=True)


def installed(folder: Path) -> dict[str, str]:
    """The environment variables of a run that sees what is installed, and compiles afresh."""
    # No folder of a checkout comes onto the path, in processes that a test starts neither.
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PYTHONSAFEPATH": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
    }


def doctor(python: Path, folder: Path) -> dict[str, Any]:
    """Whether the compiled kernels run and agree with the reference."""
    run = subprocess.run(
        [python, "-m", "qaconv_ext.doctor"],
        env=installed(folder),
        cwd="/",
        capture_output=True,
        text=True,
    )
    print(run.stdout + run.stderr)
    well = run.returncode == 0 and kernels_run(run.stdout)
    return {"passed": int(well), "failed": int(not well), "skipped": 0}


def kernels_run(table: str) -> bool:
    """Whether the doctor's table says that the compiled kernels answer on the CPU."""
    return re.search(r"^  cpu kernels +yes", table, re.M) is not None


def tests(paths: list[str], python: Path, source: Path, folder: Path) -> dict[str, Any]:
    """Run some tests of the exported commit."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    run = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *paths]
    start = time.monotonic()
    subprocess.run(run, env=installed(folder), cwd=source)
    return {**outcome(report.read_text()), "seconds": round(time.monotonic() - start)}


def outcome(report: str) -> dict[str, Any]:
    """Of a JUnit report: how many tests passed, failed, were skipped, and which failed."""
    cases = list(ET.fromstring(report).iter("testcase"))
    failures = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {
        "passed": len(cases) - len(failures) - skipped,
        "failed": len(failures),
        "skipped": skipped,
        "failures": failures,
    }


def passed(result: dict[str, Any]) -> bool:
    """Nothing failed, and no part ran nothing."""
    return all(part["passed"] and not part["failed"] for part in result["parts"])


def minor(version: str) -> str:
    """``3.12.1`` as ``3.12``."""
    return ".".join(version.split(".")[:2])


def file_name(result: dict[str, Any]) -> str:
    """One file for each pair and each torch compiled against: tried again, it is replaced."""
    built = result["built_against"]
    suffix = "" if built == result["torch"] else f"-built{built}"
    return f"python{minor(result['python'])}-torch{result['torch']}{suffix}.json"


if __name__ == "__main__":
    sys.exit(main())
