"""The feature maps of images, as a run's settings say."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from qaconv_reid.config import RunConfig
from qaconv_reid.data import Record
from qaconv_reid.evaluation import extract
from qaconv_reid.models import Progress
from qaconv_reid.recipes.build import Hardware

__all__ = ["feature_maps"]


def feature_maps(
    network: nn.Module,
    records: Sequence[Record],
    config: RunConfig,
    hardware: Hardware,
    progress: Progress,
    what: str,
) -> Tensor:
    """``[images, C, h, w]`` in the order of ``records``; ``what`` stands beside the progress."""
    return extract(
        network,
        records,
        config.model.height,
        config.model.width,
        batch=config.evaluation.batch_size,
        device=hardware.device,
        dtype=hardware.map_type,
        autocast=hardware.autocast,
        workers=config.runtime.workers,
        progress=progress,
        what=what,
    ).maps
