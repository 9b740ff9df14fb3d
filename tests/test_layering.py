"""Dependencies: who may use whom. docs/design.md draws them; this test holds them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# module -> the modules it may use, beside itself: what stands directly in a package.
PYTHON_DEPENDENCIES = {
    "qaconv_ext": set(),  # the package itself: no torch, nothing of ours
    "qaconv_ext.reference": set(),
    "qaconv_ext._registration": {"qaconv_ext.reference"},
    "qaconv_ext._library": {"qaconv_ext._registration"},
    "qaconv_ext._checks": set(),
    "qaconv_ext._arguments": {"qaconv_ext._checks"},
    "qaconv_ext._fold": set(),
    "qaconv_ext._nearest": set(),
    "qaconv_ext._share": {"qaconv_ext._checks"},
    "qaconv_ext._batch_norm": set(),
    "qaconv_ext.arrays": {"qaconv_ext._checks", "qaconv_ext._nearest", "qaconv_ext._core"},
    "qaconv_ext._core": set(),  # compiled
    "qaconv_ext.backend": {
        "qaconv_ext.reference",
        "qaconv_ext._library",
        "qaconv_ext._checks",
    },
    "qaconv_ext.functional": {
        "qaconv_ext.backend",
        "qaconv_ext.reference",
        "qaconv_ext._arguments",
        "qaconv_ext._checks",
        "qaconv_ext._nearest",
    },
    "qaconv_ext.qaconv": {
        "qaconv_ext.functional",
        "qaconv_ext.reference",
        "qaconv_ext._arguments",
        "qaconv_ext._checks",
        "qaconv_ext._fold",
        "qaconv_ext._share",
        "qaconv_ext._batch_norm",
    },
    "qaconv_ext.narrow": {
        "qaconv_ext._checks",
        "qaconv_ext.qaconv",
        "qaconv_ext.backend",
        "qaconv_ext.reference",
        "qaconv_ext._arguments",
        "qaconv_ext._library",
    },
    "qaconv_ext.correspondence": {
        "qaconv_ext.functional",
        "qaconv_ext.qaconv",
        "qaconv_ext._arguments",
        "qaconv_ext._checks",
    },
    "qaconv_ext.graph": {"qaconv_ext._arguments", "qaconv_ext._checks"},
    "qaconv_ext.losses": {
        "qaconv_ext.reference",
        "qaconv_ext._arguments",
        "qaconv_ext._checks",
    },
    "qaconv_ext.benchmark": {
        "qaconv_ext.functional",
        "qaconv_ext.qaconv",
        "qaconv_ext.narrow",
        "qaconv_ext.graph",
        "qaconv_ext.losses",
        "qaconv_ext.backend",
        "qaconv_ext.reference",
    },
    "qaconv_ext.doctor": {
        "qaconv_ext.backend",
        "qaconv_ext.narrow",
        "qaconv_ext._library",
        "qaconv_ext.reference",
    },
    "qaconv_reid": {"qaconv_reid.matcher"},
    "qaconv_reid.text": set(),
    "qaconv_reid.processes": set(),
    "qaconv_reid.documents": {"qaconv_reid.text"},
    "qaconv_reid.ownership": {"qaconv_reid.processes", "qaconv_reid.text"},
    "qaconv_reid.config": {"qaconv_reid.documents", "qaconv_reid.text"},
    "qaconv_reid.packed": set(),
    "qaconv_reid.data": {
        "qaconv_reid.config",
        "qaconv_reid.files",
        "qaconv_reid.packed",
        "qaconv_reid.processes",
        "qaconv_reid.text",
    },
    "qaconv_reid.models": {"qaconv_reid.config", "qaconv_reid.text"},
    "qaconv_reid.files": {"qaconv_reid.processes"},
    "qaconv_reid.ranks": set(),
    "qaconv_reid.people": {
        "qaconv_reid.packed",
        "qaconv_reid.text",
        "qaconv_reid.files",
        "qaconv_reid.ownership",
        "qaconv_reid.processes",
    },
    "qaconv_reid.reports": {
        "qaconv_reid.config",
        "qaconv_reid.documents",
        "qaconv_reid.files",
        "qaconv_reid.text",
    },
    "qaconv_reid.evaluation": {
        "qaconv_reid.files",
        "qaconv_reid.data",
        "qaconv_reid.models",
        "qaconv_reid.ranks",
        "qaconv_reid.config",
    },
    "qaconv_reid.training": {
        "qaconv_reid.evaluation",  # k-reciprocal distances, for the graph
        "qaconv_reid.data",
        "qaconv_reid.models",
        "qaconv_reid.ranks",
        "qaconv_reid.config",
        "qaconv_reid.documents",
        "qaconv_reid.files",
        "qaconv_reid.text",
    },
    "qaconv_reid.build": {"qaconv_reid.models", "qaconv_reid.config"},
    "qaconv_reid.restore": {
        "qaconv_reid.build",
        "qaconv_reid.training",  # what a checkpoint is
        "qaconv_reid.models",
        "qaconv_reid.config",
    },
    "qaconv_reid.calibration": {"qaconv_reid.files"},
    "qaconv_reid.gallery": {
        "qaconv_reid.packed",
        "qaconv_reid.data",
        "qaconv_reid.models",
        "qaconv_reid.files",
        "qaconv_reid.text",
    },
    "qaconv_reid.serve": {"qaconv_reid.gallery", "qaconv_reid.data"},
    "qaconv_reid.export": {"qaconv_reid.models", "qaconv_reid.files"},
    "qaconv_reid.hub": set(),
    "qaconv_reid.matcher": {
        "qaconv_reid.hub",
        "qaconv_reid.export",
        "qaconv_reid.restore",
        "qaconv_reid.build",
        "qaconv_reid.calibration",
        "qaconv_reid.gallery",
        "qaconv_reid.training",  # the error of a checkpoint
        "qaconv_reid.data",
        "qaconv_reid.models",
        "qaconv_reid.config",
        "qaconv_reid.files",
    },
    "qaconv_reid.recipes": {
        "qaconv_reid.packed",
        "qaconv_reid.export",
        "qaconv_reid.ranks",
        "qaconv_reid.matcher",
        "qaconv_reid.serve",
        "qaconv_reid.calibration",
        "qaconv_reid.gallery",
        "qaconv_reid.build",
        "qaconv_reid.restore",
        "qaconv_reid.training",
        "qaconv_reid.evaluation",
        "qaconv_reid.reports",
        "qaconv_reid.people",
        "qaconv_reid.data",
        "qaconv_reid.models",
        "qaconv_reid.config",
        "qaconv_reid.documents",
        "qaconv_reid.ownership",
        "qaconv_reid.files",
        "qaconv_reid.text",
        "qaconv_reid.processes",
    },
    "qaconv_reid.__main__": {"qaconv_reid.cli"},
    "qaconv_reid.cli": {
        "qaconv_reid.recipes",
        "qaconv_reid.reports",
        "qaconv_reid.restore",
        "qaconv_reid.data",
        "qaconv_reid.config",
        "qaconv_reid.text",
    },
}
# Folders of csrc -> the folders they may include.
CSRC_DEPENDENCIES = {
    "core": set(),
    "cpu": {"core"},
    "cuda": {"core"},
    "ops": {"core", "cpu", "cuda"},
    "pybind": {"core", "cpu"},
}
PACKAGES = {"qaconv_ext": ROOT / "qaconv_ext", "qaconv_reid": ROOT / "python" / "qaconv_reid"}


def python_files():
    for package, folder in PACKAGES.items():
        for file in sorted(folder.rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            module = package if parts == ("__init__",) else f"{package}.{parts[0]}"
            yield module, file


def imported_modules(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] in PACKAGES:
                module = ".".join(parts[:2])
                # A name imported from the package itself (a constant) belongs to its __init__.
                yield module if module in PYTHON_DEPENDENCIES else parts[0]


def test_every_module_is_known():
    compiled = {"qaconv_ext._core"}
    assert {module for module, _ in python_files()} | compiled == PYTHON_DEPENDENCIES.keys()
    assert {p.name for p in (ROOT / "csrc").iterdir() if p.is_dir()} == CSRC_DEPENDENCIES.keys()


@pytest.mark.parametrize("module", PYTHON_DEPENDENCIES)
def test_a_module_uses_what_it_may(module):
    allowed = PYTHON_DEPENDENCIES[module] | {module}
    library_facts = {"qaconv_ext"}  # its version
    for owner, file in python_files():
        if owner != module:
            continue
        for used in set(imported_modules(file)):
            # The application may use every public module of the library.
            public = module.startswith("qaconv_reid") and re.fullmatch(
                r"qaconv_ext(\.[a-z]\w*)?", used
            )
            assert used in allowed or used in library_facts or public, f"{file}: imports {used}"


def test_dependencies_have_no_cycle():
    done: set[str] = set()
    while len(done) < len(PYTHON_DEPENDENCIES):
        ready = {module for module, uses in PYTHON_DEPENDENCIES.items() if uses <= done} - done
        assert ready, f"a cycle among {sorted(PYTHON_DEPENDENCIES.keys() - done)}"
        done |= ready


@pytest.mark.parametrize("folder", CSRC_DEPENDENCIES)
def test_a_folder_of_csrc_includes_what_it_may(folder):
    files = [f for f in (ROOT / "csrc" / folder).rglob("*") if f.is_file()]
    assert files
    for file in files:
        for header in re.findall(r'#include "([^"]+)"', file.read_text()):
            used = header.split("/")[0]
            assert used in CSRC_DEPENDENCIES[folder] | {folder}, f"{file}: includes {header}"


def test_only_the_glue_knows_torch_and_python():
    for file in (ROOT / "csrc").rglob("*.*"):
        folder = file.relative_to(ROOT / "csrc").parts[0]
        text = file.read_text()
        if folder != "ops":
            assert "<torch/" not in text, file
        if folder != "pybind":
            assert "<pybind11/" not in text, file
        if folder == "ops":
            # The stable ABI only: ATen, c10 and torch/extension.h tie a build to one torch.
            assert not re.search(r"#include <(ATen|c10)/|torch/extension\.h|torch/library\.h", text)


def test_the_library_needs_torch_and_numpy_only():
    # Packages that the benchmark measures against are imported by name, where they are installed.
    wanted = {"torch", "numpy", "qaconv_ext"}
    import sys

    for module, file in python_files():
        if not module.startswith("qaconv_ext"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                top = name.split(".")[0]
                assert top in wanted or top in sys.stdlib_module_names, f"{file}: imports {name}"
