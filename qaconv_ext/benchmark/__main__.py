"""``python -m qaconv_ext.benchmark``: prove, then time; a table, and JSON where asked."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from qaconv_ext import backend
from qaconv_ext.benchmark.case import Case, Meter, measure, prove
from qaconv_ext.benchmark.cases import cases
from qaconv_ext.benchmark.cuda_cases import cuda_cases, cuda_limits
from qaconv_ext.benchmark.cuda_meter import CudaClock, tensor_peak
from qaconv_ext.benchmark.kernel_figures import KernelFigures, ceilings, row
from qaconv_ext.benchmark.limits import Limit, fma_peak, limits
from qaconv_ext.benchmark.measure import wall_clock
from qaconv_ext.benchmark.provenance import machine, machine_slug, provenance
from qaconv_ext.benchmark.report import HEADER, LEGEND, limit_row, rows


def _write(folder: Path, name: str, data: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    partial = target.with_suffix(".part")
    partial.write_text(json.dumps(data, indent=1) + "\n")
    os.replace(partial, target)
    return target


def _best(peak: Callable[[], float]) -> Callable[[], float]:
    """The best so far: a peak measured in a busy moment is none."""
    seen: list[float] = []

    def best() -> float:
        seen.append(peak())
        return max(seen)

    return best


def _on_cpu(quick: bool, budget: float) -> tuple[Meter, Iterator[Case], Iterator[Limit]]:
    meter = Meter("cpu", wall_clock, _best(fma_peak))
    return meter, cases(quick=quick), limits(quick=quick, budget=budget)


def _on_cuda(
    quick: bool, budget: float, end: float
) -> tuple[Meter, Iterator[Case], Iterator[Limit]]:
    clock = CudaClock()
    runs = 3 if quick else 5
    meter = Meter(
        "cuda",
        clock,
        _best(lambda: tensor_peak(clock, quick=quick)),
        least_runs=runs,
        warm_up=True,
        end=end,
    )
    for case in cuda_cases(quick=quick):
        prove(case)  # all of ours, before any time is spent
    return meter, cuda_cases(quick=quick), cuda_limits(clock, quick=quick, budget=budget)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m qaconv_ext.benchmark", description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument(
        "--budget", type=float, help="seconds per case and way (default 5; on CUDA 1)"
    )
    parser.add_argument(
        "--minutes", type=float, default=6.0, help="on CUDA: no other way begins later (default 6)"
    )
    parser.add_argument(
        "--only",
        choices=["kernels", "comparisons"],
        help="on CUDA: the kernels by themselves, or beside other ways (default: both)",
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all")
    parser.add_argument("--json", metavar="FOLDER", help="write FOLDER/<machine>/*.json")
    arguments = parser.parse_args()
    if arguments.only is not None and arguments.device != "cuda":
        parser.error(f"--only: got {arguments.only} with --device cpu, wanted --device cuda")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: got cuda, wanted a CUDA device that torch can use")
    if arguments.budget is None:
        arguments.budget = 1.0 if arguments.device == "cuda" else 5.0
    return arguments


class _Saved:
    """A file of figures that is whole at any moment, with where they come from."""

    def __init__(self, arguments: argparse.Namespace, name: str) -> None:
        command = " ".join(["python", "-m", "qaconv_ext.benchmark", *sys.argv[1:]])
        self.device, self.quick, self.name = arguments.device, arguments.quick, name
        self.started = provenance(command, arguments.device)
        self.folder = None
        if arguments.json:
            self.folder = Path(arguments.json) / machine_slug(arguments.device)

    def save(self, figures: dict[str, Any], *, complete: bool) -> None:
        """Write what there is."""
        if self.folder is None:
            return
        facts = dict(self.started)
        if complete:
            # Clocks are then those of a device that has worked. The rest is of the beginning: by
            # now the file itself is a change of the checkout.
            facts["machine"] = machine(self.device)
        data = {**facts, "quick": self.quick, "complete": complete, **figures}
        target = _write(self.folder, self.name, data)
        if complete:
            print(f"written: {target}")


def _measure_kernels(arguments: argparse.Namespace) -> None:
    """The kernels by themselves, against what the card can do."""
    saved = _Saved(arguments, "kernels.json")
    clock = CudaClock()
    kernels = KernelFigures(clock, quick=arguments.quick)
    limits = ceilings(kernels, clock, quick=arguments.quick)
    product, copy = limits["matrix_product_flops"], limits["copy_bytes_per_second"]
    facts = machine(arguments.device)
    print(*(f"{key} {value}" for key, value in facts.items()), sep=", ")
    print(
        f"float16 matrix product {product['median'] / 1e12:.0f} TFLOP/s "
        f"(best {product['maximum'] / 1e12:.0f}), copy {copy['median'] / 1e12:.2f} TB/s"
    )
    figures: list[dict[str, Any]] = []
    for figure in kernels.all():
        figures.append(figure.as_dict())
        print(row(figure), flush=True)
        saved.save({"ceilings": limits, "figures": figures}, complete=False)
    saved.save({"ceilings": limits, "figures": figures}, complete=True)
    del kernels
    torch.cuda.empty_cache()


def main() -> int:
    """Run all cases; 0 where ours agreed with the plain formula in every one."""
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    backend.set_backend(arguments.device)  # never times the reference against itself
    if arguments.device == "cuda" and arguments.only != "comparisons":
        _measure_kernels(arguments)
    if arguments.only != "kernels":
        _measure_comparisons(arguments)
    return 0


def _measure_comparisons(arguments: argparse.Namespace) -> None:
    """Our ways beside others to the same numbers."""
    quick, budget = arguments.quick, arguments.budget
    if arguments.device == "cuda":
        end = time.monotonic() + 60 * arguments.minutes
        meter, all_cases, all_limits = _on_cuda(quick, budget, end)
    else:
        meter, all_cases, all_limits = _on_cpu(quick, budget)
    saved = _Saved(arguments, "matcher.json")
    results: list[dict[str, Any]] = []
    ratios: list[dict[str, Any]] = []

    print(LEGEND, HEADER, sep="\n")
    for case in all_cases:
        results.append(measure(case, meter, budget))
        print(*rows(results[-1]), sep="\n", flush=True)
        saved.save({"results": results, "ratios": ratios}, complete=False)
    print("\nratios: minimum, median, maximum")
    for limit in all_limits:
        print(limit_row(limit), flush=True)
        ratios.append(asdict(limit))
    saved.save({"results": results, "ratios": ratios}, complete=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except backend.BackendError as error:  # nothing was compiled: say so, without a trace
        sys.exit(str(error))
