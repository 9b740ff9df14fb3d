"""``python -m qaconv_ext.benchmark``: prove, then time; a table, and JSON where asked."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from qaconv_ext import backend
from qaconv_ext.benchmark.cases import Case, cases
from qaconv_ext.benchmark.measure import Spread, largest_error, peak_extra_bytes, time_in_turn
from qaconv_ext.benchmark.provenance import machine_slug, provenance

# Of float32 results, gradients included, relative to the largest of each.
LARGEST_ERROR = 1e-4


def measure(case: Case, device: str, budget: float) -> dict[str, Any]:
    """The figures of one case; raises where the two ways do not agree."""
    error = largest_error(case.ours(), case.plain())
    if not error <= LARGEST_ERROR:
        raise SystemExit(
            f"{case.name} {case.shape}: differs from the plain formula by {error:.2g} of the "
            f"largest value (allowed {LARGEST_ERROR:g}); what is wrong is not timed"
        )
    ours, plain, ratio = time_in_turn(case.ours, case.plain, device, budget=budget)
    return {
        "case": case.name,
        "shape": case.shape,
        "largest_error": error,
        "seconds": {"ours": ours.as_dict(), "plain": plain.as_dict()},
        "times_faster": ratio.as_dict(),
        "gflops": case.operations / ours.median / 1e9,
        "peak_extra_bytes": {
            "ours": peak_extra_bytes(case.ours, device),
            "plain": peak_extra_bytes(case.plain, device),
        },
    }


def _row(result: dict[str, Any]) -> str:
    ratio = Spread(**result["times_faster"])
    memory = result["peak_extra_bytes"]
    both = [
        "      –" if value is None else f"{value / 2**20:7.1f}"
        for value in (memory["ours"], memory["plain"])
    ]
    seconds = result["seconds"]
    return (
        f"{result['case']:18} {result['shape']:12} "
        f"{seconds['ours']['median'] * 1e3:9.2f} {seconds['plain']['median'] * 1e3:9.2f} "
        f"{ratio.minimum:6.1f} {ratio.median:6.1f} {ratio.maximum:6.1f} "
        f"{result['gflops']:8.1f} {both[0]} {both[1]}  {result['largest_error']:.1e}"
    )


HEADER = (
    f"{'case':18} {'shape':12} {'ours ms':>9} {'plain ms':>9} {'times faster':^20} "
    f"{'GFLOP/s':>8} {'MiB':>7} {'plain':>7}  error"
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
    print("plain: the same formula in PyTorch, einsum and modules. Times faster: min median max.")
    print(HEADER)
    results = []
    for case in cases(arguments.device, quick=arguments.quick):
        results.append(measure(case, arguments.device, arguments.budget))
        print(_row(results[-1]), flush=True)
    if arguments.json:
        folder = Path(arguments.json) / machine_slug(arguments.device)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / "matcher.json"
        partial = target.with_suffix(".part")
        partial.write_text(
            json.dumps({**provenance(arguments.device), "results": results}, indent=1) + "\n"
        )
        os.replace(partial, target)
        print(f"written: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
