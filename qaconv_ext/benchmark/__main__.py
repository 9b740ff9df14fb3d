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
from qaconv_ext.benchmark.case import Case, Meter, measure
from qaconv_ext.benchmark.cases import cases
from qaconv_ext.benchmark.limits import Limit, fma_peak, limits
from qaconv_ext.benchmark.measure import wall_clock
from qaconv_ext.benchmark.provenance import machine_slug, provenance
from qaconv_ext.benchmark.report import HEADER, LEGEND, limit_row, rows


def _write(folder: Path, data: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "matcher.json"
    partial = target.with_suffix(".part")
    partial.write_text(json.dumps(data, indent=1) + "\n")
    os.replace(partial, target)
    return target


def _on_cpu(quick: bool, budget: float) -> tuple[Meter, Iterator[Case], Iterator[Limit]]:
    meter = Meter("cpu", wall_clock, fma_peak)
    return meter, cases(quick=quick), limits(quick=quick, budget=budget)


def main() -> int:
    """Run all cases; 0 where ours agreed with the plain formula in every one."""
    parser = argparse.ArgumentParser(prog="python -m qaconv_ext.benchmark", description=__doc__)
    parser.add_argument("--device", choices=["cpu"], default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument("--budget", type=float, default=5.0, help="seconds per case (default 5)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all")
    parser.add_argument("--json", metavar="FOLDER", help="write FOLDER/<machine>/matcher.json")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    backend.set_backend(arguments.device)  # never times the reference against itself
    meter, all_cases, all_limits = _on_cpu(arguments.quick, arguments.budget)
    print(LEGEND, HEADER, sep="\n")
    results = []
    for case in all_cases:
        results.append(measure(case, meter, arguments.budget))
        print(*rows(results[-1]), sep="\n", flush=True)
    print("\nratios: minimum, median, maximum")
    ratios = []
    for limit in all_limits:
        print(limit_row(limit), flush=True)
        ratios.append(asdict(limit))
    if arguments.json:
        facts = provenance(arguments.device)
        folder = Path(arguments.json) / machine_slug(arguments.device)
        print(f"written: {_write(folder, {**facts, 'results': results, 'ratios': ratios})}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
