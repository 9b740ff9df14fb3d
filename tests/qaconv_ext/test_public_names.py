"""What `qaconv_ext` itself offers: every public name, imported when it is first asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import qaconv_ext
from qaconv_ext import correspondence, functional, graph, losses, narrow, qaconv

FOLDER = Path(__file__).resolve().parents[2] / "qaconv_ext"


def test_they_are_the_names_of_the_modules():
    modules = (correspondence, functional, graph, losses, qaconv)
    wanted = {name: getattr(module, name) for module in modules for name in module.__all__}
    # The rest of it is for the application: whether it is worth while here.
    wanted |= {name: getattr(narrow, name) for name in ("NarrowQAConv", "match_scores_narrow")}
    assert set(qaconv_ext.__all__) == wanted.keys()
    for name, value in wanted.items():
        assert getattr(qaconv_ext, name) is value
    assert {*qaconv_ext.__all__, "__version__", "losses", "arrays"} <= set(dir(qaconv_ext))


def test_the_functions_can_be_had_from_the_module_of_the_matcher():
    assert set(functional.__all__) < set(qaconv.__all__)
    for name in functional.__all__:
        assert getattr(qaconv, name) is getattr(functional, name)


def test_a_type_checker_reads_the_same_names():
    tree = ast.parse((FOLDER / "__init__.pyi").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = {alias.asname for node in imports for alias in node.names}
    assert names == {*qaconv_ext.__all__, *qaconv_ext._MODULES}
    assert ast.literal_eval(tree.body[-1].value) == qaconv_ext.__all__


def test_the_package_alone_imports_nothing():
    code = (
        "import sys, qaconv_ext; dir(qaconv_ext); "
        "print(sorted({'torch', 'numpy'} & set(sys.modules)), end=' '); "
        "from qaconv_ext import *; print(QAConv.__name__, match_scores.__name__)"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert run.stdout == "[] QAConv match_scores\n", run.stderr


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="module 'qaconv_ext' has no attribute 'nothing'"):
        _ = qaconv_ext.nothing


@pytest.mark.parametrize("file", ["doctor.py", "reference.py", "qaconv.py"])
def test_a_file_of_the_folder_can_be_run(file):
    """Its own folder comes first then: no file in it may be named as a package that it needs."""
    code = f"import runpy; runpy.run_path({str(FOLDER / file)!r})"
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=FOLDER,
        env={"PYTHONPATH": f"{FOLDER}:{FOLDER.parent}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    standard = sys.stdlib_module_names | {"numpy", "torch"}
    assert not {path.stem for path in FOLDER.iterdir()} & standard
