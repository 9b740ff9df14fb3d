"""What the build says where it cannot go on, before it compiles anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("setuptools", reason="setuptools is not installed")
ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"CXX": "no-such-compiler"},
            "no C++ compiler: 'no-such-compiler' is not on PATH. Install",
        ),
        ({"QACONV_CUDA": "yes"}, "QACONV_CUDA: got 'yes', wanted 0 or 1"),
    ],
)
def test_names_what_is_missing(variables, message, tmp_path):
    run = subprocess.run(
        [sys.executable, "setup.py", "build", "--build-base", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_no_error_tells_where_the_library_was_built():
    """Nor is there anything for a debugger or a profiler, whose tables hold the sources' paths."""
    from qaconv_ext._library import LIBRARY

    libraries = [*(ROOT / "qaconv_ext").glob("*.so")]
    if not libraries:
        pytest.skip("nothing was compiled in this checkout")
    if LIBRARY.debug:
        pytest.skip("a debug build: a debugger needs the paths of the sources")
    places = b"|".join(re.escape(bytes(p)) for p in (ROOT, Path(torch.__file__).parents[1]))
    for library in libraries:
        content = library.read_bytes()
        assert b".debug_info" not in content, library.name
        assert not re.findall(rb"(?:" + places + rb")/[^\0]*", content), library.name
