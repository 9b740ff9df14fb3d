"""The build backend: setuptools, compiling against the torch of the environment installed into.

pip builds in an isolated environment that does not see the torch which is already installed, and
whose own torch (several GB) may be another version. The library uses LibTorch's stable ABI, so any
torch from 2.10 on serves for headers and linking: the installed one is found and put on the path,
and one is asked for only where there is none.

Each hook runs in a process of its own, which imports this file first: the path is set at import.
"""

import os
import sys

import qaconv_check

qaconv_check.tools()  # before the import that an old setuptools lacks

from setuptools import build_meta  # noqa: E402
from setuptools.build_meta import *  # noqa: E402, F403  (the hooks that need no change)

# Used to compile only where the environment has no torch; the CPU build is the smallest.
FALLBACK_TORCH = "torch==2.13.0"


_COMPILES = os.environ.get("QACONV_COMPILE", "1") != "0"
_FOLDER = qaconv_check.torch_folder() if _COMPILES else None
if _FOLDER is not None and str(_FOLDER) not in sys.path:
    # At the end: setuptools, pybind11 and ninja are those of the build environment.
    sys.path.append(str(_FOLDER))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        p for p in (os.environ.get("PYTHONPATH"), str(_FOLDER)) if p
    )


def _requirements() -> list[str]:
    if not _COMPILES or _FOLDER is not None:
        return []
    print(
        f"qaconv-ext: no torch was found; {FALLBACK_TORCH} is fetched to compile against, some "
        "gigabytes. QACONV_TORCH_DIR names the folder of one that is there.",
        file=sys.stderr,
        flush=True,
    )
    # torch imports numpy where it finds it and warns where not.
    return [FALLBACK_TORCH, "numpy"]


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
