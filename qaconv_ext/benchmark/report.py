"""The figures as a table of text, while they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qaconv_ext.benchmark.ceilings import Ceilings
from qaconv_ext.benchmark.figures import Figure
from qaconv_ext.benchmark.limits import Limit
from qaconv_ext.benchmark.measure import Spread
from qaconv_ext.benchmark.targets import Verdict

LEGEND = (
    "max, amax: the formula in plain PyTorch, by einsum and modules; compiled: by torch.compile.\n"
    "Times faster: minimum, median, maximum of runs in turn; at most: what no kernel could pass,\n"
    "its multiplications alone at the measured peak. MiB: extra memory at its height."
)
HEADER = (
    f"{'case':25} {'shape':12} {'against':32} {'ms':>9} {'times faster':^20} {'at most':>8} "
    f"{'GFLOP/s':>8} {'MiB':>8}  error"
)
FIGURE_HEADER = (
    f"{'kernel and maps':64} {'ms, median (min – max)':>27} {'TFLOP/s':>8} "
    f"{'of the ceiling':>22}  variant"
)


def _mebibytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 2**20:.1f}"


def rows(result: dict[str, Any]) -> Iterator[str]:
    """A case: our line, and one for each baseline, timed or not."""
    yield (
        f"{result['case']:25} {result['shape']:12} {result.get('variant') or '':32} "
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


def ceiling_row(ceilings: Ceilings) -> str:
    """What the card can do."""
    half, full, copied = (
        ceilings.float16_product,
        ceilings.float32_product,
        ceilings.copied_bytes,
    )
    at_work = ", ".join(f"{key} {value}" for key, value in ceilings.at_work.items())
    end = ceilings.float16_product_at_end
    again = "" if end is None else f", at the end {end.median / 1e12:.1f}"
    return (
        f"matrix product: float16 {half.median / 1e12:.1f} TFLOP/s (best {half.maximum / 1e12:.1f}"
        f"{again}), float32 {full.median / 1e12:.1f}; copy {copied.median / 1e9:.0f} GB/s; "
        f"at work: {at_work or 'nothing tells'}"
    )


def amount(value: float, unit: str) -> str:
    """A figure in its unit."""
    if unit == "share":
        return f"{value * 100:.1f} %"
    return f"{value:.3g} s" if unit == "s" else f"{value:.3g} ×"


def _spread(value: Spread, unit: str) -> str:
    low, high = amount(value.minimum, unit), amount(value.maximum, unit)
    return f"{amount(value.median, unit)} ({low.split()[0]} – {high.split()[0]})"


def figure_row(figure: Figure) -> str:
    """One kernel on one shape."""
    name = f"{figure.name} {figure.shape}"
    start = f"{name:64}"
    if figure.value is None or figure.seconds is None:
        return f"{start} not taken: {figure.why_not}"
    times = figure.seconds.times(1e3)
    milliseconds = f"{times.median:.4g} ({times.minimum:.4g} – {times.maximum:.4g})"
    rate = "" if figure.tflops is None else f"{figure.tflops:.1f}"
    value = _spread(figure.value, figure.unit)
    return f"{start} {milliseconds:>27} {rate:>8} {value:>22}  {figure.variant or '–'}"


def verdict_row(verdict: Verdict) -> str:
    """A figure to reach."""
    bound = "at most" if verdict.at_most else "at least"
    wanted = f"{bound} {amount(verdict.wanted, verdict.unit)}"
    start = f"{verdict.what:62} {wanted:16}"
    if verdict.measured is None:
        return f"{start} not measured: {verdict.remark}"
    value = _spread(Spread(**verdict.measured), verdict.unit)
    return f"{start} {value:>22} {'met' if verdict.met else 'MISSED':6}  {verdict.remark}"
