"""What a run on a GPU does, in the order of its worth: a time limit may cut the end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from qaconv_ext.benchmark.case import Meter, measure, prove
from qaconv_ext.benchmark.ceilings import measure_again, measure_ceilings
from qaconv_ext.benchmark.cuda_cases import cuda_cases
from qaconv_ext.benchmark.cuda_clock import Bursts, CudaClock
from qaconv_ext.benchmark.cuda_meter import gpu_facts, last_variant
from qaconv_ext.benchmark.cuda_peers import one_direction_figures
from qaconv_ext.benchmark.cuda_shares import KernelFigures
from qaconv_ext.benchmark.figures import Figure
from qaconv_ext.benchmark.limits import cold_start
from qaconv_ext.benchmark.report import (
    FIGURE_HEADER,
    HEADER,
    LEGEND,
    ceiling_row,
    figure_row,
    limit_row,
    rows,
    verdict_row,
)
from qaconv_ext.benchmark.saved import Saved
from qaconv_ext.benchmark.targets import verdicts


class CudaRun:
    """Measures, prints and saves after each figure."""

    def __init__(
        self, save: Saved, *, quick: bool, budget: float, end: float, only: str | None
    ) -> None:
        self._save, self._quick, self._budget, self._end = save, quick, budget, end
        self._only = only
        self._bursts = Bursts(samples=2, least=0.0) if quick else Bursts()
        self._clock = CudaClock()
        self._figures: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []
        self._ratios: list[dict[str, Any]] = []
        self._ceilings = measure_ceilings(self._bursts, quick=quick)
        print(*(f"{key} {value}" for key, value in gpu_facts().items()), sep=", ")
        print(ceiling_row(self._ceilings), flush=True)

    def __call__(self) -> None:
        """All, or the one part.

        Raises:
            SystemExit: our numbers were wrong somewhere; the file stays marked as incomplete.
        """
        if self._only != "comparisons":
            self._kernels()
        if self._only != "kernels":
            self._comparisons()
        self._finish()

    def _kernels(self) -> None:
        print(FIGURE_HEADER)
        self._take(KernelFigures(self._ceilings, self._bursts, self._clock, quick=self._quick))

    def _comparisons(self) -> None:
        for case in cuda_cases(quick=self._quick):
            prove(case)  # all of ours, before any time is spent
        print(FIGURE_HEADER)
        self._take(one_direction_figures(self._ceilings, self._bursts, quick=self._quick))
        meter = Meter(
            "cuda",
            self._clock,
            lambda: self._ceilings.float16_product.median,
            least_runs=3 if self._quick else 5,
            warm_up=True,
            variant=last_variant,
            end=self._end,
        )
        print(LEGEND, HEADER, sep="\n")
        for case in cuda_cases(quick=self._quick):
            self._results.append(measure(case, meter, self._budget))
            print(*rows(self._results[-1]), sep="\n", flush=True)
            self._keep()
        print("\nratios: minimum, median, maximum")
        if self._quick or time.monotonic() > self._end:
            print(f"a first call not taken: {'--quick' if self._quick else 'the time was up'}")
        else:
            limit = cold_start("cuda")
            print(limit_row(limit))
            self._ratios.append(asdict(limit))

    def _finish(self) -> None:
        measure_again(self._ceilings, self._bursts, quick=self._quick)
        print("\n" + ceiling_row(self._ceilings))
        print("\nfigures to reach" + (", at sizes that say nothing" if self._quick else ""))
        for verdict in verdicts(self._figures, self._results, self._only):
            print(verdict_row(verdict))
        wrong = [f"{f['name']} {f['shape']}: {f['why_not']}" for f in self._figures if f["wrong"]]
        self._keep(complete=not wrong)
        if wrong:
            raise SystemExit("\n".join([*wrong, "what is wrong is not timed"]))

    def _take(self, figures: Iterable[Figure]) -> None:
        for figure in figures:
            self._figures.append(figure.as_dict())
            print(figure_row(figure), flush=True)
            self._keep()

    def _keep(self, *, complete: bool = False) -> None:
        found = verdicts(self._figures, self._results, self._only)
        self._save(
            {
                "ceilings": self._ceilings.as_dict(),
                "targets": [asdict(verdict) for verdict in found],
                "figures": self._figures,
                "results": self._results,
                "ratios": self._ratios,
            },
            complete=complete,
        )
