"""What other programs save, made from our own models: their names, and all that lies beside."""

from __future__ import annotations

from typing import Any

import torch

from qaconv_ext.qaconv import QAConv
from qaconv_reid.models import BACKBONES, FeatureMapNetwork


def authors_document(
    network: FeatureMapNetwork, matcher: QAConv, backbone: str, epoch: int = 3
) -> dict[str, Any]:
    """What release 2.1 of QAConv's authors saves at the end of an epoch.

    Args:
        network: of that backbone.
        matcher: its head.
        backbone: a ResNet of `BACKBONES`; theirs holds the whole of it, also behind the cut.
        epoch: finished epochs.
    """
    model = {
        f"base.{key}": value for key, value in BACKBONES[backbone].build().state_dict().items()
    }
    for key, value in network.backbone.state_dict().items():
        model[f"base.{key}"] = value
    for key, value in network.neck.state_dict().items():
        model[f"neck_conv.{key}"] = value
    weights = list(network.parameters())
    optimizer = torch.optim.SGD(weights[:2], lr=0.005, momentum=0.9)
    return {
        "model": model,
        "criterion": {f"matcher.{key}": value for key, value in matcher.state_dict().items()},
        "optim": optimizer.state_dict(),
        "epoch": epoch,
        "final_epochs": 60,
        "base_loss": None if epoch < 2 else 12.5,
        "lr_stepped": False,
    }
