"""Layouts of checkpoints: who wrote a file is told by its key names, and they become ours.

To add one: a line of `LAYOUTS`, before those that would take its files for theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from qaconv_reid.models.parts import Part
from qaconv_reid.models.weight_file import read_weight_file

__all__ = [
    "LAYOUTS",
    "Layout",
    "NamedWeights",
    "name_weights",
    "named_part",
    "read_weights",
    "state_dict_in",
]


@dataclass(frozen=True, slots=True)
class Layout:
    """How some program names the tensors of a network."""

    name: str
    """Whose files these are, for people."""
    recognize: Callable[[Collection[str]], bool]
    """Whether key names (without ``module.``) are of this layout."""
    rename: Callable[[str], str | None]
    """The key name within the backbone; None for what is not the backbone's."""


@dataclass(frozen=True, slots=True, eq=False)
class NamedWeights:
    """The tensors of a file under the backbone's key names."""

    layout: str
    """Name of the layout that was recognized."""
    tensors: Mapping[str, Tensor]
    sources: Mapping[str, str]
    """For each of them its name in the file."""
    left_out: tuple[str, ...]
    """Names in the file of what is not the backbone's: heads, optimizer, …"""


def _below(prefix: str) -> Callable[[str], str | None]:
    return lambda name: name.removeprefix(prefix) if name.startswith(prefix) else None


def _any_below(prefix: str) -> Callable[[Collection[str]], bool]:
    return lambda names: any(name.startswith(prefix) for name in names)


def _has(*wanted: str) -> Callable[[Collection[str]], bool]:
    return lambda names: all(name in names for name in wanted)


def _same(name: str) -> str:
    return name


# In the flat layout convolution, norm and ReLU6 of a block count on in one sequence; torchvision
# nests each such triple, except the last, which has no ReLU6. Block 1 does not expand.
_FLAT_NAME = re.compile(r"features\.(\d+)\.conv\.(\d)\.(\w+)")
_NESTED_FIRST = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
_NESTED = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}


def _from_flat_mobilenet(name: str) -> str:
    flat = _FLAT_NAME.fullmatch(name)
    if flat is None:
        return name
    location = (_NESTED_FIRST if flat[1] == "1" else _NESTED).get(flat[2])
    return name if location is None else f"features.{flat[1]}.conv.{location}.{flat[3]}"


# EfficientNet-PyTorch counts the blocks of all stages on; timm counts within a stage.
_BLOCKS_OF_LITE0 = (1, 2, 2, 3, 3, 4, 1)
_COUNTED_BLOCK = re.compile(r"_blocks\.(\d+)\.(.+)")
_PARTS = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"}
_NORMS = {"_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"}
# The first block does not widen: what it has takes the names that come first.
_FIRST_PARTS = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def _from_efficientnet_pytorch(name: str) -> str | None:
    block = _COUNTED_BLOCK.fullmatch(name)
    if block is None:
        part, _, rest = name.partition(".")
        return f"{_OUTER[part]}.{rest}" if part in _OUTER else None
    number, stage = int(block[1]), 0
    while stage < len(_BLOCKS_OF_LITE0) and number >= _BLOCKS_OF_LITE0[stage]:
        number -= _BLOCKS_OF_LITE0[stage]
        stage += 1
    part, _, rest = block[2].partition(".")
    ours = _FIRST_PARTS if stage == 0 else _PARTS | _NORMS
    return f"blocks.{stage}.{number}.{ours.get(part, part)}.{rest}"


LAYOUTS: tuple[Layout, ...] = (
    Layout("QAConv's authors", _any_below("base."), _below("base.")),
    Layout("qaconv", _any_below("network.backbone."), _below("network.backbone.")),
    Layout("fast-reid", _any_below("backbone."), _below("backbone.")),
    Layout("MobileNetV2, flat", _has("features.2.conv.0.weight"), _from_flat_mobilenet),
    Layout("EfficientNet-PyTorch", _has("_conv_stem.weight"), _from_efficientnet_pytorch),
    Layout("torchreid", _has("layer1.0.conv1.weight", "classifier.weight"), _same),
    Layout("IBN-Net", lambda names: any(".IN." in name for name in names), _same),
    Layout("torchvision", _has("layer1.0.conv1.weight"), _same),
    Layout("torchvision", _has("features.0.0.weight"), _same),
    Layout("plain", lambda names: True, _same),
)
"""Every layout; the first that recognizes the names is taken."""

#: Where programs put the state_dict within what they save.
_WRAPPERS = (
    "state_dict",
    "model",
    "model_state_dict",
    "state_dict_ema",
    "model_ema",
    "teacher",
    "student",
    "net",
    "network",
)


def read_weights(path: Path) -> NamedWeights:
    """The tensors of a weight file on the CPU, under the key names of our backbones.

    A ``{"state_dict": ...}`` or the like around them and a ``module.`` before every name are taken
    off, and names of other programs (`LAYOUTS`) become those of torchvision or IBN-Net.

    Args:
        path: as `read_weight_file` takes it.

    Raises:
        ValueError: the file cannot be read, or is not a state_dict, or holds more than tensors.
    """
    return name_weights(read_weight_file(path), path)


def name_weights(document: Mapping[str, Any], path: Path) -> NamedWeights:
    """As `read_weights`, of what the file holds.

    Raises:
        ValueError: it is no state_dict, or holds more than tensors.
    """
    tensors, beside = state_dict_in(document, path)
    names = {_plain(name, tensors): name for name in tensors}
    layout = next(layout for layout in LAYOUTS if layout.recognize(names))
    sources: dict[str, str] = {}
    left_out: list[str] = []
    for plain, name in names.items():
        ours = layout.rename(plain)
        if ours is None:
            left_out.append(name)
        else:
            sources[ours] = name
    return NamedWeights(
        layout.name,
        {ours: tensors[name] for ours, name in sources.items()},
        sources,
        (*left_out, *beside),
    )


def named_part(part: Part, keys: Mapping[str, Tensor]) -> NamedWeights:
    """The tensors of a part of a file, which has the backbone's own names below a prefix.

    Args:
        part: of the file.
        keys: the backbone's.
    """
    below = {
        name.removeprefix(part.prefix): name
        for name in part.tensors
        if name.startswith(part.prefix)
    }
    plain = {_plain(name, part.tensors): name for name in part.tensors}
    layout = next(layout for layout in LAYOUTS if layout.recognize(plain))
    first = next(iter(keys))
    source = _plain(f"{part.prefix}{first}", part.tensors)
    name = layout.name
    if layout.rename(source) != first:
        name = next(layout for layout in LAYOUTS if layout.recognize(below)).name
        name = f"{name}, below {part.name}"
    left_out = [name for name in part.tensors if name not in below.values()]
    return NamedWeights(
        name,
        {ours: part.tensors[name] for ours, name in below.items()},
        below,
        (*left_out, *part.beside),
    )


def state_dict_in(document: Mapping[str, Any], path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The state_dict within what a file holds, and what else lies beside it.

    Raises:
        ValueError: there is something else than tensors in it, or nothing.
    """
    inner: Mapping[Any, Any] = document
    beside: list[str] = []
    for wrapper in _WRAPPERS:
        value = document.get(wrapper)
        if isinstance(value, Mapping) and value:
            inner = value
            beside = [name for name in document if name != wrapper]
            break
    for name, value in inner.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"weights: got {type(value).__name__} under {name!r} in {path}, wanted a tensor"
            )
    return {str(name): value for name, value in inner.items()}, beside


def _plain(name: str, names: Collection[str]) -> str:
    wrapped = all(other.startswith("module.") for other in names)
    return name.removeprefix("module.") if wrapped else name
