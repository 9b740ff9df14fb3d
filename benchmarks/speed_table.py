"""The kernels beside plain PyTorch and the packages of others, as the README's table.

``render.py`` puts it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ROWS", "speed_table"]

#: File of benchmarks/results -> the device, and its rows: case, shape, what a reader knows it as.
ROWS: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "amd-epyc-2-threads/matcher.json": (
        "CPU",
        [
            ("qaconv_eval", "P=64 G=64", "scores, 64 × 64 images"),
            ("nearest_classes", "N=512 k=31", "all distances of 512 classes"),
            ("qaconv_train_step", "B=64", "training step, 64 images"),
        ],
    ),
    "nvidia-h100-80gb-hbm3/comparisons.json": (
        "H100",
        [
            ("qaconv_eval float16", "P=256 G=256", "scores, 256 × 256 images"),
            ("nearest_classes float16", "N=1024 k=31", "all distances of 1,024 classes"),
            ("score_gradients float16", "P=64 G=64", "scores and gradients, 64 × 64"),
            ("qaconv_train_step float16", "B=256", "training step, 256 images"),
            ("qaconv_train_step float16", "B=64", "training step, 64 images"),
        ],
    ),
}


def speed_table(read: Callable[[str], Mapping[str, Any]]) -> list[str]:
    """At most eight rows, and where they are from in a line.

    Args:
        read: from the name of a file to its content.

    Raises:
        SystemExit: a file has no such case.
    """
    lines = [
        "",
        "| | ours, ms | plain PyTorch takes (ms) | a package takes (ms) "
        "| MiB: ours | PyTorch | package |",
        "|---|---|---|---|---|---|---|",
    ]
    origins = []
    for name, (device, rows) in ROWS.items():
        data = read(name)
        lines += [
            f"| {device}: {what} | {_cells(_found(data, name, case, shape))} |"
            for case, shape, what in rows
        ]
        origins.append(_origin(device, data))
    return [
        *lines,
        "",
        f"{'; '.join(origins)}. Beside ours: the fastest of its kind. A ratio is of runs in turn "
        "with ours, which took a little more or less then than in the first column.",
    ]


def _found(data: Mapping[str, Any], name: str, case: str, shape: str) -> Mapping[str, Any]:
    found = [it for it in data["results"] if (it["case"], it["shape"]) == (case, shape)]
    if found:  # of several, the one that was set beside most
        return max(found, key=lambda it: len(it["baselines"]))
    raise SystemExit(f"{name}: got no case {case} of {shape}, wanted one for the README's table")


def _cells(result: Mapping[str, Any]) -> str:
    plain, package = (_fastest(result, packages) for packages in (False, True))
    cells = [_milliseconds(result)]
    cells += [_ratio(*plain, result["case"]), _ratio(*package, result["case"])]
    memory = [result, plain[1], package[1]]
    return " | ".join(
        [
            *cells,
            *("–" if of is None else f"{of['peak_extra_bytes'] / 2**20:,.0f}" for of in memory),
        ]
    )


def _fastest(result: Mapping[str, Any], packages: bool) -> tuple[str, Mapping[str, Any] | None]:
    """Of plain PyTorch, compiled or not, or of the packages; an empty name and None without one."""
    kind = {n: b for n, b in result["baselines"].items() if (b["kind"] == "package") == packages}
    return min(kind.items(), key=lambda item: item[1]["seconds"]["median"], default=("", None))


def _ratio(name: str, baseline: Mapping[str, Any] | None, case: str) -> str:
    """How many times as long as ours, with what it was where that is not plain from the table."""
    if baseline is None:
        return "–"
    remark = ""
    if baseline["kind"] == "package":
        remark = f", {name.split()[0]}"
    elif "float16" in case and "float16" not in name:
        remark = ", in float32"
    times = baseline["times_faster"]["median"]
    return f"**{times:.1f} ×** ({_milliseconds(baseline)}{remark})"


def _milliseconds(timed: Mapping[str, Any]) -> str:
    median = 1e3 * timed["seconds"]["median"]
    return f"{median:#.3g}".rstrip(".") if median < 1000 else f"{median:,.0f}"


def _origin(device: str, data: Mapping[str, Any]) -> str:
    machine = data["machine"]
    where = machine.get("gpu") or f"{machine['processor']}, {machine['threads']} threads"
    dtype = "float16" if "gpu" in machine else "float32"
    return f"{device}: {where}, {dtype}, commit `{data['commit'][:7]}`, {data['made'][:10]}"
