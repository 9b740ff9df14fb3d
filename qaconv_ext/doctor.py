"""``qaconv doctor``: what is installed, what will run here and why not the rest, and is it right.

Also ``python -m qaconv_ext.doctor``. Needs torch and numpy only. Takes about two seconds after the
imports.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import get_args

import torch
from torch import Tensor, nn

from qaconv_ext import __version__, backend
from qaconv_ext._library import LIBRARY
from qaconv_ext.backend import KERNELS, REFERENCE, Operators
from qaconv_ext.narrow import Precision, why_slow

# Seconds that timing may take for each backend.
_BUDGET = 0.4
# Float32 results against the reference in float64, relative to the largest.
_TOLERANCE = 1e-5


def main() -> int:
    """Print the table; 0 where everything that can run here agrees with the reference."""
    failed = False
    for title, rows in (
        ("versions", _versions()),
        ("compiled", _compiled()),
        ("runs here", _runs_here()),
    ):
        _section(title, rows)
    print("\nself-check against the reference in float64, and speed (C=128, hw=24x8, 16x16 maps)")
    for name, device, operators in _backends():
        wrong = _errors(operators, device)
        speed = _speed(operators, device)
        failed |= wrong > _TOLERANCE
        verdict = "agrees" if wrong <= _TOLERANCE else "WRONG"
        print(f"  {name:18} {verdict}: largest error {wrong:.1e}; {speed:.1f} GFLOP/s")
    if failed:
        print("\nA result is wrong: please report this table.")
    return int(failed)


def _section(title: str, rows: Iterator[tuple[str, str]]) -> None:
    print(f"\n{title}" if title != "versions" else title)
    for name, value in rows:
        print(f"  {name:18} {value}")


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _versions() -> Iterator[tuple[str, str]]:
    yield "qaconv-ext", __version__
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield "torch", f"{torch.__version__} (CUDA {torch.version.cuda or 'none'})"
    yield "numpy", _installed("numpy")
    yield "torchvision", _installed("torchvision") + " (wanted by `qaconv train`)"


def _compiled() -> Iterator[tuple[str, str]]:
    if not LIBRARY.loaded:
        yield "kernels", f"none: {LIBRARY.reason}"
        return
    slow = "; a debug build, without optimization: slow" if LIBRARY.debug else ""
    yield "C++", f"compiler {LIBRARY.compiler}, instruction sets {LIBRARY.simd}{slow}"
    if LIBRARY.cuda:
        yield "CUDA", f"toolkit {LIBRARY.cuda}, architectures {LIBRARY.cuda_architectures}"
    else:
        yield "CUDA", "left out: no nvcc was found when this was installed (or QACONV_CUDA=0)"
    if LIBRARY.version != __version__:
        yield "mismatch", f"kernels are of {LIBRARY.version}, Python of {__version__}: reinstall"


def _runs_here() -> Iterator[tuple[str, str]]:
    if LIBRARY.loaded:
        levels = backend.simd_levels()
        used = backend.simd_level()
        others = ", ".join(level for level in levels if level != used)
        missing = ", ".join(level for level in LIBRARY.simd.split() if level not in levels)
        forced = " (QACONV_SIMD_LEVEL)" if "QACONV_SIMD_LEVEL" in os.environ else ""
        yield (
            "cpu kernels",
            f"yes: {used}{forced}"
            + (f"; also here: {others}" if others else "")
            + (f"; this processor has no {missing}" if missing else ""),
        )
    else:
        yield "cpu kernels", "no: they were not compiled; reinstall with a C++ compiler"
    for precision in get_args(Precision):
        slow = why_slow(precision)
        yield f"{precision} winners", f"no: {slow}" if slow else "yes (evaluation.precision)"
    reason = _why_no_cuda()
    text = os.environ.get("QACONV_CUDA_VARIANT")
    forced = "" if text is None else f" (QACONV_CUDA_VARIANT={text})"
    yield (
        "cuda kernels",
        f"no: {reason}" if reason else f"yes: {torch.cuda.get_device_name()}{forced}",
    )
    yield "reference", "yes: plain PyTorch, slow"
    yield "in use", f"backend {backend.get_backend()}, {torch.get_num_threads()} CPU threads"


def _why_no_cuda() -> str:
    """Why CUDA kernels will not run here; empty where they will."""
    if not LIBRARY.has_kernels_for("cuda"):
        return "they were not compiled"
    if torch.version.cuda is None:
        return "this torch is a CPU build"
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    compiled = LIBRARY.cuda_architectures.replace(" ptx", "").split()
    device = torch.cuda.get_device_capability()
    # Machine code runs on its major version from its minor on; PTX of the last on all after it.
    # With a letter both run on that version alone.
    runs = False
    for architecture in compiled:
        major, minor = map(int, architecture.rstrip("a").split("."))
        if architecture.endswith("a"):
            runs |= device == (major, minor)
        else:
            runs |= device[0] == major and device[1] >= minor
            runs |= architecture == compiled[-1] and device >= (major, minor)
    found = f"the device is {device[0]}.{device[1]}"
    return "" if runs else f"{found}; compiled: {LIBRARY.cuda_architectures}"


def _backends() -> Iterator[tuple[str, str, Operators]]:
    yield "reference on cpu", "cpu", REFERENCE
    if LIBRARY.loaded:
        yield f"cpu {backend.simd_level()}", "cpu", KERNELS
    if not _why_no_cuda():
        yield "cuda", "cuda", KERNELS


def _maps(count: int, locations: int, channels: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, channels, locations, generator=generator, dtype=torch.float64)
    return nn.functional.normalize(maps, dim=1)


def _errors(operators: Operators, device: str) -> float:
    """The largest relative error of scores, maxima and gradients on ragged maps."""
    probe, gallery = _maps(5, 35, 21, 0), _maps(4, 29, 21, 1)
    weight, other = torch.linspace(-1, 1, 35).double(), torch.linspace(0, 1, 29).double()

    def results(ops: Operators, dtype: torch.dtype, device: str) -> list[Tensor]:
        a, b = (maps.to(device, dtype).requires_grad_() for maps in (probe, gallery))
        w, v, bias = (t.to(device, dtype) for t in (weight, other, torch.ones(1)))
        scores = ops.match_scores(a, b, w, v, bias)
        maxima = ops.correlation_max(a, b)
        distances = ops.pairwise_distance(a, w, bias)
        gradients = torch.autograd.grad(
            scores.square().sum() + maxima[0].sum() + distances.sum(), (a, b)
        )
        return [t.detach().cpu().double() for t in (scores, *maxima[:2], distances, *gradients)]

    truth = results(REFERENCE, torch.float64, "cpu")
    got = results(operators, torch.float32, device)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(got, truth, strict=True))


def _speed(operators: Operators, device: str) -> float:
    """GFLOP/s of scores, the median of runs within the budget."""
    maps = _maps(16, 192, 128, 2).to(device, torch.float32)
    weight, bias = torch.ones(192, device=device), torch.zeros(1, device=device)

    def run() -> None:
        operators.match_scores(maps, maps, weight, weight, bias)
        if device == "cuda":
            torch.cuda.synchronize()

    with torch.no_grad():
        seconds = _median_seconds(run)
    return 2 * 16 * 16 * 192 * 192 * 128 / seconds / 1e9


def _median_seconds(run: Callable[[], None]) -> float:
    run()
    times: list[float] = []
    start = time.perf_counter()
    while not times or (time.perf_counter() - start < _BUDGET and len(times) < 20):
        before = time.perf_counter()
        run()
        times.append(time.perf_counter() - before)
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    sys.exit(main())
