"""Whether several processes can divide a run among them."""

from __future__ import annotations

from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.ranks import Ranks

__all__ = ["check_divisible"]


def check_divisible(config: RunConfig, ranks: Ranks) -> None:
    """That these processes can divide a run among them.

    Raises:
        ConfigError: a batch norm in training mode would see a part of a batch, or a process none.
    """
    model, batch = config.model, config.sampler.batch_size
    if ranks.size > 1 and (model.neck_norm or not model.freeze_backbone_norms):
        raise ConfigError(
            "model.neck_norm, model.freeze_backbone_norms: got batch norms in training mode and "
            f"{ranks.size} processes, wanted one process, or neck_norm=false and "
            "freeze_backbone_norms=true"
        )
    if batch < ranks.size:
        raise ConfigError(
            f"sampler.batch_size: got {batch} for {ranks.size} processes, wanted an image for each"
        )
