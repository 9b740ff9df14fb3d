"""Feature maps and what is known of their images, in one file that other programs can read.

=========== ========================================================================
``maps``    ``[N, C, h, w]`` float32 or float16
``persons`` ``[N]`` int64
``cameras`` ``[N]`` int64; 0 where not known
``known``   ``[N]`` bool: whether the camera is known
``times``   ``[N]`` float64, seconds; NaN where not known
``paths``   N texts: in ``.npz`` an array, in ``.safetensors`` JSON among the metadata
=========== ========================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from qaconv_reid.evaluation.features import FeatureSet
from qaconv_reid.files import replaced

__all__ = ["FEATURE_FORMATS", "read_features", "write_features"]

#: Suffixes of the files.
FEATURE_FORMATS = (".safetensors", ".npz")


def write_features(path: Path, features: FeatureSet, paths: Sequence[Path]) -> None:
    """Write features; the file is replaced whole.

    Args:
        path: with one of the suffixes `FEATURE_FORMATS`, which decides the format.
        features: of N images.
        paths: of the N images.

    Raises:
        ValueError: the suffix is another, or ``paths`` are not N.
    """
    _check_suffix(path)
    if len(paths) != len(features):
        raise ValueError(f"paths: got {len(paths)}, wanted one for each of {len(features)} images")
    tensors = {
        "maps": features.maps.contiguous(),
        "persons": torch.tensor(features.persons, dtype=torch.int64),
        "cameras": torch.tensor([camera or 0 for camera in features.cameras], dtype=torch.int64),
        "known": torch.tensor([camera is not None for camera in features.cameras]),
        "times": torch.tensor(
            [math.nan if time is None else time for time in features.times], dtype=torch.float64
        ),
    }
    texts = [str(image) for image in paths]
    with replaced(path) as temporary:
        if path.suffix == ".npz":
            arrays: dict[str, Any] = {name: value.numpy() for name, value in tensors.items()}
            with temporary.open("wb") as file:
                np.savez(file, paths=np.array(texts), **arrays)
        else:
            save_file(tensors, temporary, metadata={"paths": json.dumps(texts)})


def read_features(path: Path) -> tuple[FeatureSet, list[Path]]:
    """What `write_features` wrote: the features, maps on the CPU, and the images' paths.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is none of these.
    """
    _check_suffix(path)
    try:
        tensors, texts = _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)
        known = tensors["known"].tolist()
        features = FeatureSet(
            maps=tensors["maps"],
            persons=tuple(tensors["persons"].tolist()),
            cameras=tuple(
                camera if sure else None
                for camera, sure in zip(tensors["cameras"].tolist(), known, strict=True)
            ),
            times=tuple(None if math.isnan(time) else time for time in tensors["times"].tolist()),
        )
    except (KeyError, SafetensorError) as error:
        raise ValueError(f"{path}: got a file without features: {error}") from error
    return features, [Path(text) for text in texts]


def _read_npz(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    with np.load(path, allow_pickle=False) as arrays:
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "paths"}
        return tensors, arrays["paths"].tolist()


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads((file.metadata() or {})["paths"])


def _check_suffix(path: Path) -> None:
    if path.suffix not in FEATURE_FORMATS:
        raise ValueError(f"path: got {path.name}, wanted one of {', '.join(FEATURE_FORMATS)}")
