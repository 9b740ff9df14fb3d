"""The figures as a table of text, while they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qaconv_ext.benchmark.limits import Limit
from qaconv_ext.benchmark.measure import Spread

LEGEND = (
    "max, amax: the formula in plain PyTorch, by einsum and modules; compiled: by torch.compile.\n"
    "Times faster: minimum, median, maximum of runs in turn; at most: what no kernel could pass,\n"
    "its multiplications alone at the measured peak. MiB: extra memory at its height."
)
HEADER = (
    f"{'case':25} {'shape':12} {'against':32} {'ms':>9} {'times faster':^20} {'at most':>8} "
    f"{'GFLOP/s':>8} {'MiB':>8}  error"
)


def _mebibytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 2**20:.1f}"


def rows(result: dict[str, Any]) -> Iterator[str]:
    """A case: our line, and one for each way it was timed against, or not."""
    yield (
        f"{result['case']:25} {result['shape']:12} {'':32} "
        f"{result['seconds']['median'] * 1e3:9.2f} {'':29} "
        f"{result['gflops']:8.1f} {_mebibytes(result['peak_extra_bytes']):>8}"
    )
    for name, other in result["baselines"].items():
        ratio = Spread(**other["times_faster"])
        at_most = "–" if other["at_most"] is None else f"{other['at_most']:.1f}"
        yield (
            f"{'':38} {name:32} {other['seconds']['median'] * 1e3:9.2f} "
            f"{ratio.minimum:6.1f} {ratio.median:6.1f} {ratio.maximum:6.1f} {at_most:>8} "
            f"{'':8} {_mebibytes(other['peak_extra_bytes']):>8}  {other['largest_error']:.1e}"
        )
    for name, reason in result["not_timed"].items():
        yield f"{'':38} {name:32} not timed: {reason}"


def limit_row(limit: Limit) -> str:
    """One ratio."""
    ratio = limit.ratio
    return (
        f"{limit.name:58} {ratio.minimum:7.3f} {ratio.median:7.3f} {ratio.maximum:7.3f}"
        f"  of {limit.against}"
    )
