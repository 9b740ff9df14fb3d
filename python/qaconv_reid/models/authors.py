"""The checkpoints of QAConv's authors: network and matcher of a whole run.

Their release 2.1 writes ``checkpoint.pth.tar`` with ``model`` (``base.*``: the whole ResNet, also
what lies behind the cut; ``neck_conv.*``) and ``criterion`` (``matcher.*``), each perhaps below
``module.``; earlier releases have another neck and another head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qaconv_reid.models.backbones import BACKBONES, keys_behind
from qaconv_reid.models.layouts import state_dict_in
from qaconv_reid.models.weight_file import read_weight_file
from qaconv_reid.models.weights import LoadReport, check_fit

__all__ = ["AuthorsCheckpoint", "read_authors"]

_BACKBONE = "base."
_NECK = "neck_conv."
_MATCHER = "matcher."


@dataclass(frozen=True, slots=True, eq=False)
class AuthorsCheckpoint:
    """A run of the authors' program, and the network that it is of."""

    path: Path
    backbone: str
    """A name of `BACKBONES`, recognized by key names and shapes."""
    stage: str | None
    """The stage whose maps the neck takes; None without a neck, which leaves no trace of it."""
    neck_features: int
    """Channels after the neck; 0 without one."""
    locations: int
    """Locations of a map, h·w: the matcher has a weight for each."""
    epochs: int
    """That were finished."""
    network: Mapping[str, Tensor]
    """By the names of `FeatureMapNetwork`, with what lies behind the cut."""
    matcher: Mapping[str, Tensor]
    """By the names of `QAConv`."""
    renamed: Mapping[str, str]
    """For each name of the network its name in the file."""
    left_out: tuple[str, ...]
    """What else the file holds."""

    def fill(self, network: nn.Module, matcher: nn.Module, stage: str) -> LoadReport:
        """Fill both, completely or not at all.

        Args:
            network: a `FeatureMapNetwork` of this backbone, cut after ``stage``, with this neck.
            matcher: a `QAConv` of as many locations.
            stage: where the network is cut.

        Raises:
            ValueError: the keys or shapes of one of them are not those of the file.
        """
        behind = {f"backbone.{key}" for key in keys_behind(self.backbone, stage)}
        given = {name: value for name, value in self.network.items() if name not in behind}
        failure = f"{self.path}: does not fit the"
        check_fit(network.state_dict(), given, f"{failure} network")
        check_fit(matcher.state_dict(), self.matcher, f"{failure} matcher")
        network.load_state_dict(given, strict=False)
        matcher.load_state_dict(self.matcher, strict=False)
        heads = [f"{_MATCHER}{name}" for name in self.matcher]
        return LoadReport(
            self.path,
            "QAConv's authors",
            (*given, *heads),
            tuple((self.renamed[name], name) for name in given),
            (*(self.renamed[name] for name in self.network if name in behind), *self.left_out),
        )


def read_authors(path: Path) -> AuthorsCheckpoint:
    """Recognize a checkpoint of the authors' program.

    Args:
        path: of their ``checkpoint.pth.tar``.

    Raises:
        ValueError: the file cannot be read, is of another program or of a release before 2.1, or
            its backbone is none of ours.
    """
    document = read_weight_file(path)
    criterion = document.get("criterion")
    tensors, beside = state_dict_in(document, path)
    names = {name.removeprefix("module."): name for name in tensors}
    if not isinstance(criterion, Mapping) or not any(n.startswith(_BACKBONE) for n in names):
        raise ValueError(
            f"{path}: got a file without a matcher, wanted a checkpoint of QAConv's authors "
            "(model with base.*, criterion with matcher.*); others can be model.weights"
        )
    heads = {
        str(name).removeprefix("module."): value
        for name, value in criterion.items()
        if isinstance(value, Tensor)
    }
    matcher = {
        name.removeprefix(_MATCHER): value
        for name, value in heads.items()
        if name.startswith(_MATCHER)
    }
    if "neck_bn.weight" in names or "fc.weight" not in matcher:
        raise ValueError(
            f"{path}: got a checkpoint of a release before 2.1 (its head weighs both directions "
            "apart, its neck has a batch norm), wanted one of 2.1"
        )
    renamed = {_our_name(plain): name for plain, name in names.items() if _our_name(plain)}
    network = {ours: tensors[name] for ours, name in renamed.items()}
    left_out = [name for plain, name in names.items() if not _our_name(plain)]
    left_out += [f"criterion.{name}" for name in heads if not name.startswith(_MATCHER)]
    left_out += [name for name in beside if name != "criterion"]
    neck = network.get("neck.weight")
    backbone = _recognize(network, path)
    return AuthorsCheckpoint(
        path,
        backbone,
        None if neck is None else _stage(backbone, neck.shape[1], path),
        0 if neck is None else neck.shape[0],
        matcher["fc.weight"].shape[1],
        _count(document.get("epoch")),
        network,
        matcher,
        renamed,
        tuple(left_out),
    )


def _our_name(plain: str) -> str:
    """The name within `FeatureMapNetwork`; nothing for what it has not."""
    if plain.startswith(_BACKBONE):
        return f"backbone.{plain.removeprefix(_BACKBONE)}"
    return f"neck.{plain.removeprefix(_NECK)}" if plain.startswith(_NECK) else ""


def _recognize(network: Mapping[str, Tensor], path: Path) -> str:
    """The backbone that has these keys and shapes; its classifier may be for any classes."""
    prefix = "backbone."
    given = {n.removeprefix(prefix): v.shape for n, v in network.items() if n.startswith(prefix)}
    for name, backbone in BACKBONES.items():
        with torch.device("meta"):  # names and shapes only
            whole = {key: value.shape for key, value in backbone.build().state_dict().items()}
        numbers = {k for k in whole if not k.endswith("num_batches_tracked")}
        if numbers <= given.keys() <= whole.keys() and all(
            given[key] == whole[key] for key in numbers if not key.startswith("fc.")
        ):
            return name
    raise ValueError(f"{path}: got a backbone that is none of {', '.join(BACKBONES)}")


def _stage(backbone: str, channels: int, path: Path) -> str:
    for name, stage in BACKBONES[backbone].stages.items():
        if stage.channels == channels:
            return name
    raise ValueError(
        f"{path}: got a neck of {channels} channels, and no stage of {backbone} has so"
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
