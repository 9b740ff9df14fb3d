"""What is brought to a machine without a network: wheels, and which commit the tree is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

PACKED = Path(".gpu")
#: Where a run builds; what it found is elsewhere, small enough to carry away.
WORK = Path("build/gpu-work")
WHEELS = PACKED / "wheels"
#: Read by qaconv_ext/benchmark/provenance.py.
COMMIT_FILE = PACKED / "commit.json"

#: Of the interpreter and the system that the wheels are for.
_PYTHON = "3.12"
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_PYDANTIC = "pydantic==2.14.3"
#: To build with; what the application needs beside torch; the peers of the benchmark.
_PACKAGES = (
    "setuptools>=77,<82",
    "wheel",
    "pybind11>=3",
    "ninja",
    "annotated-types",
    "typing-inspection",
    "typing-extensions",
    "tomli-w",
    "flash-maxsim==0.3.0",
    "late-interaction-kernels==0.4.5",
)


def main(root: Path) -> int:
    """Fill the folder; 0 where it is whole."""
    if _git(root, "status", "--porcelain", "--untracked-files=no"):
        sys.exit("the tree has changes: commit first, for figures of it could not be shown")
    wheels = root / WHEELS
    wheels.mkdir(parents=True, exist_ok=True)
    for old in wheels.glob("*.whl"):
        old.unlink()
    _download(wheels, [_PYDANTIC])
    _download(wheels, [_core_of(wheels), *_PACKAGES, *_weights(root)])
    blobs = {}
    for line in _git(root, "ls-tree", "-r", "HEAD").splitlines():
        facts, path = line.split("\t")
        mode, kind, blob = facts.split()
        if kind == "blob" and mode != "120000":
            blobs[path] = blob
    commit = _git(root, "rev-parse", "HEAD")
    (root / COMMIT_FILE).write_text(json.dumps({"commit": commit, "files": blobs}, indent=0))
    found = list(wheels.iterdir())
    size = sum(file.stat().st_size for file in found) / 2**20
    print(f"{root / PACKED}: commit {commit[:10]}, {len(found)} wheels, {size:.0f} MiB")
    return 0


def _weights(root: Path) -> list[str]:
    """The package of weights, which pyproject.toml names."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return list(project["optional-dependencies"]["weights"])


def _git(root: Path, *arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"git {' '.join(arguments)}: {run.stderr.strip()}")
    return run.stdout.strip()


def _download(target: Path, packages: list[str]) -> None:
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "-q", "--no-deps"),
            *("--only-binary=:all:", "--python-version", _PYTHON, "--implementation", "cp"),
            *platforms,
            *("-d", str(target)),
            *packages,
        ],
        check=True,
    )


def _core_of(wheels: Path) -> str:
    """The compiled half of pydantic, of exactly the version it wants."""
    (wheel,) = wheels.glob("pydantic-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    found = re.search(r"^Requires-Dist: (pydantic-core==[\w.]+)", text, re.MULTILINE)
    if found is None:
        sys.exit(f"{wheel.name}: names no pydantic-core")
    return found[1]
