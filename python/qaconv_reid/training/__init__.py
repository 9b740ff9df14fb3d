"""The training of a network and its matcher on batches drawn by a sampler."""

from qaconv_reid.training.checkpoint import CheckpointError
from qaconv_reid.training.composition import CompositionReport
from qaconv_reid.training.division import check_divisible
from qaconv_reid.training.images import TrainingImages, hold_back, join, take_identities
from qaconv_reid.training.meter import EpochReport
from qaconv_reid.training.saved import SAVED_RUN, SAVED_WEIGHTS
from qaconv_reid.training.trainer import Trainer
from qaconv_reid.training.watch import CollapsedError

__all__ = [
    "SAVED_RUN",
    "SAVED_WEIGHTS",
    "CheckpointError",
    "CollapsedError",
    "CompositionReport",
    "EpochReport",
    "Trainer",
    "TrainingImages",
    "check_divisible",
    "hold_back",
    "join",
    "take_identities",
]
