"""What the build needs and where it is: looked at before anything is compiled.

Whatever cannot be built ends here with one sentence: what was found, what is wanted, what to do.
Imported by the build backend and by setup.py, so it needs the standard library only.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
#: The stable ABI that the library is written against.
OLDEST_TORCH = (2, 10)


def stop(message: str) -> NoReturn:
    sys.exit(f"\nqaconv-ext: {message}\n")


def numbers(version: str) -> tuple[int, ...]:
    """``2.10.1+cu130`` as (2, 10, 1)."""
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0])[:3])


def tools() -> None:
    """Without build isolation the environment must hold what pyproject.toml's build needs."""
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for line in requires:
        name, _, oldest = line.partition(">=")
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = None
        if name == "ninja":
            continue  # torch does without it, file by file
        if found is None or numbers(found) < numbers(oldest):
            stop(
                f"{name}: got {found or 'none'}, wanted {oldest} or later to build with. First: "
                f"pip install {' '.join(map(repr, requires))}; or leave out --no-build-isolation."
            )


# torch


def torch_version(folder: Path) -> str | None:
    """Of the torch in a folder of packages; None where there is none."""
    try:
        text = (folder / "torch" / "version.py").read_text()
    except OSError:
        return None
    found = re.search(r"^__version__\s*=\s*['\"]([^'\"]+)", text, re.M)
    return found.group(1) if found else None


def torch_cuda(folder: Path) -> str | None:
    """The CUDA that the torch in a folder was built with, as text; None for none."""
    text = (folder / "torch" / "version.py").read_text()
    found = re.search(r"^cuda\b.*=\s*['\"]([\d.]+)", text, re.M)
    return found.group(1) if found else None


def torch_folder() -> Path | None:
    """The folder of packages with the torch to compile against; None where there is none.

    Any torch from 2.10 on serves. The environment's own comes first, and if that is too old, the
    install cannot go well; others (of conda, of the checkout's `.venv`, of the Python below a
    virtual environment, of the user's site) only save the download, so one that is too old is
    passed over.
    """
    given = os.environ.get("QACONV_TORCH_DIR")
    if given:
        folder = Path(given)
        folder = folder.parent if folder.name == "torch" else folder
        if torch_version(folder) is None:
            stop(f"QACONV_TORCH_DIR: got {given}, wanted a folder that holds torch")
        return _new_enough(folder)
    for folder in [*_on_the_path(), *_own_folders()]:
        if torch_version(folder) is not None:
            return _new_enough(folder)
    for folder in _folders_around():
        version = torch_version(folder)
        if version is not None and numbers(version)[:2] >= OLDEST_TORCH:
            return folder
    return None


def _on_the_path() -> list[Path]:
    spec = importlib.util.find_spec("torch")
    return [] if spec is None or spec.origin is None else [Path(spec.origin).parents[1]]


def _own_folders() -> list[Path]:
    # Isolation takes these off sys.path, but the interpreter still says where they are.
    return [Path(sysconfig.get_path(scheme)) for scheme in ("purelib", "platlib")]


def _folders_around() -> list[Path]:
    # uv's build does not know which environment it is for; its projects have theirs here.
    project = os.environ.get("UV_PROJECT_ENVIRONMENT", ROOT / ".venv")
    bases = [os.environ.get("CONDA_PREFIX"), project, sys.base_prefix]
    folders = site.getsitepackages([str(base) for base in bases if base])
    return [Path(folder) for folder in (*folders, site.getusersitepackages())]


def _new_enough(folder: Path) -> Path:
    version = torch_version(folder)
    if numbers(version)[:2] < OLDEST_TORCH:
        stop(
            f"torch {version} in {folder} is too old: wanted {'.'.join(map(str, OLDEST_TORCH))} or "
            "later. First: pip install --upgrade torch"
        )
    return folder


# Compilers


def cxx_compiler() -> None:
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler.split()[0]) is None:
        stop(
            f"no C++ compiler: '{compiler}' is not on PATH. Install one (Debian and Ubuntu: "
            "apt-get install g++; Fedora: dnf install gcc-c++), or name it in CXX, "
            "or set QACONV_COMPILE=0 to install without kernels (slow: plain PyTorch answers)."
        )
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        stop(
            f"no Python headers: {sysconfig.get_path('include')}/Python.h is missing. Install them "
            "(Debian and Ubuntu: apt-get install python3-dev; Fedora: dnf install python3-devel)."
        )


def cuda_home() -> Path | None:
    """The toolkit of the nvcc in use, or None.

    nvcc on PATH may be a wrapper script in a folder that is no toolkit, so nvcc is asked itself.
    """
    wanted = os.environ.get("QACONV_CUDA")
    if wanted not in (None, "", "0", "1"):
        stop(f"QACONV_CUDA: got {wanted!r}, wanted 0 or 1")
    if wanted == "0":
        return None
    for name in ("CUDA_HOME", "CUDA_PATH"):
        home = os.environ.get(name)
        if home:
            nvcc = str(Path(home) / "bin" / "nvcc")
            if shutil.which(nvcc) is None:
                what = "has no bin/nvcc" if Path(home).is_dir() else "is not there"
                stop(
                    f"{name}: got {home}, which {what}, wanted a CUDA toolkit. Correct it, unset "
                    "it, or set QACONV_CUDA=0 to leave CUDA out."
                )
            break
    else:
        nvcc = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
    if nvcc is not None:
        dry = subprocess.run([nvcc, "--dryrun", "-c", "x.cu"], capture_output=True, text=True)
        top = re.search(r"^#\$ TOP=(.+)$", dry.stderr, re.M)
        for candidate in ([top.group(1)] if top else []) + ([home] if home else []):
            if (Path(candidate) / "include" / "cuda_runtime.h").exists():
                return Path(candidate).resolve()
    if wanted == "1":
        stop("QACONV_CUDA=1, but no CUDA toolkit was found: put nvcc on PATH or set CUDA_HOME")
    return None


def nvcc_version(home: Path) -> str:
    out = subprocess.run([str(home / "bin" / "nvcc"), "--version"], capture_output=True, text=True)
    found = re.search(r"release ([\d.]+)", out.stdout)
    if found is None:
        stop(
            f"{home}/bin/nvcc does not say its version. Repair the CUDA toolkit, name another one "
            "in CUDA_HOME, or set QACONV_CUDA=0 to leave CUDA out."
        )
    return found.group(1)


def toolkit(home: Path, architectures: list[str], torch: Path) -> None:
    """That a toolkit knows the architectures, and is of the major version of torch's own."""
    version = nvcc_version(home)
    said = f"the CUDA toolkit {version} in {home}"
    other = torch_cuda(torch)
    if other and numbers(other)[0] != numbers(version)[0]:
        stop(
            f"{said} and torch's CUDA {other} differ in their major version, which torch refuses "
            f"to build with: name a toolkit {numbers(other)[0]}.x in CUDA_HOME, or set "
            "QACONV_CUDA=0 to leave CUDA out."
        )
    nvcc = str(home / "bin" / "nvcc")
    listed = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True).stdout
    known = set(re.findall(r"compute_(\d+)", listed))  # empty where nvcc cannot tell
    unknown = [a for a in architectures if re.sub(r"\D", "", a) not in known] if known else []
    if unknown:
        rest = " ".join(a for a in architectures if a not in unknown)
        stop(
            f"{said} does not know the architecture{'s' if unknown[1:] else ''} "
            f"{', '.join(unknown)}: install a newer toolkit, set "
            f"QACONV_CUDA_ARCHITECTURES='{rest}', or QACONV_CUDA=0 to leave CUDA out."
        )
