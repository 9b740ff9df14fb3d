"""``python -m qaconv_ext.benchmark``: prove, then time; a table, and JSON where asked."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from qaconv_ext import backend
from qaconv_ext.benchmark.cases import Case, cases
from qaconv_ext.benchmark.limits import limits
from qaconv_ext.benchmark.measure import Spread, largest_error, peak_extra_bytes, time_in_turn
from qaconv_ext.benchmark.provenance import machine_slug, provenance

# Of float32 results, gradients included, relative to the largest of each.
LARGEST_ERROR = 1e-4


def measure(case: Case, device: str, budget: float) -> dict[str, Any]:
    """The figures of one case; raises where the ways do not agree."""
    result: dict[str, Any] = {"case": case.name, "shape": case.shape, "baselines": {}}
    for name, plain in case.baselines.items():
        error = largest_error(case.ours(), plain())
        if not error <= LARGEST_ERROR:
            raise SystemExit(
                f"{case.name} {case.shape}: differs from plain PyTorch ({name}) by {error:.2g} of "
                f"the largest value (allowed {LARGEST_ERROR:g}); what is wrong is not timed"
            )
        mine, other, ratio = time_in_turn(case.ours, plain, device, budget=budget)
        result["baselines"][name] = {
            "largest_error": error,
            "ours_seconds": mine.as_dict(),
            "seconds": other.as_dict(),
            "times_faster": ratio.as_dict(),
            "peak_extra_bytes": peak_extra_bytes(plain, device),
        }
    first = next(iter(result["baselines"].values()))
    result["seconds"] = first["ours_seconds"]
    result["gflops"] = case.operations / first["ours_seconds"]["median"] / 1e9
    result["peak_extra_bytes"] = peak_extra_bytes(case.ours, device)
    return result


def _mebibytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 2**20:.1f}"


def _rows(result: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{result['case']:18} {result['shape']:12} {'':5} "
        f"{result['seconds']['median'] * 1e3:9.1f} {'':20} "
        f"{result['gflops']:8.1f} {_mebibytes(result['peak_extra_bytes']):>8}"
    )
    for name, plain in result["baselines"].items():
        ratio = Spread(**plain["times_faster"])
        yield (
            f"{'':18} {'':12} {name:>5} {plain['seconds']['median'] * 1e3:9.1f} "
            f"{ratio.minimum:6.1f} {ratio.median:6.1f} {ratio.maximum:6.1f} "
            f"{'':8} {_mebibytes(plain['peak_extra_bytes']):>8}  {plain['largest_error']:.1e}"
        )


HEADER = (
    f"{'case':18} {'shape':12} {'':5} {'ms':>9} {'times faster':^20} "
    f"{'GFLOP/s':>8} {'MiB':>8}  error"
)


def main() -> int:
    """Run all cases; 0 where every one agreed with the plain formula."""
    parser = argparse.ArgumentParser(prog="python -m qaconv_ext.benchmark", description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument("--budget", type=float, default=5.0, help="seconds per case (default 5)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all")
    parser.add_argument("--json", metavar="FOLDER", help="write FOLDER/<machine>/matcher.json")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    backend.set_backend(arguments.device)  # never times the reference against itself
    print("max, amax: the formula in plain PyTorch, by einsum, max or amax, and modules, eager.")
    print(
        "Times faster: minimum, median, maximum of runs in turn. MiB: extra memory at its height."
    )
    print(HEADER)
    results = []
    for case in cases(arguments.device, quick=arguments.quick):
        results.append(measure(case, arguments.device, arguments.budget))
        print(*_rows(results[-1]), sep="\n", flush=True)
    ratios = []
    if arguments.device == "cpu":
        print("\nratios: minimum, median, maximum")
        for limit in limits(quick=arguments.quick, budget=arguments.budget):
            ratio = limit.ratio
            print(
                f"{limit.name:58} {ratio.minimum:7.3f} {ratio.median:7.3f} {ratio.maximum:7.3f}"
                f"  of {limit.against}",
                flush=True,
            )
            ratios.append(asdict(limit))
    if arguments.json:
        folder = Path(arguments.json) / machine_slug(arguments.device)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / "matcher.json"
        partial = target.with_suffix(".part")
        partial.write_text(
            json.dumps(
                {**provenance(arguments.device), "results": results, "ratios": ratios}, indent=1
            )
            + "\n"
        )
        os.replace(partial, target)
        print(f"written: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
