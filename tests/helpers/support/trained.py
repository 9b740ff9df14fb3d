"""The folder of a run that was never trained: small random models, saved as a training saves."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from qaconv_ext.qaconv import QAConv
from qaconv_reid.build import build_models
from qaconv_reid.config import CONFIG_FILE, load, to_toml
from qaconv_reid.models import FeatureMapNetwork
from qaconv_reid.restore import CHECKPOINT
from qaconv_reid.training import checkpoint

HEIGHT, WIDTH = 64, 32
BACKBONE = "resnet18_ibn_b"


def write_run(folder: Path, *, seed: int = 5, epochs: int = 3) -> tuple[FeatureMapNetwork, QAConv]:
    """Write it; maps are ``[16, 4, 2]``. The models that were written."""
    config = load(
        None,
        [
            f"name={folder.name}",
            f"output={folder.parent}",
            f"model.backbone={BACKBONE}",
            "model.neck_features=16",
            f"model.height={HEIGHT}",
            f"model.width={WIDTH}",
            "runtime.workers=0",
        ],
    )
    torch.manual_seed(seed)
    network, matcher = build_models(config, torch.device("cpu"))
    for parameter in matcher.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    matcher.bn.running_mean.fill_(0.3)
    matcher.logit_bn.running_mean.fill_(9.0)
    folder.mkdir(parents=True)
    (folder / CONFIG_FILE).write_text(to_toml(config))
    checkpoint.save(
        folder / CHECKPOINT,
        {"network": network.state_dict(), "matcher": matcher.state_dict(), "epoch": epochs},
    )
    return network, matcher
