"""``qaconv export``: a run as files of ONNX."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from qaconv_reid import matcher
from qaconv_reid.export import OPSETS, Exported, check
from qaconv_reid.files import expanded
from qaconv_reid.reports import say

__all__ = ["export"]


def export(run: str, folder: Path, *, opset: int | None, console: Console) -> Exported:
    """Write network and matcher, and tell how far they are from torch.

    Args:
        run: as `qaconv_reid.load` takes it.
        folder: where to.
        opset: of `qaconv_reid.export.OPSETS`; None for the first.
        console: for what is told.

    Raises:
        ConfigError, CheckpointError, ExportError: what cannot be used.
    """
    opset = OPSETS[0] if opset is None else opset
    check(expanded(folder), opset)
    done = matcher.load(run, device="cpu").export(folder, opset=opset)
    say(
        console,
        f"{done.folder}: network.onnx and matcher.onnx (opset {done.opset}, any number of images), "
        "head.npz, export.json",
        f"onnxruntime and torch differ by {done.map_difference:.1e} in maps and "
        f"{done.score_difference:.1e} in scores, in float32",
    )
    return done
