"""The build backend: setuptools, compiling against the torch of the environment installed into.

pip builds in an isolated environment that does not see the torch which is already installed, and
whose own torch (several GB) may be another version. The library uses LibTorch's stable ABI, so any
torch from 2.10 on serves for headers and linking: the installed one is found and put on the path,
and one is asked for only where there is none.

Each hook runs in a process of its own, which imports this file first: the path is set at import.
"""

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  (the hooks that need no change)

# Used to compile only where the environment has no torch; the CPU build is the smallest.
FALLBACK_TORCH = "torch==2.13.0"


def _folder_with_torch() -> str | None:
    """The folder to put on the path for `import torch`, or None where there is no torch."""
    given = os.environ.get("QACONV_TORCH_DIR")
    if given:
        folder = Path(given)
        folder = folder.parent if folder.name == "torch" else folder
        if not (folder / "torch" / "__init__.py").exists():
            sys.exit(f"qaconv-ext: QACONV_TORCH_DIR: got {given}, wanted a folder that holds torch")
        return str(folder)
    if importlib.util.find_spec("torch") is not None:
        return None  # on the path already
    for scheme in ("purelib", "platlib"):
        # Isolation takes this folder off sys.path, but the interpreter still says where it is.
        folder = Path(sysconfig.get_path(scheme))
        if (folder / "torch" / "__init__.py").exists():
            return str(folder)
    return None


_FOLDER = _folder_with_torch()
if _FOLDER is not None:
    # At the end: setuptools, pybind11 and ninja are those of the build environment.
    sys.path.append(_FOLDER)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        p for p in (os.environ.get("PYTHONPATH"), _FOLDER) if p
    )


def _requirements() -> list[str]:
    compiles = os.environ.get("QACONV_COMPILE", "1") != "0"
    # torch imports numpy where it finds it and warns where not.
    missing = importlib.util.find_spec("torch") is None
    return [FALLBACK_TORCH, "numpy"] if compiles and missing else []


def get_requires_for_build_wheel(config_settings=None):
    return _requirements()


def get_requires_for_build_editable(config_settings=None):
    return _requirements()


def get_requires_for_build_sdist(config_settings=None):
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
