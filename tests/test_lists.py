"""Every list of things agrees with the things: a file that is in no list is not built or tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CSRC = ROOT / "csrc"


def listed(path):
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def schemas():
    text = (CSRC / "ops" / "schemas.cpp").read_text()
    return dict(re.findall(r'm\.def\(\s*"(\w+)\((.*?)(?=m\.def|\Z)', text, re.DOTALL))


def tensor_operators():
    return [name for name, rest in schemas().items() if "Tensor" in rest]


#: Operators that answer on the CPU alone.
ON_THE_CPU = {"match_scores_narrow"}


def test_sources_are_the_files():
    pairs = [line.split() for line in listed(CSRC / "sources.txt")]
    paths = [path for _, path in pairs]
    assert len(paths) == len(set(paths))
    found = {str(f.relative_to(ROOT)) for f in CSRC.rglob("*") if f.suffix in (".cpp", ".cu")}
    assert set(paths) == found
    for group, path in pairs:
        folder = path.split("/")[1]
        wanted = "ops-cuda" if path.endswith("_cuda.cpp") else folder
        assert group == wanted, path


def test_sources_are_in_order():
    lines = listed(CSRC / "sources.txt")
    groups = list(dict.fromkeys(line.split()[0] for line in lines))
    assert lines == [
        line for g in groups for line in sorted(ln for ln in lines if ln.split()[0] == g)
    ]


def test_every_instruction_set_is_a_level():
    levels = (CSRC / "cpu" / "simd_level.cpp").read_text()
    for file in (CSRC / "cpu").glob("isa_*.cpp"):
        name = file.stem.removeprefix("isa_")
        assert f'{{"{name}",' in levels, f"{file.name} is in no list of levels"


def test_architectures_ascend():
    names = listed(CSRC / "cuda_architectures.txt")
    numbers = [tuple(map(int, name.removesuffix("a").split("."))) for name in names]
    assert numbers == sorted(set(numbers))
    assert not names[-1].endswith("a"), "PTX of the last is for whatever comes after it"


def test_every_cuda_variant_has_its_word():
    from qaconv_ext.backend import CUDA_VARIANTS

    header = (CSRC / "cuda" / "kernels.h").read_text()
    (names,) = re.findall(r"enum class Variant \{(.*?)\}", header)
    words = [name.strip().removeprefix("k").lower() for name in names.split(",")]
    assert words == list(CUDA_VARIANTS)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_operator_has_a_kernel_on_every_device(device):
    # What is in operators.h is registered for both; a table that lacks it does not compile.
    files = (CSRC / "ops" / "operators.h", *sorted((CSRC / "ops").glob(f"*_{device}.cpp")))
    registered = re.findall(r'm\.impl\("(\w+)"', "".join(file.read_text() for file in files))
    wanted = set(tensor_operators()) - (ON_THE_CPU if device == "cuda" else set())
    assert sorted(set(registered) & set(tensor_operators())) == sorted(wanted)
    table = (CSRC / "ops" / f"operators_{device}.cpp").read_text()
    key, name = device.upper(), device.capitalize()
    library = (
        rf"STABLE_TORCH_LIBRARY_IMPL\(qaconv, {key}, m\) \{{\s*Operators<{name}>::implement\(m\)"
    )
    assert re.search(library, table)


def test_every_operator_has_a_fake_and_derivatives():
    text = "".join(f.read_text() for f in (ROOT / "qaconv_ext" / "_registration").glob("*.py"))
    for kind in (r'register_fake\("qaconv::', r'register_derivatives\(\s*"'):
        assert sorted(re.findall(kind + r'(\w+)"', text)) == sorted(tensor_operators())


def test_every_forward_operator_has_an_autocast_rule_and_a_reference():
    forward = sorted(name for name in tensor_operators() if not name.endswith("_backward"))
    text = "".join(f.read_text() for f in (ROOT / "qaconv_ext" / "_registration").glob("*.py"))
    cast = sorted(set(forward) - ON_THE_CPU)
    assert sorted(re.findall(r'cast_maps_on_cuda\("(\w+)"', text)) == cast
    reference = (ROOT / "qaconv_ext" / "reference.py").read_text()
    public = "".join(
        (ROOT / "qaconv_ext" / f"{n}.py").read_text() for n in ("functional", "narrow")
    )
    for name in forward:
        assert f"\ndef {name}(" in reference
        assert f"\ndef {name}(" in public


def test_every_operator_is_opchecked():
    text = (ROOT / "tests" / "qaconv_ext" / "test_operators.py").read_text()
    (names,) = re.findall(r'"name",\s*\[(.*?)\]', text, re.DOTALL)
    assert sorted(re.findall(r'"(\w+)"', names)) == sorted(tensor_operators())


def test_every_operator_has_its_contract():
    contracts = "".join(f.read_text() for f in (CSRC / "core").glob("*.h"))
    for name in tensor_operators():
        assert re.search(rf"^// {name}: ", contracts, re.MULTILINE), name


def test_dtypes_agree():
    from qaconv_ext._arguments import DTYPES
    from support.cases import DTYPES as TESTED
    from support.tolerances import CORRELATION, GRADIENT, RELATIVE

    core = (CSRC / "core" / "types.h").read_text()
    names = re.search(r"enum class DType.*?\{(.*?)\}", core, re.DOTALL)
    assert names is not None
    in_core = {name.strip().removeprefix("k").lower() for name in names.group(1).split(",")}
    assert in_core == {str(d).removeprefix("torch.") for d in DTYPES}
    for other in (TESTED, CORRELATION, GRADIENT, RELATIVE):
        assert set(other) == set(DTYPES)


def test_one_limit_of_places():
    from qaconv_ext import _core
    from qaconv_ext._checks import MAX_LOCATIONS

    assert _core.MAX_LOCATIONS == MAX_LOCATIONS


def test_one_version():
    text = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.+)"', text, re.MULTILINE)
    assert version is not None
    assert f"version: {version.group(1)}\n" in (ROOT / "CITATION.cff").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"[{version.group(1)}]" in changelog or "[Unreleased]" in changelog
    for file in (*CSRC.rglob("*.*"), *(ROOT / "qaconv_ext").rglob("*.py")):
        assert f'"{version.group(1)}"' not in file.read_text(), (
            f"{file}: a second copy of the version"
        )


def test_every_loss_of_the_settings_is_built():
    from typing import get_args

    from qaconv_reid.config import LossConfig
    from qaconv_reid.training.objectives import OBJECTIVES

    assert set(get_args(LossConfig.model_fields["kind"].annotation)) == set(OBJECTIVES)


def test_files_are_small():
    """A file has one reason to exist; past 500 lines it has several."""
    for folder in ("csrc", "qaconv_ext", "python", "tests"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".py", ".h", ".cpp", ".cu", ".cuh", ".inl"):
                lines = len(file.read_text().splitlines())
                assert lines <= 500, f"{file.relative_to(ROOT)}: {lines} lines"
