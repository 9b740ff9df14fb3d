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
from qaconv_ext.benchmark.limits import Limit, fma_peak, limits
from qaconv_ext.benchmark.measure import wall_clock
from qaconv_ext.benchmark.provenance import machine, machine_slug, provenance
from qaconv_ext.benchmark.report import HEADER, LEGEND, limit_row, rows


def _write(folder: Path, data: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "matcher.json"
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
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all")
    parser.add_argument("--json", metavar="FOLDER", help="write FOLDER/<machine>/matcher.json")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: got cuda, wanted a CUDA device that torch can use")
    if arguments.budget is None:
        arguments.budget = 1.0 if arguments.device == "cuda" else 5.0
    return arguments


def main() -> int:
    """Run all cases; 0 where ours agreed with the plain formula in every one."""
    arguments = _arguments()
    quick, budget = arguments.quick, arguments.budget
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    backend.set_backend(arguments.device)  # never times the reference against itself
    if arguments.device == "cuda":
        end = time.monotonic() + 60 * arguments.minutes
        meter, all_cases, all_limits = _on_cuda(quick, budget, end)
    else:
        meter, all_cases, all_limits = _on_cpu(quick, budget)
    command = " ".join(["python", "-m", "qaconv_ext.benchmark", *sys.argv[1:]])
    started = provenance(command, arguments.device)
    folder = Path(arguments.json) / machine_slug(arguments.device) if arguments.json else None
    results: list[dict[str, Any]] = []
    ratios: list[dict[str, Any]] = []

    def save(*, complete: bool) -> None:
        if folder is not None:
            facts = dict(started)
            if complete:
                # Clocks are then those of a device that has worked. The rest is of the beginning:
                # by now the file itself is a change of the checkout.
                facts["machine"] = machine(arguments.device)
            figures = {"complete": complete, "results": results, "ratios": ratios}
            target = _write(folder, {**facts, "quick": quick, **figures})
            if complete:
                print(f"written: {target}")

    print(LEGEND, HEADER, sep="\n")
    for case in all_cases:
        results.append(measure(case, meter, budget))
        print(*rows(results[-1]), sep="\n", flush=True)
        save(complete=False)
    print("\nratios: minimum, median, maximum")
    for limit in all_limits:
        print(limit_row(limit), flush=True)
        ratios.append(asdict(limit))
    save(complete=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except backend.BackendError as error:  # nothing was compiled: say so, without a trace
        sys.exit(str(error))
