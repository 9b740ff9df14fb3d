"""The build's check, in environments that are made up: one sentence each, nothing compiled."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_spec = importlib.util.spec_from_file_location(
    "qaconv_check", ROOT / "build_backend" / "qaconv_check.py"
)
check = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check)


def said(call, *arguments):
    """The sentence with which the build ends."""
    with pytest.raises(SystemExit) as caught:
        call(*arguments)
    message = str(caught.value).strip()
    assert "\n" not in message
    assert message.startswith("qaconv-ext: ")
    return message.removeprefix("qaconv-ext: ")


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch, tmp_path):
    """No toolkit, no torch and no variable of the machine that runs the test."""
    for name in [
        name for name in os.environ if name.startswith(("QACONV_", "CUDA_", "CONDA_", "UV_"))
    ]:
        monkeypatch.delenv(name)
    bare = tmp_path / "bare"
    bare.mkdir()
    monkeypatch.setenv("PATH", str(bare))
    monkeypatch.setattr(check, "_on_the_path", list)
    monkeypatch.setattr(check, "_own_folders", lambda: [tmp_path / "own"])
    monkeypatch.setattr(check.site, "getusersitepackages", lambda: str(tmp_path / "user"))
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", str(tmp_path / "project"))
    monkeypatch.setattr(check.sys, "base_prefix", str(tmp_path / "base"))


def put_torch(folder, version="2.13.0+cu130", cuda="13.0"):
    folder = Path(folder)
    (folder / "torch").mkdir(parents=True)
    text = f"__version__ = '{version}'\ncuda: Optional[str] = {cuda!r}\n"
    (folder / "torch" / "version.py").write_text(text)
    return folder


def packages(prefix):
    return Path(check.site.getsitepackages([str(prefix)])[0])


def put_toolkit(home, version="13.0", known=(75, 80, 86, 89, 90, 100, 120)):
    (home / "bin").mkdir(parents=True)
    (home / "include").mkdir()
    (home / "include" / "cuda_runtime.h").write_text("")
    nvcc = home / "bin" / "nvcc"
    lines = "\\n".join(f"compute_{n}" for n in known)
    nvcc.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"  --version) echo 'Cuda compilation tools, release {version}, V{version}.1';;\n"
        f"  --list-gpu-arch) printf '{lines}\\n';;\n"
        f"  *) echo '#$ TOP={home}' >&2;;\n"
        "esac\n"
    )
    nvcc.chmod(0o755)
    return home


# What the build is done with


@pytest.mark.parametrize(
    ("missing", "version"), [("pybind11", None), ("setuptools", "61.2.0"), ("pybind11", "2.13.6")]
)
def test_without_isolation_the_tools_are_named(missing, version, monkeypatch):
    real = importlib.metadata.version

    def fake(name):
        if name == "ninja":  # need not be there
            raise importlib.metadata.PackageNotFoundError(name)
        if name != missing:
            return "99.0"
        return version or real("no-such-package-at-all")

    monkeypatch.setattr(check.importlib.metadata, "version", fake)
    message = said(check.tools)
    assert message.startswith(f"{missing}: got {version or 'none'}, wanted ")
    assert "pip install 'setuptools>=77' 'pybind11>=3.0'" in message
    assert "--no-build-isolation" in message


def test_enough_tools_are_passed(monkeypatch):
    monkeypatch.setattr(check.importlib.metadata, "version", lambda name: "99.0")
    check.tools()


# torch


def test_where_a_torch_is_looked_for(tmp_path, monkeypatch):
    assert check.torch_folder() is None
    wanted = []
    for folder in (
        tmp_path / "user",
        packages(tmp_path / "base"),
        packages(tmp_path / "project"),
        packages(tmp_path / "conda"),
        tmp_path / "own",
        tmp_path / "given",
    ):
        wanted.append(put_torch(folder))
        if folder == tmp_path / "given":
            monkeypatch.setenv("QACONV_TORCH_DIR", str(folder / "torch"))
        monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
        assert check.torch_folder() == wanted[-1]


def test_an_old_torch_of_the_environment_is_refused(tmp_path):
    folder = put_torch(tmp_path / "own", "2.4.1+cpu", None)
    assert said(check.torch_folder) == (
        f"torch 2.4.1+cpu in {folder} is too old: wanted 2.10 or later. First: pip install "
        "--upgrade torch"
    )


def test_an_old_torch_around_the_environment_is_passed_over(tmp_path):
    put_torch(tmp_path / "user", "1.13.0")
    assert check.torch_folder() is None


def test_a_folder_without_torch_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("QACONV_TORCH_DIR", str(tmp_path))
    message = said(check.torch_folder)
    assert message == f"QACONV_TORCH_DIR: got {tmp_path}, wanted a folder that holds torch"


# CUDA


@pytest.mark.parametrize("name", ["CUDA_HOME", "CUDA_PATH"])
def test_a_toolkit_that_is_gone_is_named(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(put_toolkit(tmp_path / "other") / "bin"))
    monkeypatch.setenv(name, str(tmp_path / "gone"))
    assert said(check.cuda_home).startswith(
        f"{name}: got {tmp_path / 'gone'}, which is not there, wanted a CUDA toolkit."
    )
    (tmp_path / "gone").mkdir()
    assert "which has no bin/nvcc, wanted" in said(check.cuda_home)
    monkeypatch.setenv("QACONV_CUDA", "0")
    assert check.cuda_home() is None


def test_a_toolkit_is_found_by_variable_and_by_path(tmp_path, monkeypatch):
    one, other = (put_toolkit(tmp_path / name) for name in ("one", "other"))
    monkeypatch.setenv("PATH", f"{one / 'bin'}:/bin")
    assert check.cuda_home() == one
    monkeypatch.setenv("CUDA_HOME", str(other))
    assert check.cuda_home() == other


def test_no_toolkit(monkeypatch):
    if Path("/usr/local/cuda/bin/nvcc").exists():
        pytest.skip("this machine has one where it is looked for without being asked")
    assert check.cuda_home() is None
    monkeypatch.setenv("QACONV_CUDA", "1")
    assert said(check.cuda_home).startswith("QACONV_CUDA=1, but no CUDA toolkit was found")


def test_another_major_version_than_torchs_is_refused(tmp_path):
    home = put_toolkit(tmp_path / "cuda", "12.4")
    message = said(check.toolkit, home, ["8.0"], put_torch(tmp_path / "own"))
    assert message.startswith(f"the CUDA toolkit 12.4 in {home} and torch's CUDA 13.0 differ")
    assert "a toolkit 13.x in CUDA_HOME, or set QACONV_CUDA=0" in message
    check.toolkit(home, ["8.0"], put_torch(tmp_path / "same", cuda="12.8"))
    check.toolkit(home, ["8.0"], put_torch(tmp_path / "cpu", "2.13.0+cpu", None))


def test_architectures_that_a_toolkit_does_not_know_are_named(tmp_path):
    torch = put_torch(tmp_path / "own", "2.13.0+cpu", None)
    home = put_toolkit(tmp_path / "cuda", "12.1", known=(75, 80, 90))
    message = said(check.toolkit, home, ["8.0", "9.0a", "10.0", "12.0"], torch)
    assert "does not know the architectures 10.0, 12.0: install a newer toolkit" in message
    assert "QACONV_CUDA_ARCHITECTURES='8.0 9.0a'" in message
    check.toolkit(put_toolkit(tmp_path / "silent", known=()), ["12.0"], torch)


def test_a_toolkit_without_a_version_is_refused(tmp_path):
    home = put_toolkit(tmp_path / "cuda")
    (home / "bin" / "nvcc").write_text("#!/bin/sh\nexit 1\n")
    assert said(check.nvcc_version, home).startswith(f"{home}/bin/nvcc does not say its version.")


# The whole way, as pip goes it


def required(before="", **variables):
    """What the backend asks pip for, in a process of its own."""
    code = before + "import qaconv_build; print(qaconv_build.get_requires_for_build_wheel())"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "build_backend"), **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd="/"
    )


def test_the_backend_says_what_is_fetched_and_what_is_wrong(tmp_path):
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    run = required()
    assert run.stdout == "[]\n", run.stderr  # this environment has a torch
    run = required(QACONV_TORCH_DIR=str(tmp_path))
    assert run.returncode == 1
    assert run.stderr.strip().startswith("qaconv-ext: QACONV_TORCH_DIR: got")
    assert "Traceback" not in run.stderr
    run = required("import qaconv_check; qaconv_check.torch_folder = lambda: None; ")
    assert "no torch was found; torch==2.13.0 is fetched to compile against" in run.stderr
    assert run.stdout == "['torch==2.13.0', 'numpy']\n"


def test_python_started_in_the_source_tree_says_where_the_other_copy_is(tmp_path):
    source, installed = tmp_path / "checkout", tmp_path / "site"
    for folder in (source, installed):
        (folder / "qaconv_ext").mkdir(parents=True)
        text = (ROOT / "qaconv_ext" / "_library.py").read_text()
        (folder / "qaconv_ext" / "_library.py").write_text(text)
        (folder / "qaconv_ext" / "__init__.py").write_text("")
    (installed / "qaconv_ext" / "_C.so").write_text("")
    run = subprocess.run(
        [sys.executable, "-c", "from qaconv_ext._library import LIBRARY; print(LIBRARY.reason)"],
        env={**os.environ, "PATH": "/usr/bin:/bin", "PYTHONPATH": f"{source}:{installed}"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.stdout.strip() == (
        f"the kernels were not compiled (_C.so is missing): this copy is {source}/qaconv_ext, a "
        f"compiled one is {installed}/qaconv_ext; start elsewhere"
    ), run.stderr
