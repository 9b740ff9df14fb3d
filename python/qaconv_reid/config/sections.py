"""Every setting: its type, its bounds, its default and what it means.

The defaults are the setting of Liao & Shao, *Graph Sampling Based Deep Metric Learning for
Generalizable Person Re-Identification*, CVPR 2022 (arXiv 2104.01546), section 4.2, as corrected by
release 2.1 of the authors' code.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

__all__ = [
    "AugmentationConfig",
    "DataConfig",
    "EvaluationConfig",
    "LossConfig",
    "MatcherConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "RuntimeConfig",
    "SamplerConfig",
    "ScheduleConfig",
    "StartConfig",
]


def _one_or_many(value: object) -> object:
    """A single data set may be written without the brackets of a list."""
    return (value,) if isinstance(value, str) else value


#: Of images, identities, epochs: more than there are anywhere, and far from where numbers end.
_MOST = 10**9

Count = Annotated[int, Field(gt=0, le=_MOST)]
CountOrNone = Annotated[int, Field(ge=0, le=_MOST)]
"""A number of things; 0 for none of them."""
Batch = Annotated[int, Field(gt=0, le=2**20)]
"""Things at a time."""
Pixels = Annotated[int, Field(gt=0, le=2**13)]
"""A side of an image."""
Amount = Annotated[float, Field(ge=0, le=1e6)]
"""Epochs, minutes."""

#: Bytes that a run's name may take: names of files are made from it, of at most 255.
_LONGEST_NAME = 200


def _wanted(text: str) -> PydanticCustomError:
    """A refusal that says what is wanted, as those of pydantic do."""
    return PydanticCustomError("wanted", "{wanted}", {"wanted": text})


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[\w.+-]*[\w+-]", name) or len(os.fsencode(name)) > _LONGEST_NAME:
        raise _wanted(
            f"a name of letters, digits and _.+-, not ending in a dot, of at most {_LONGEST_NAME} "
            "bytes"
        )
    return name


def _check_device(device: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", device):
        raise _wanted("auto, cpu, cuda or cuda:NUMBER")
    return device


def _check_place(place: object) -> object:
    # An empty text would be the folder one stands in, which nobody means by it.
    if place == "" or "\0" in str(place):
        raise _wanted("a folder")
    return place


def _check_text(text: str) -> str:
    if not text or "\0" in text:
        raise _wanted("a text, not empty and without a NUL byte")
    return text


def _check_specs(specs: tuple[str, ...]) -> tuple[str, ...]:
    if any(not spec or "\0" in spec for spec in specs):
        raise _wanted("PATH or LAYOUT:PATH, or several in a list")
    return specs


Text = Annotated[str, AfterValidator(_check_text)]
DatasetSpecs = Annotated[
    tuple[str, ...], BeforeValidator(_one_or_many), AfterValidator(_check_specs)
]


class _Section(BaseModel):
    # The docstring below a field is its meaning: in the schema, and in `qaconv config`.
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth(cls, value: object, info: ValidationInfo) -> object:
        """True is 1 for Python, and a slip for whoever writes settings."""
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and field.annotation is not bool:
            raise _wanted("a value of its type, not true or false")
        return value


class DataConfig(_Section):
    """The data sets; all of them are loaded and checked before anything is built."""

    train: DatasetSpecs = ()
    """Trained on together."""
    persons: Literal["apart", "joined"] = "apart"
    """Of several training sets: equal numbers are different identities, or one (virtual people)."""
    balanced: bool = False
    """Of several training sets: batches take equally from all, whatever their sizes. False takes
    from a set as many as it has. Of graph sampling it is the anchors that are taken."""
    test: DatasetSpecs = ()
    """Evaluated one by one when the training is over."""
    combine_all: bool = False
    """Train on query and gallery images as well ("MSMT17 (all)")."""
    identities: CountOrNone = 0
    """Train on so many of the identities, always the same ones, and a smaller number a part of a
    larger; of several sets in turn. 0 for all."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training identities that are held back, to be evaluated on while training."""
    pattern: Text | None = None
    """Reads any folders (sets without ``LAYOUT:``): a regular expression that is searched for in
    each path below, with the group ``(?P<pid>…)``; of cam, time, frame, track what is there."""
    broken: Literal["stop", "skip"] = "stop"
    """Images that cannot be read: stop there; or skip, count and say them (docs/datasets.md)."""
    cache: Literal["auto", "device", "memory", "disk", "off"] = "auto"
    """Where decoded and resized training images are kept: on the training device, in memory, in a
    file for later runs too, or not; auto: device, else memory, if they take under a quarter."""
    cache_folder: Annotated[Path, BeforeValidator(_check_place)] | None = None
    """Of cache=disk; None for qaconv/images in the user's cache."""


class AugmentationConfig(_Section):
    """How training images are changed at random, each by its own draws; 0 (factors: 1) is off."""

    padding: Annotated[int, Field(ge=0, le=2**13)] = 10
    """Black pixels on each side before the crop, for an image 128 wide: scaled with the width."""
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of a horizontal flip."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 5.0
    """Largest angle, in degrees."""
    brightness: Annotated[float, Field(ge=1, le=1000)] = 2.0
    """Largest factor b; it is uniform in [1/b, b]."""
    contrast: Annotated[float, Field(ge=1, le=1000)] = 2.0
    """Largest factor, as that of brightness."""
    saturation: Annotated[float, Field(ge=1, le=1000)] = 2.0
    """Largest factor, as that of brightness."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest turn of the hue, as a fraction of the circle."""
    occlusion: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Largest side of a white square, as a fraction of the shorter side of the image."""
    from_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Off until the accuracy of 50 batches has passed this (release 1.2: 0.6); 0 from the start."""


class ModelConfig(_Section):
    """Backbone, neck and input size."""

    backbone: Text = "resnet50_ibn_b"
    """A network of the table in docs/models.md, or ``timm:NAME`` (the extra ``timm``)."""
    stage: Text = "layer3"
    """The backbone is cut after this stage: ``layer2``, ``layer3``, ``layer4`` for one place of the
    map in 8, 16, 32 pixels; of timm also ``last`` and ``feature1``, ``feature2``, …"""
    neck_features: Annotated[int, Field(ge=0, le=2**13)] = 128
    """Channels of the feature maps; 0 keeps the backbone's own."""
    neck_norm: bool = False
    """A batch norm behind the neck, which then has no bias, as before the authors' release 2.1;
    without a neck, behind the backbone."""
    freeze_backbone_norms: bool = True
    """The backbone's batch norms keep the pretrained statistics; false as before release 2.1."""
    weights: Text | None = None
    """Pretrained weights of the backbone: a local file of any layout in docs/models.md, or
    ``package:NAME`` for one in an installed package, or ``auto`` for whatever is installed for this
    backbone; where it is not set, random numbers."""
    part_of_weights: Text | None = None
    """Of a file that has the backbone several times: the name below which it is meant, such as
    ``teacher`` or ``state_dict.module.encoder_q``."""
    height: Pixels = 384
    """Pixels of the input image, from top to bottom."""
    width: Pixels = 128
    """Pixels of the input image, from left to right."""


class MatcherConfig(_Section):
    """How two feature maps are compared."""

    kind: Literal["qaconv", "stripes", "pooled"] = "qaconv"
    """``qaconv``: every position of one with every position of the other; ``stripes``: the cosine
    of the means of their rows; ``pooled``: the cosine of their means. The graph takes it too."""
    norm: bool = False
    """stripes, pooled: vectors are batch-normalized and then compared (BNNeck)."""
    separate_weights: bool = False
    """qaconv: weights of their own for the positions of either side, from a random start, as before
    the authors' release 2.1."""
    hold_scale: bool = True
    """With hard triplets: hold the head's scale (logit_bn.weight) while the hardest positives
    of a batch score below its hardest negatives. False is the paper's way: the hard triplet then
    drives the scale through zero, where nothing reaches the network any more."""


class SamplerConfig(_Section):
    """How mini-batches are drawn."""

    kind: Literal["graph", "pk", "shuffle"] = "graph"
    """``graph``: each identity with those most alike; ``pk``: identities at random;
    ``shuffle``: images at random, for losses that need no pairs within a batch."""
    batch_size: Batch = 64
    """Images a batch, a multiple of ``num_instances``."""
    num_instances: Batch = 2
    """Images of each identity in a batch; of shuffle whatever chance gives."""
    across_cameras: bool = False
    """The images of an identity in a batch are of different cameras, as far as there are such."""
    one_set: bool = False
    """Pk, and graph's warm start, of several training sets: all identities of a batch are of one
    set. In batches that mix sets, the set alone tells most identities apart."""
    warm_start: Amount = 0.0
    """Graph: epochs of pk batches before the first graph is made."""
    refresh_images: CountOrNone = 0
    """Graph: images after which the graph is made anew; 0 for a batch of every identity."""
    candidates: CountOrNone = 0
    """Graph: the others of a batch are drawn among so many nearest; 0 takes the nearest, as the
    paper does."""
    strangers: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Graph: share of the others of a batch that are identities at random."""
    rerank: bool = False
    """Graph: of distances that k-reciprocal encoding has re-ranked, as in release 2.0."""

    @property
    def draws_pk(self) -> bool:
        """Whether any batch is of PK sampling."""
        return self.kind == "pk" or (self.kind == "graph" and self.warm_start > 0)

    @model_validator(mode="after")
    def _divides(self) -> SamplerConfig:
        if self.batch_size % self.num_instances or self.batch_size < 2 * self.num_instances:
            raise ValueError(
                f"batch_size: got {self.batch_size} with num_instances={self.num_instances}, "
                "wanted a multiple of num_instances that leaves room for at least two identities"
            )
        return self


class LossConfig(_Section):
    """What is minimized over the scores of a batch."""

    kind: Literal["triplet", "pairwise", "class_memory", "softmax", "softmax+triplet"] = "triplet"
    """``triplet``: the hardest pairs of each row; ``pairwise``: all pairs of a batch;
    ``class_memory``: a batch against a stored map of every identity; ``softmax``: a classifier of
    the identities over pooled maps (the matcher is then not trained); ``softmax+triplet``: both."""
    margin: Annotated[float, Field(gt=0, le=1e6)] = 16.0
    """Triplet: in units of the score."""
    classifier_norm: bool = False
    """Softmax: a batch norm before the classifier (BNNeck)."""
    memory_batch: Batch = 16
    """Class memory: classes matched at a time; fewer take less memory."""
    prior: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Class memory: the probability that the untrained matcher gives any pair. With 0.5, the
    authors' start, the many negatives drive the matcher's scale through zero within 50 batches."""


class OptimizerConfig(_Section):
    """How weights follow their gradients."""

    kind: Literal["sgd", "adamw"] = "sgd"
    """Stochastic gradient descent with Nesterov momentum, or AdamW."""
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 5e-3
    """Of neck and matcher, before it falls."""
    backbone_factor: Annotated[float, Field(ge=0, le=1000)] = 0.1
    """The backbone learns at this fraction of the rate."""
    momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """sgd: the share of the last step's direction that is kept; adamw: the first of its two betas,
    of which the second is 0.999."""
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = 5e-4
    """What is added to a gradient, in multiples of its weight."""
    clip_norm: Annotated[float, Field(ge=0, le=1e9)] = 8.0
    """Largest norm of the gradient, of network, matcher and loss each; 0 does not clip."""
    accumulate: Batch = 1
    """Batches whose gradients are added up, as their mean, before a step."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of an exponential moving average of the weights after every step, which is what is
    evaluated then (0.999 for example); 0 keeps none."""


class ScheduleConfig(_Section):
    """When the learning rate falls and when the run ends.

    An epoch is a number of images, the same for every sampler, so that runs can be compared.
    """

    kind: Literal["adaptive", "step", "cosine"] = "adaptive"
    """``adaptive``: the rate falls once, when the loss has; ``step``: at fixed epochs; ``cosine``:
    all along, by half a cosine."""
    epoch_images: Literal["graph", "data"] | Count = "graph"
    """Images of an epoch, rounded up to whole batches: ``graph`` for a batch for every identity,
    as an epoch of graph sampling has; ``data`` for as many as there are; or their number."""
    max_epochs: Count = 60
    """The run ends here, if not before."""
    warm_up: Amount = 0.0
    """Epochs in which the learning rate rises from nothing, in a straight line."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The learning rate is multiplied by this. Cosine: it ends at this fraction."""
    loss_factor: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """Adaptive: it falls once the epoch's loss is under this fraction of the second epoch's."""
    stretch: Annotated[float, Field(ge=1, le=1e6)] = 1.5
    """Adaptive: the run ends at this multiple of the epoch in which it fell, rounded down."""
    step: Count = 20
    """Step: it falls after every so many epochs."""
    falls: CountOrNone = 0
    """Step: how many times it falls at most; 0 for no limit."""
    patience: CountOrNone = 0
    """The run ends after so many evaluations (evaluation.every) without a better mAP; 0 never."""


class StartConfig(_Section):
    """Which random start is trained from."""

    trials: Annotated[int, Field(ge=0, le=1000)] = 0
    """Starts that are tried before the run (release 1.2: 10); the one with the best batch accuracy
    is trained from its beginning. 0 takes the first as it is."""
    images: Count = 16_000
    """Images of a trial (release 1.2: 2,000 batches of 8)."""


class EvaluationConfig(_Section):
    """How test sets are searched."""

    batch_size: Batch = 64
    """Images through the network at a time."""
    every: CountOrNone = 0
    """Epochs between evaluations on the identities that data.validation holds back; 0 for none."""
    test_every: CountOrNone = 0
    """Epochs between looks at the test sets, for a curve in the log and for nothing else: to choose
    by them would be to train on them. 0 for none but the last."""
    maps: Literal["auto", "float32", "float16"] = "auto"
    """Type that the maps are kept and matched in; float16 takes half the room. auto is float16
    where the network computes in less than float32."""
    precision: Literal["float32", "bfloat16", "int8"] = "float32"
    """Type of the products by which the test sets' scores find their winners; what those are worth
    is float32 in any case. The narrow ones are faster on a CPU that has AVX512_BF16 or AVX512_VNNI;
    elsewhere float32 is taken, and it is said."""
    shortlist: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the gallery that is scored exactly for a query of a test set, chosen by row stripes
    of the maps; the rest stands below by its stripes. 1 scores all."""
    average_precision: Literal["plain", "trapezoid"] = "plain"
    """plain is the mean precision at the matches; trapezoid the area under straight lines between
    them, as Market-1501's MATLAB code has it. It is lower: the two are not to be compared."""
    weights: Literal["last", "best"] = "last"
    """What the test sets are searched with: the weights at the end, or those of the best mAP on
    the validation part."""


class RuntimeConfig(_Section):
    """The seed, and where and how a run is computed."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of all that is drawn; the same seed, settings and machine give the same run."""
    device: Annotated[str, AfterValidator(_check_device)] = "auto"
    """``auto`` (a CUDA device if there is one), ``cpu``, ``cuda``, ``cuda:1``, …"""
    workers: Annotated[int, Field(ge=0, le=1024)] = 4
    """Processes that read images, no more than there are cores; 0 does so in the main process."""
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Type the network computes in; its weights and the matching of a batch stay float32. auto is
    float16 on CUDA and float32 on a CPU."""
    compile: Literal["off", "default", "reduce-overhead", "max-autotune"] = "off"
    """Mode of torch.compile for the network, and for matcher and loss of a batch with itself;
    reduce-overhead replays them from CUDA graphs."""
    checkpoint_minutes: Amount = 10.0
    """A checkpoint is written after so many minutes also within an epoch; 0 after every batch."""
    tensorboard: bool = False
    """Write the metrics for TensorBoard too (the extra ``tensorboard``)."""
    collapse: Literal["stop", "tell"] = "stop"
    """What happens to a run in which nothing is learnt any more: it ends, or it is told so once."""


class RunConfig(_Section):
    """One run, whole. ``<output>/<name>`` is its folder."""

    name: Annotated[str, AfterValidator(_check_name)] = "paper"
    """Letters, digits and ``_.+-``; the last part of the folder."""
    output: Annotated[Path, BeforeValidator(_check_place)] = Path("runs")
    """The folder of all runs."""
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    model: ModelConfig = ModelConfig()
    matcher: MatcherConfig = MatcherConfig()
    sampler: SamplerConfig = SamplerConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    start: StartConfig = StartConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    runtime: RuntimeConfig = RuntimeConfig()

    @model_validator(mode="after")
    def _takes_from_sets_one_way(self) -> RunConfig:
        sampler = self.sampler
        of_one_set = sampler.one_set and sampler.draws_pk and len(self.data.train) > 1
        asked = {"data.balanced": self.data.balanced, "sampler.one_set": of_one_set}
        for name, wanted in asked.items():
            if wanted and self.data.persons == "joined":
                raise ValueError(
                    f"{name}: got true with data.persons=joined, where an identity is of several "
                    f"sets, wanted data.persons=apart, or {name}=false"
                )
        if of_one_set and self.data.balanced:
            raise ValueError(
                "sampler.one_set: got true with data.balanced=true, which takes from all sets in "
                "each batch, wanted one of them false"
            )
        return self

    @model_validator(mode="after")
    def _has_pairs(self) -> RunConfig:
        if self.sampler.kind == "shuffle" and self.loss.kind not in ("class_memory", "softmax"):
            raise ValueError(
                f"sampler.kind: got shuffle with loss.kind={self.loss.kind}, which needs batches "
                "with several images of each identity, wanted graph or pk"
            )
        return self

    @model_validator(mode="after")
    def _has_what_it_evaluates(self) -> RunConfig:
        for needing, wanted in (
            (self.schedule.patience > 0, "schedule.patience"),
            (self.evaluation.weights == "best", "evaluation.weights=best"),
        ):
            if needing and not (self.evaluation.every and self.data.validation):
                raise ValueError(
                    f"{wanted} needs evaluation.every and data.validation, which are 0"
                )
        return self

    @property
    def directory(self) -> Path:
        """The folder of the run."""
        return self.output / self.name
