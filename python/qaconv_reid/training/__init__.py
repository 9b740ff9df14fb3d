"""The training of a network and its matcher on batches drawn by a sampler."""

from qaconv_reid.training.checkpoint import CheckpointError
from qaconv_reid.training.images import TrainingImages, join
from qaconv_reid.training.tally import EpochReport
from qaconv_reid.training.trainer import Trainer

__all__ = ["CheckpointError", "EpochReport", "Trainer", "TrainingImages", "join"]
