"""``qaconv match``: the score of two images, and why."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from qaconv_ext.correspondence import Correspondences, correspondences, ordinary_maximum
from qaconv_reid.build import Hardware, find_hardware, seed_everything
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.data import ImageDataset, Record, open_rgb
from qaconv_reid.models import FeatureMapNetwork, dense, extract_maps
from qaconv_reid.recipes.outputs import check_target
from qaconv_reid.recipes.probability import chance_of, score_words
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.reports import (
    MatchPicture,
    correspondence_picture,
    picture_format,
    save_picture,
    say,
    weights_table,
)
from qaconv_reid.restore import Foreign, restore

__all__ = ["Drawing", "match"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, and where."""

    file: Path | None = None
    """None draws nothing."""
    top: int | None = None
    """At most so many lines."""
    threshold: float = 0.0
    """No line for a smaller part of the score."""
    base: float | None = None
    """The maximum that says nothing; None for the mean of training."""

    def check(self) -> None:
        """That it can be drawn.

        Raises:
            ConfigError: a number is out of range, or the file's extension is of no image.
        """
        if self.top is not None and self.top < 0:
            raise ConfigError(f"--top: got {self.top}, wanted at least 0")
        if not 0 <= self.threshold < math.inf:
            raise ConfigError(f"--threshold: got {self.threshold}, wanted a number of at least 0")
        if self.base is not None and not math.isfinite(self.base):
            raise ConfigError(f"--base: got {self.base}, wanted a finite number")
        if self.file is not None:
            try:
                picture_format(self.file)
            except ValueError as error:
                raise ConfigError(f"--draw: {error}") from None
            if os.path.isdir(self.file.parent):  # else it is made
                check_target("--draw", self.file)


def match(
    probe: Path,
    gallery: Path,
    config: RunConfig,
    *,
    console: Console,
    untrained: bool = False,
    foreign: Foreign | None = None,
    drawing: Drawing | None = None,
) -> Correspondences:
    """Match two images, tell the score, draw why.

    Args:
        probe: an image file.
        gallery: another.
        config: of the run.
        console: for the score.
        untrained: take network and matcher as they are before training.
        foreign: take those of another program's checkpoint; ``config`` is its.
        drawing: what to draw; None draws nothing.

    Raises:
        ConfigError, DataError, CheckpointError: an option, an image or the checkpoint cannot be
            used.
    """
    drawing = drawing or Drawing()
    drawing.check()
    images = open_rgb(probe), open_rgb(gallery)
    if foreign is None and not untrained:
        RunFolder(config.directory).check_same(config)
    hardware = find_hardware(config.runtime)
    seed_everything(config.runtime.seed)
    models = restore(config, hardware.device, untrained=untrained, foreign=foreign)
    matcher = dense(models.matcher, "correspondences")
    if models.report is not None:
        console.print(weights_table(models.report))
    maps = _maps(models.network, (probe, gallery), config, hardware)
    base = ordinary_maximum(matcher) if drawing.base is None else drawing.base
    found = correspondences(matcher, maps[0], maps[1], base=base)
    trained = foreign is None and not untrained
    chance = chance_of(models, config, hardware, trained=trained)
    words = score_words(found.score, chance(found.score))
    against = sum(pair.contribution < 0 for pair in found.matches)
    lines = [
        words,
        f"{len(found.matches)} of {found.probe_heat.numel()} locations have a match that is each "
        f"other's best: {len(found.matches) - against} speak for it, {against} against",
    ]
    if drawing.file is not None:
        picture = MatchPicture(images, (probe.name, gallery.name), found, words)
        save_picture(
            correspondence_picture(picture, top=drawing.top, threshold=drawing.threshold),
            drawing.file,
        )
        lines.append(f"image in {drawing.file}")
    for line in lines:
        say(console, line)
    return found


def _maps(
    network: FeatureMapNetwork, files: Sequence[Path], config: RunConfig, hardware: Hardware
) -> Tensor:
    """``[images, C, h, w]`` on the device."""
    model = config.model
    images = ImageDataset([Record(path, 0) for path in files], model.height, model.width)
    pixels = torch.stack([images[i][0] for i in range(len(files))])
    return extract_maps(
        network,
        [(pixels, torch.arange(len(files)))],
        len(files),
        device=hardware.device,
        dtype=hardware.map_type,
        autocast=hardware.autocast,
        store=hardware.device,
    )
