"""``python -m qaconv_ext.benchmark``: prove, then time; a table, and JSON where asked."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from qaconv_ext import backend
from qaconv_ext.benchmark.case import Meter, measure
from qaconv_ext.benchmark.cases import cases
from qaconv_ext.benchmark.cuda_run import CudaRun
from qaconv_ext.benchmark.limits import fma_peak, limits
from qaconv_ext.benchmark.measure import wall_clock
from qaconv_ext.benchmark.report import HEADER, LEGEND, limit_row, rows
from qaconv_ext.benchmark.saved import Saved


def _best(peak: Callable[[], float]) -> Callable[[], float]:
    """The best so far: a peak measured in a busy moment is none."""
    seen: list[float] = []

    def best() -> float:
        seen.append(peak())
        return max(seen)

    return best


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m qaconv_ext.benchmark", description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument(
        "--budget", type=float, help="seconds per case and baseline (default 5; on CUDA 1)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=6.0,
        help="on CUDA: no other baseline begins later (default 6)",
    )
    parser.add_argument(
        "--only",
        choices=["kernels", "comparisons"],
        help="on CUDA: our kernels' shares of the card's ceilings, or baselines beside ours",
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all")
    parser.add_argument(
        "--json",
        metavar="FOLDER",
        help="write FOLDER/<machine>/matcher.json; with --only kernels.json, comparisons.json",
    )
    arguments = parser.parse_args()
    if arguments.only is not None and arguments.device != "cuda":
        parser.error(f"--only: got {arguments.only} on {arguments.device}, wanted --device cuda")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: got cuda, wanted a CUDA device that torch can use")
    if arguments.budget is None:
        arguments.budget = 1.0 if arguments.device == "cuda" else 5.0
    return arguments


def _command(words: list[str], folder: str | None) -> str:
    """As it was typed, but for where the file went on a machine that the reader does not have."""
    if folder is not None and Path(folder).is_absolute():
        words = [word.replace(folder, "FOLDER") for word in words]
    return " ".join(["python", "-m", "qaconv_ext.benchmark", *words])


def main() -> int:
    """Run all cases; 0 where ours agreed with the plain formula in every one."""
    arguments = _arguments()
    quick, budget = arguments.quick, arguments.budget
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    backend.set_backend(arguments.device)  # never times the reference against itself
    save = Saved(
        arguments.json,
        arguments.only or "matcher",
        command=_command(sys.argv[1:], arguments.json),
        device=arguments.device,
        quick=quick,
    )
    if arguments.device == "cuda":
        end = time.monotonic() + 60 * arguments.minutes
        CudaRun(save, quick=quick, budget=budget, end=end, only=arguments.only)()
    else:
        _measure_cpu(save, quick=quick, budget=budget)
    return 0


def _measure_cpu(save: Saved, *, quick: bool, budget: float) -> None:
    meter = Meter("cpu", wall_clock, _best(fma_peak))
    results: list[dict[str, Any]] = []
    ratios: list[dict[str, Any]] = []
    print(LEGEND, HEADER, sep="\n")
    for case in cases(quick=quick):
        results.append(measure(case, meter, budget))
        print(*rows(results[-1]), sep="\n", flush=True)
        save({"results": results, "ratios": ratios})
    print("\nratios: minimum, median, maximum")
    for limit in limits(quick=quick, budget=budget):
        print(limit_row(limit), flush=True)
        ratios.append(asdict(limit))
    save({"results": results, "ratios": ratios}, complete=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except backend.BackendError as error:  # nothing was compiled: say so, without a trace
        sys.exit(str(error))
