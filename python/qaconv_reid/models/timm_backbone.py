"""Any network of timm as a backbone: a convolutional map or the patch grid of a transformer.

The only file that imports timm (the extra ``timm``). Nothing is fetched: networks are built with
random weights, and local files are loaded by the same loader as every backbone's.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from qaconv_reid.models.backbones import Stage
from qaconv_reid.models.weights import LoadReport, load_weights

__all__ = ["TimmBackbone", "build_timm"]

#: An image that is not square and no multiple of 224: who takes it takes others as well.
_TRIAL = (128, 64)


class TimmBackbone(nn.Module):
    """One feature map of a network of timm, without what comes after it.

    Images are normalized as the network's published weights want them, and padded below and on the
    right to whole strides. Class and register tokens are left out of the map; position embeddings
    are resized to the size of the images at each call.

    Args:
        name: of the network in timm, with or without the tag of its weights.
        index: of the map among the network's features.
        stride: input pixels per location of that map.
        norm: whether the network's last norm is applied to it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, index: int, stride: int, *, norm: bool) -> None:
        super().__init__()
        self.name, self.index, self.stride, self.norm = name, index, stride, norm
        self.model = _create(name)
        whole = set(self.model.state_dict())
        self.model.prune_intermediate_layers([index], prune_norm=not norm, prune_head=True)
        #: Keys of the whole network that are not kept.
        self.behind = frozenset(whole - set(self.model.state_dict()))
        for part in ("mean", "std"):
            # As numbers of the program, not of a file: no part of the state.
            values = torch.tensor(self.model.pretrained_cfg[part]).view(3, 1, 1)
            self.register_buffer(part, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` in [0, 1] to ``[B, channels, ⌈H/stride⌉, ⌈W/stride⌉]``."""
        height, width = images.shape[2:]
        images = (images - self.mean) / self.std
        images = pad(images, (0, -width % self.stride, 0, -height % self.stride))
        maps: list[Tensor] = self.model.forward_intermediates(
            images,
            indices=[self.index],
            norm=self.norm,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        return maps[0]

    def load(self, path: Path, part: str | None = None) -> LoadReport:
        """Fill the network from a file of timm or of the network's own authors.

        Raises:
            ValueError: as `load_weights`.
        """
        return load_weights(self.model, path, ignore=self.behind, convert=self._convert, part=part)

    def _convert(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """By timm's own rules: names of the authors, position embeddings of another size."""
        rules = getattr(sys.modules[type(self.model).__module__], "checkpoint_filter_fn", None)
        if rules is None:
            return tensors
        with torch.device("meta"):  # asked for its shapes
            whole = _create(self.name)
        try:
            converted: dict[str, Tensor] = rules(dict(tensors), whole)
        except (AttributeError, KeyError, RuntimeError):
            # A file of another network: the names that do not fit say more than timm's failure.
            return tensors
        return converted


def build_timm(name: str, stage: str) -> tuple[TimmBackbone, Stage]:
    """A network of timm with random weights, cut after a feature map.

    Args:
        name: as ``timm.create_model`` takes it, such as ``vit_small_patch14_dinov2.lvd142m``.
        stage: ``last``; ``layer2``, ``layer3`` or ``layer4`` for the last map of stride 8, 16, 32;
            ``feature1`` to ``featureN`` for any, counted from the image on (blocks of a ViT).

    Raises:
        ValueError: no such network or stage, or one for images of a single size.
    """
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=1)
        proposal = f" (did you mean timm:{near[0]}?)" if near else ""
        raise ValueError(f"backbone: got 'timm:{name}', wanted a network of timm{proposal}")
    with torch.device("meta"):
        whole = _create(name)
    info = whole.feature_info
    strides = [feature["reduction"] for feature in getattr(info, "info", info)]
    index = _index(stage, strides)
    # The tokens of a transformer are of use after its last norm; maps of a pyramid go without.
    norm = len(set(strides)) == 1 and index == len(strides) - 1
    with torch.device("meta"):
        trial = TimmBackbone(name, index, strides[index], norm=norm).eval()
        rows, columns = (-(-side // trial.stride) for side in _TRIAL)
        try:
            maps = trial(torch.zeros(1, 3, *_TRIAL))
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"backbone: got 'timm:{name}', which does not take images of "
                f"{_TRIAL[0]} × {_TRIAL[1]}, wanted one for images of any size ({reason})"
            ) from error
    if maps.shape[2:] != (rows, columns):
        raise ValueError(
            f"backbone: got 'timm:{name}', which makes {list(maps.shape[2:])} of an image of "
            f"{_TRIAL[0]} × {_TRIAL[1]}, wanted a map of {rows} × {columns} locations"
        )
    backbone = TimmBackbone(name, index, strides[index], norm=norm)
    return backbone, Stage(stage, maps.shape[1], strides[index])


def _create(name: str) -> Any:
    """The whole network with random weights, for images of any size where it has a choice."""
    try:
        with torch.device("meta"):
            sized = hasattr(timm.create_model(name, pretrained=False), "dynamic_img_size")
        options: dict[str, Any] = {"dynamic_img_size": True} if sized else {}
        return timm.create_model(name, pretrained=False, **options)
    except RuntimeError as error:
        raise ValueError(f"backbone: got 'timm:{name}': {error}") from error


def _index(stage: str, strides: Sequence[int]) -> int:
    """The location of a stage among the features."""
    names = {f"feature{number}": number - 1 for number in range(1, len(strides) + 1)}
    # Of equal strides the last one stays.
    names |= {f"layer{n}": i for i, s in enumerate(strides) for n in (2, 3, 4) if s == 2 << n}
    names["last"] = len(strides) - 1
    if stage not in names:
        features = ", ".join(f"feature{i} (stride {s})" for i, s in enumerate(strides, 1))
        if len(set(strides)) == 1:
            features = f"feature1 to feature{len(strides)} (stride {strides[0]})"
        raise ValueError(f"stage: got {stage!r}, wanted last or one of {features}")
    return names[stage]
