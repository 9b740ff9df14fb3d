"""Network and matcher as two files of ONNX, for a program without torch: the extra ``export``.

The matcher is written with plain operators, as the formula stands in `qaconv_ext.reference`: a
runtime of ONNX does not know the kernels. It makes the correlations of all pairs of a call, so a
call should have few of them; `qaconv_ext`'s own path on numpy arrays makes none.
"""

from __future__ import annotations

import copy
import importlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from qaconv_ext.qaconv import QAConv
from qaconv_reid.files import check_replaceable, replaced
from qaconv_reid.models import FeatureMapNetwork

__all__ = ["OPSETS", "ExportError", "Exported", "Preprocessing", "export_onnx"]

#: The first is what torch writes; it converts to the later ones.
OPSETS = range(18, 24)

_FORMAT = 1
_NETWORK, _MATCHER, _HEAD, _ABOUT = "network.onnx", "matcher.onnx", "head.npz", "export.json"
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
#: Greatest difference to torch in float32: of a number of a map, whose locations have length 1,
#: and of a score for each unit of the sum of the weights. A wrong graph is wrong by far more.
_TOLERANCE = 1e-4


class ExportError(ValueError):
    """The files cannot be written, or do not compute what they should; the message says why."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What an image has to go through before the network."""

    height: int
    width: int
    channels: str = "RGB"
    scale: float = 1 / 255
    """Of the bytes of an image; then mean and std, which change nothing: what a backbone wants
    beside this is a part of the network's file."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    resize: str = "bicubic with antialiasing, as of Pillow, to bytes; none where the size fits"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how far it is from torch on random images."""

    folder: Path
    opset: int
    map_difference: float
    """Of the numbers of maps, the greatest, in float32."""
    score_difference: float
    """Of scores, the greatest, in float32."""


class PlainScores(nn.Module):
    """`QAConv` in evaluation mode as operators that every runtime knows.

    Args:
        matcher: whose folded head is taken.
    """

    probe_weight: Tensor
    gallery_weight: Tensor
    bias: Tensor

    def __init__(self, matcher: QAConv) -> None:
        super().__init__()
        for name, part in _head(matcher).items():
            self.register_buffer(name, part.float())

    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """``[P, G]`` of float32 maps ``[P, C, h, w]`` and ``[G, C, h, w]``."""
        channels, locations = probe.shape[1], len(self.probe_weight)
        rows = probe.flatten(2).transpose(1, 2).reshape(-1, channels)
        columns = gallery.flatten(2).permute(1, 0, 2).reshape(channels, -1)
        # Not len(): it would fix the number for good.
        scores = (rows @ columns).reshape(-1, locations, gallery.shape[0], locations)
        # Not by a product with the vector: onnxruntime 1.32 fuses the transposition of the one
        # plane into it and gives other numbers.
        over_gallery = (scores.amax(3) * self.probe_weight[:, None]).sum(1)
        over_probe = (scores.amax(1) * self.gallery_weight).sum(2)
        return over_gallery + over_probe + self.bias


def _head(matcher: QAConv) -> dict[str, Tensor]:
    """The folded head, in float64: a weight for each location of either side."""
    weight, bias = (part.detach().cpu() for part in matcher.folded())
    sides = weight.reshape(-1, matcher.height * matcher.width)
    return {"probe_weight": sides[0], "gallery_weight": sides[-1], "bias": bias}


def export_onnx(
    network: FeatureMapNetwork,
    matcher: QAConv,
    folder: Path,
    *,
    preprocessing: Preprocessing,
    provenance: Mapping[str, Any],
    calibration: Mapping[str, float] | None = None,
    opset: int = OPSETS[0],
) -> Exported:
    """Write both, compare both with torch, and only then put them in their places.

    Args:
        network: as it is, in float32; not changed.
        matcher: of the same training.
        folder: made if it is not there; former files of these names are replaced.
        preprocessing: for the files.
        provenance: for the files: numbers and texts.
        calibration: slope and offset of the log odds, where there is one.
        opset: version of ONNX's operators, one of `OPSETS`.

    Raises:
        ExportError: a package is missing, the opset or the folder cannot be used, an operator of
            the network cannot be written, or onnxruntime computes something else.
    """
    check(folder, opset)
    # A copy: the caller's device, type and mode stay.
    network = copy.deepcopy(network).float().cpu().eval()
    matcher = copy.deepcopy(matcher).float().cpu().eval()
    scores = PlainScores(matcher)
    about = {
        "format": _FORMAT,
        "opset": opset,
        "preprocessing": asdict(preprocessing),
        "provenance": dict(provenance),
        "calibration": None if calibration is None else dict(calibration),
    }
    generator = torch.Generator().manual_seed(0)
    shape = preprocessing.height, preprocessing.width
    images = torch.rand(3, 3, *shape, generator=generator)
    with torch.no_grad():
        maps = network(images)
    # Also maps that are nothing like each other.
    noise = normalize(torch.randn(5, *maps.shape[1:], generator=generator), dim=1)
    pair = (maps, torch.cat([maps, noise]))
    with replaced(folder / _NETWORK) as first, replaced(folder / _MATCHER) as second:
        _write(network, (images,), (("images", "batch"),), "maps", first, opset, about)
        names = (("probe", "probes"), ("gallery", "gallery"))
        _write(scores, pair, names, "scores", second, opset, about)
        map_difference = max(
            _difference(first, network, {"images": images[:count]}) for count in (3, 1)
        )
        score_difference = max(
            _difference(second, matcher, {"probe": pair[0][:p], "gallery": pair[1][:g]})
            for p, g in ((3, 8), (1, 1), (2, 7))
        )
        scale = max(1.0, float(scores.probe_weight.abs().sum() + scores.gallery_weight.abs().sum()))
        for what, found, most in (
            ("maps", map_difference, _TOLERANCE),
            ("scores", score_difference, _TOLERANCE * scale),
        ):
            if not found <= most:
                raise ExportError(
                    f"{folder}: {what} of onnxruntime differ from torch's by {found:.2g}, wanted "
                    f"at most {most:.2g}: nothing was written"
                )
    about["parity"] = {"maps": map_difference, "scores": score_difference}
    sides = _head(matcher)
    with replaced(folder / _HEAD) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            probe_weight=sides["probe_weight"].numpy(),
            gallery_weight=sides["gallery_weight"].numpy(),
            bias=sides["bias"].numpy(),
        )
    with replaced(folder / _ABOUT) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return Exported(folder, opset, map_difference, score_difference)


def check(folder: Path, opset: int) -> None:
    """That it can be done, before a model is read; the folder is made.

    Raises:
        ExportError: it cannot.
    """
    if opset not in OPSETS:
        raise ExportError(f"opset: got {opset}, wanted {OPSETS[0]} to {OPSETS[-1]}")
    for name in _PACKAGES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ExportError(
                f"{error.name} is not installed, wanted for ONNX: pip install 'qaconv-ext[export]'"
            ) from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (_NETWORK, _MATCHER, _HEAD, _ABOUT):
            check_replaceable(folder / name)
    except OSError as error:
        raise ExportError(
            f"{folder}: got {error.strerror}, wanted a folder that can be written to"
        ) from None


def _write(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: tuple[tuple[str, str], ...],
    output: str,
    file: Path,
    opset: int,
    about: Mapping[str, Any],
) -> None:
    """One file; the first dimension of each input can have any size, by the name given."""
    sizes = tuple({0: torch.export.Dim(size)} for _, size in inputs)
    with _quiet():
        try:
            program = torch.onnx.export(
                module.eval(),
                example,
                dynamo=True,
                input_names=[name for name, _ in inputs],
                output_names=[output],
                dynamic_shapes=sizes,
                opset_version=opset,
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            reason = str(error.__cause__ or error).strip().partition("\n")[0]
            raise ExportError(f"{output}: cannot be written as ONNX: {reason}") from error
    assert program is not None
    got = program.model.opset_imports[""]
    if got != opset:
        raise ExportError(
            f"opset: got {opset}, which torch {torch.__version__} cannot convert to (it wrote "
            f"{got}), wanted {got}"
        )
    for key, value in about.items():
        program.model.metadata_props[f"qaconv.{key}"] = json.dumps(value)
    program.save(str(file))


def _difference(file: Path, module: nn.Module, inputs: Mapping[str, Tensor]) -> float:
    """The greatest between onnxruntime and torch; NaN where one is not finite."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    with torch.no_grad():
        wanted = module(*inputs.values()).numpy()
    return float(np.abs(found - wanted).max())


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of its own steps, which say nothing of the result."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
