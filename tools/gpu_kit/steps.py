"""The one list of steps, in the order of their worth."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from gpu_kit.pack import COMMIT_FILE, WHEELS, WORK
from gpu_kit.runner import Step
from gpu_kit.study import study_steps


@dataclass(frozen=True)
class Machine:
    """What the steps run on."""

    root: Path
    python: str
    core: Path
    """Where CMake builds."""
    environment: dict[str, str]
    capability: str
    """Of the GPU, as ``9.0``; empty without one."""
    prefix: str = ""
    """What programs run under; empty on a GPU."""

    @property
    def rehearsal(self) -> bool:
        """Whether an emulator stands for the GPU."""
        return bool(self.prefix)

    @classmethod
    def here(cls, root: Path, out: Path) -> Machine:
        """A machine with a GPU."""
        site = root / WORK / "site"
        capability = _capability()
        environment = {
            "QACONV_CUDA": "1",
            "QACONV_CUDA_ARCHITECTURES": _architecture(capability),
            "QACONV_NEED_GPU": "1",
            "MAX_JOBS": str(os.cpu_count() or 1),
            "PATH": f"{site / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": f"{site}:{root}:{root / 'python'}",
            "PYTHONUNBUFFERED": "1",
            "QACONV_COMMIT_FILE": str(root / COMMIT_FILE),
            "SITE": str(site),
            "OUT": str(out.resolve()),
        }
        return cls(root, sys.executable, root / WORK / "core", environment, capability)

    @classmethod
    def rehearsed(cls, root: Path, emulator: str, core: Path, library: Path) -> Machine:
        """An emulated one, with builds that are there."""
        environment = {
            "PYTHONPATH": f"{library.resolve()}:{root / 'python'}",
            "PYTHONUNBUFFERED": "1",
            "QACONV_NEED_GPU": "1",
            "QACONV_TEST_STRIDE": "97",
        }
        return cls(root, sys.executable, core.resolve(), environment, "8.0", emulator)


def _capability() -> str:
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.split()[0] if answer.stdout.split() else ""


def _architecture(capability: str) -> str:
    """Hopper's own instructions are in the architecture with the letter alone."""
    return "9.0a" if capability == "9.0" else capability


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def steps_of(machine: Machine) -> list[Step]:
    """Every step; one that cannot run here says why."""
    studies = study_steps(
        machine.python,
        missing=_training_lacks(machine) or ("" if machine.capability else "no GPU"),
    )
    return [*_build(machine), *_proof(machine), *_measurements(machine), *studies]


def _build(machine: Machine) -> list[Step]:
    python, wheels = machine.python, machine.root / WHEELS
    if machine.rehearsal:
        return []
    no_gpu = "" if machine.capability else "no GPU: nvidia-smi names none"
    install = (
        f"{python} -m pip install -q --no-index --no-deps --no-compile --upgrade "
        f'--target "$SITE" {wheels}/*.whl && ls "$SITE" | wc -l'
    )
    return [
        Step(
            "facts",
            "nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit"
            " --format=csv,noheader;"
            " git log -1 --oneline; git status --porcelain --untracked-files=no | head -3;"
            f" nvcc --version | tail -2; nproc; {python} -c 'import torch; print(torch.__version__,"
            " torch.cuda.get_device_name())'",
            30,
            missing=no_gpu,
        ),
        Step(
            "wheels",
            install,
            60,
            missing=""
            if wheels.is_dir()
            else f"no {WHEELS}: `make gpu-pack` where there is a network",
            expected=False,
        ),
        Step(
            "core-build",
            f"cmake -S . -B {machine.core} -DCMAKE_BUILD_TYPE=Release -DQACONV_CUDA=ON && "
            f"cmake --build {machine.core} --parallel {os.cpu_count()}",
            180,
            missing=no_gpu,
            background=True,
        ),
        Step(
            "build",
            f"{python} setup.py -q build_ext --inplace && "
            f"{python} -c 'from qaconv_ext._library import LIBRARY as l; print(l); "
            'assert l.has_kernels_for("cuda"), l.reason\'',
            180,
            missing=no_gpu,
            tells="^Library",
        ),
    ]


def _proof(machine: Machine) -> list[Step]:
    python, run, core = machine.python, machine.prefix, machine.core
    under_torch = f"{run} --torch" if run else ""
    tests = core / "tests" / "cpp"
    no_sanitizer = "" if shutil.which("compute-sanitizer") else "no compute-sanitizer"
    hopper = machine.capability == "9.0"
    # Every kernel variant, and the backward; every so-manieth case.
    programs = ["cuda_pack_test", "cuda_variants_test", "cuda_test"]
    programs += ["cuda_hopper_test"] if hopper else []
    which = "'^(" + "|".join(programs) + ")$'"
    workers = "-n 6" if _has("xdist") and not machine.rehearsal else ""
    # The benchmark's tests do at tiny sizes what later steps do; captured graphs have their own.
    captured = "tests/qaconv_ext/test_cuda_graph.py"
    scope = f"tests/qaconv_ext --ignore-glob='*/test_benchmark*' --ignore={captured}"
    if machine.rehearsal:
        scope = "tests/qaconv_ext/test_match_scores.py"
    steps = [
        Step(
            "core-tests",
            f"{run} ctest --test-dir {core} -R {which} --output-on-failure --no-tests=error",
            120,
            needs=("core-build",),
            tells="tests passed|FAILED|Failed",
            wants="100% tests passed",
        ),
        Step(
            "operators",
            f"{under_torch} {python} -P -m pytest -q -p no:cacheprovider {scope} -k cuda {workers}",
            150,
            needs=("build",),
            tells="passed|failed",
            wants=r"\d+ passed",
        ),
        Step(
            "graph-capture",
            f"{python} -P -m pytest -q -p no:cacheprovider {captured}",
            40,
            needs=("build",),
            missing="graphs are not emulated" if machine.rehearsal else "",
            expected=False,
            tells="passed|failed",
            wants=r"\d+ passed",
        ),
    ]
    for tool in ("memcheck", "synccheck", "initcheck", "racecheck"):
        of_tool = [p for p in programs if tool != "racecheck" or p != "cuda_hopper_test"]
        steps.append(_sanitizer(tool, tool, [str(tests / p) for p in of_tool], no_sanitizer))
    if hopper:
        # It does not know that wgmma reads shared memory on its own: reported, no gate.
        step = _sanitizer(
            "racecheck-hopper", "racecheck", [str(tests / "cuda_hopper_test")], no_sanitizer
        )
        steps.append(replace(step, gates=False))
    return steps


def _sanitizer(name: str, tool: str, programs: list[str], missing: str) -> Step:
    stride = 31 if tool == "racecheck" else 13
    command = " && ".join(
        # Calls that fail on purpose are a test's business.
        f"compute-sanitizer --tool {tool}{' --report-api-errors no' * (tool == 'memcheck')} "
        f"--error-exitcode 9 {program}"
        for program in programs
    )
    return Step(
        name,
        command,
        45,
        needs=("core-build",),
        missing=missing,
        expected=False,
        tells="ERROR SUMMARY|HAZARD|hazard|RACECHECK SUMMARY",
        environment={"QACONV_TEST_STRIDE": str(stride)},
    )


def _measurements(machine: Machine) -> list[Step]:
    python = machine.python
    kernels = Step(
        "kernels",
        _benchmark(machine, "kernels", "json"),
        90,
        needs=("build",),
        tells="^match_scores float16 (256 x 1024|3 x 5)",
        wants="^match_scores float16",
    )
    return [
        kernels,
        replace(
            kernels,
            name="kernels-tensor",
            command=_benchmark(machine, "kernels", "json-tensor"),
            wants="resident",
            environment={"QACONV_CUDA_VARIANT": "tensor"},
        ),
        Step(
            "rates",
            "nvcc -gencode arch=compute_90a,code=sm_90a -O3 -std=c++17 -I csrc "
            'tools/gpu_kit/rates.cu -o build/rates && build/rates | tee "$OUT/rates.txt"',
            60,
            missing="" if machine.capability == "9.0" else "it is of Hopper's instructions",
            expected=False,
            tells="registers",
            wants="TFLOP/s",
        ),
        Step(
            "comparisons",
            _benchmark(machine, "comparisons", "json", "--budget 0.4 --minutes 2.2"),
            240,
            needs=("build",),
            tells="written|ratio",
            wants="ratios",
        ),
        Step(
            "training",
            f"{python} examples/demo.py tiny",
            90,
            needs=("build",),
            missing=_training_lacks(machine),
            expected=False,
            tells="SYNTHETIC",
            wants="SYNTHETIC",
        ),
    ]


def _benchmark(machine: Machine, part: str, folder: str, options: str = "") -> str:
    command = f"{machine.python} -P -m qaconv_ext.benchmark --device cuda --only {part}"
    if machine.rehearsal:
        return f"{machine.prefix} --torch {command} --quick --budget 0"
    return f'{command} {options} --json "$OUT/{folder}"'


def _training_lacks(machine: Machine) -> str:
    if machine.rehearsal:
        return "no part of the rehearsal: `make demo` runs it"
    wheels = machine.root / WHEELS
    carried = {wheel.name.split("-")[0].lower() for wheel in wheels.glob("*.whl")}
    needed = ("torchvision", "PIL", "pydantic", "rich", "safetensors", "tomli_w")
    lacking = [m for m in needed if not _has(m) and m.lower() not in carried]
    return f"no {', '.join(lacking)}" if lacking else ""
