"""Network and matcher as a training left them: a run's, or the authors' program's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from qaconv_reid.build import build_models
from qaconv_reid.config import ConfigError, RunConfig, load
from qaconv_reid.models import (
    AuthorsCheckpoint,
    FeatureMapNetwork,
    LoadReport,
    PairMatcher,
    check_fit,
    read_authors,
)
from qaconv_reid.training import SAVED_WEIGHTS, CheckpointError, checkpoint

__all__ = ["BEST", "CHECKPOINT", "Foreign", "Restored", "restore", "restore_foreign", "restore_run"]

#: Where the folder of a run keeps its weights: those it goes on from, and those of its best mAP.
CHECKPOINT = "checkpoint"
BEST = "best"


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """Two trained models on their device."""

    network: FeatureMapNetwork
    matcher: PairMatcher
    epochs: int
    """That they were trained for."""
    report: LoadReport | None = None
    """What was taken from another program's file."""


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """A checkpoint of the authors' program, and settings that fit it."""

    checkpoint: AuthorsCheckpoint
    config: RunConfig

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str]) -> Foreign:
        """Read a file and what its network is; ``overrides`` are settings beside that.

        Raises:
            CheckpointError: the file is no checkpoint of theirs.
            ConfigError: a setting is wrong or contradicts the file.
        """
        try:
            found = read_authors(path)
        except ValueError as error:
            raise CheckpointError(str(error)) from error
        name = re.sub(r"[^\w+-]", "-", path.name.partition(".")[0]) or "foreign"
        model = {"backbone": found.backbone, "neck_features": str(found.neck_features)}
        if found.stage is not None:
            model["stage"] = found.stage
        recognized = [f"model.{key}={value}" for key, value in model.items()]
        config = load(None, [f"name={name}", *recognized, *overrides])
        for key, value in model.items():
            if str(getattr(config.model, key)) != value:
                raise ConfigError(
                    f"model.{key}: got {getattr(config.model, key)}, wanted {value}, as in {path}"
                )
        return cls(found, config)


def restore(
    config: RunConfig,
    device: torch.device,
    *,
    untrained: bool = False,
    foreign: Foreign | None = None,
) -> Restored:
    """The models that a command was given: of a run, of another program, or as before training.

    Raises:
        ConfigError, CheckpointError: the settings cannot be used, or do not fit what lies there.
    """
    if foreign is not None:
        return restore_foreign(foreign, device)
    if untrained:
        network, matcher = build_models(config, device)
        return Restored(network, matcher, 0, network.pretrained)
    return restore_run(config.directory, config, device)


def restore_run(folder: Path, config: RunConfig, device: torch.device) -> Restored:
    """The models of a run's checkpoint, or of its best one, as the settings say.

    Raises:
        ConfigError, CheckpointError: the settings cannot be used, or do not fit what lies there.
    """
    network, matcher = build_models(config, device, pretrained=False)
    location = folder / (BEST if config.evaluation.weights == "best" else CHECKPOINT)
    saved = checkpoint.load(location, SAVED_WEIGHTS)
    try:
        for part, module in (("network", network), ("matcher", matcher)):
            check_fit(module.state_dict(), saved[part], part)
            module.load_state_dict(saved[part], strict=False)  # counters may be missing
    except ValueError as error:
        raise CheckpointError(f"{location}: does not fit the model: {error}") from None
    return Restored(network, matcher, saved["epoch"])


def restore_foreign(foreign: Foreign, device: torch.device) -> Restored:
    """The models of the authors' checkpoint.

    Raises:
        ConfigError: the image size of the settings does not give as many locations as its matcher
            has.
        CheckpointError: keys or shapes are not those of its own network.
    """
    found, model = foreign.checkpoint, foreign.config.model
    network, matcher = build_models(foreign.config, device, pretrained=False)
    rows, columns = network.map_size(model.height, model.width)
    if rows * columns != found.locations:
        raise ConfigError(
            f"model.height, model.width: got {model.height} × {model.width}, which is a map of "
            f"{rows}·{columns} locations, wanted {found.locations} locations, as in {found.path}"
            f"{_sizes(found.locations, network.stride)}"
        )
    try:
        report = found.fill(network, matcher, model.stage)
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    return Restored(network, matcher, found.epochs, report)


def _sizes(locations: int, stride: int) -> str:
    """Image sizes of a standing person that have so many locations."""
    fitting = [
        f"{rows * stride} × {locations // rows * stride}"
        for rows in range(1, locations + 1)
        if locations % rows == 0 and 1.5 <= rows * rows / locations <= 4
    ]
    return f" ({' or '.join(fitting)})" if fitting else ""
