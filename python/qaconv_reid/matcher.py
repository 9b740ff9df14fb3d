"""A trained matcher as one object: from images to maps, from maps to scores and probabilities."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from qaconv_ext import __version__
from qaconv_ext.correspondence import (
    Correspondences,
    correspondences_of_pairs,
    ordinary_maximum,
)
from qaconv_reid import config as settings_of
from qaconv_reid import hub
from qaconv_reid.build import Hardware, build_models, find_hardware
from qaconv_reid.calibration import CALIBRATION_FILE, Calibration, Cameras, sigmoid
from qaconv_reid.config import RunConfig
from qaconv_reid.data import Images, input_batches, list_inputs
from qaconv_reid.export import OPSETS, Exported, Preprocessing, export_onnx
from qaconv_reid.files import expanded, replaced
from qaconv_reid.gallery import Gallery, Maker, open_table
from qaconv_reid.models import Progress, dense, evaluation_mode, extract_maps
from qaconv_reid.restore import Foreign, Restored, restore_foreign, restore_run
from qaconv_reid.training import CheckpointError

__all__ = ["MatchResult", "Matcher", "load"]

_FORMAT = 1
_SETTINGS_FILE = "matcher.json"
_WEIGHTS_FILE = "model.safetensors"
#: The losses that take a score as the logit of "the same identity".
_LOGITS = frozenset({"pairwise", "class_memory"})
#: Maps of either side on the device at a time.
_ROWS, _COLUMNS = 256, 1024


@dataclass(frozen=True, slots=True, eq=False)
class MatchResult:
    """Every image of one side against every image of the other."""

    scores: Tensor
    """``[A, B]`` float32 on the CPU, higher for more alike."""
    probabilities: Tensor
    """``[A, B]`` float32: of being one identity, at even odds."""
    calibrated: bool
    """Whether the probabilities were fitted on labeled pairs; else they are the sigmoid of the
    scores, which is in order but not a probability that holds."""


class Matcher:
    """Network and matcher of a training, ready for images. Made by `load` or `from_pretrained`.

    Args:
        models: on the device.
        config: of the run they are from.
        hardware: where they run, and how.
        folder: of the run or the saved matcher, where a calibration is kept.
    """

    def __init__(
        self,
        models: Restored,
        config: RunConfig,
        hardware: Hardware,
        *,
        folder: Path | None = None,
    ) -> None:
        self.name = config.name
        self.config = config.model
        self._head = config.matcher
        self._loss = config.loss.kind
        self.epochs = models.epochs
        self.device = hardware.device
        self._hardware = hardware
        self._network = models.network
        self._matcher = models.matcher
        self._folder = folder
        self.calibration = None if folder is None else self._kept_calibration(folder)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        revision: str | None = None,
    ) -> Self:
        """What `save_pretrained` wrote.

        Args:
            source: the folder; or ``OWNER/NAME`` on the Hugging Face hub, where no such folder is
                here (the extra ``hub``).
            device: as of `load`.
            precision: as of `load`.
            revision: on the hub: branch, tag or commit.

        Raises:
            CheckpointError, ConfigError, HubError: it is not there or not whole, or this machine
                lacks the device.
        """
        folder = expanded(source)
        if hub.is_name(source):
            files = (_SETTINGS_FILE, _WEIGHTS_FILE, CALIBRATION_FILE)
            folder = hub.fetch(str(source), files, revision)
        config, epochs = _read_settings(folder, device, precision)
        hardware = find_hardware(config.runtime)
        network, matcher = build_models(config, hardware.device, pretrained=False)
        path = folder / _WEIGHTS_FILE
        try:
            tensors = load_file(path)
            for part, module in (("network.", network), ("matcher.", matcher)):
                own = {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
                module.load_state_dict(own)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{path}: cannot be read: {error}") from None
        return cls(Restored(network, matcher, epochs), config, hardware, folder=folder)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write settings, weights and calibration, nothing of the training or of this machine.

        Args:
            folder: made if it is not there; a former one of these files is replaced.
        """
        folder = expanded(folder)
        folder.mkdir(parents=True, exist_ok=True)
        document = {
            "format": _FORMAT,
            "name": self.name,
            "epochs": self.epochs,
            "model": self.config.model_dump(mode="json", exclude={"weights", "part_of_weights"}),
            "matcher": self._head.model_dump(mode="json", include={"kind", "separate_weights"}),
            "loss": {"kind": self._loss},
        }
        with replaced(folder / _WEIGHTS_FILE) as temporary:
            save_file(self._state(), temporary)
        with replaced(folder / _SETTINGS_FILE) as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        if self.calibration is not None:
            self.calibration.save(folder / CALIBRATION_FILE)
        else:
            (folder / CALIBRATION_FILE).unlink(missing_ok=True)

    def push_to_hub(self, name: str, *, private: bool = False) -> str:
        """Put what `save_pretrained` writes on the Hugging Face hub (the extra ``hub``).

        Args:
            name: ``OWNER/NAME``; made if it is not there.
            private: of a repository that is made.

        Returns:
            The address of the commit.

        Raises:
            HubError: the hub does not take it.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return hub.push(Path(folder), name, private=private)

    def export(self, folder: str | Path, *, opset: int = OPSETS[0]) -> Exported:
        """Write network and matcher as ONNX, with what a program without torch has to know.

        ``network.onnx``, ``matcher.onnx``, ``head.npz`` (for ``qaconv_ext`` on numpy arrays) and
        ``export.json``; see docs/export.md. Both are compared with torch before they stay.

        Args:
            folder: made if it is not there; former files of these names are replaced.
            opset: version of ONNX's operators.

        Raises:
            ExportError: a package is missing (the extra ``export``), the folder or the opset cannot
                be used, or the network cannot be written.
        """
        fitted = self.calibration
        return export_onnx(
            self._network,
            dense(self._matcher, "an export"),
            expanded(folder),
            preprocessing=Preprocessing(self.config.height, self.config.width),
            provenance={
                "program": f"qaconv-ext {__version__}",
                "torch": torch.__version__,
                "run": self.name,
                "epochs": self.epochs,
                "checksum": self.checksum,
                "backbone": self.config.backbone,
            },
            calibration=None
            if fitted is None
            else {"slope": fitted.slope, "offset": fitted.offset},
            opset=opset,
        )

    @cached_property
    def checksum(self) -> str:
        """Of the weights and the image size: 16 hexadecimal digits, on every device the same."""
        found = hashlib.sha256(f"{self.config.height}x{self.config.width}".encode())
        for name, tensor in sorted(self._state().items()):
            found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()[:16]

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of a map."""
        return self._matcher.num_features, self._matcher.height, self._matcher.width

    @property
    def calibrated(self) -> bool:
        """Whether probabilities were fitted on labeled pairs."""
        return self.calibration is not None

    @property
    def tells_probability(self) -> bool:
        """Whether `probability` is one, calibrated or as the loss took it; else just in order.

        As a loss took it, it is that of a pair as training drew them, half-hard, and of no other
        mixture.
        """
        return self.calibrated or self._loss in _LOGITS

    def features(
        self, images: Images, *, batch_size: int = 64, progress: Progress | None = None
    ) -> Tensor:
        """The maps of images.

        Args:
            images: a file, a folder (every image below it, sorted by path), a PIL image, an
                array ``[H, W, 3]`` or ``[N, H, W, 3]``, a tensor ``[3, H, W]`` or ``[N, 3, H, W]``,
                or a list of these. Arrays and tensors are uint8, or floating in [0, 1].
            batch_size: images at a time.
            progress: told ``("features", done, total)`` after every batch.

        Returns:
            ``[N, C, h, w]`` on the CPU: float32, or float16 where the network computes in half
            precision.

        Raises:
            DataError: a file is not there or no image.
            TypeError, ValueError: something else is no image; the message says which.
        """
        items = list_inputs(images)
        height, width = self.config.height, self.config.width
        return extract_maps(
            self._network,
            input_batches(items, height, width, batch_size),
            len(items),
            device=self.device,
            dtype=self._hardware.map_type,
            autocast=self._hardware.autocast,
            progress=progress,
        )

    def match(
        self,
        a: Images | Tensor,
        b: Images | Tensor,
        *,
        cameras: tuple[Sequence[int], Sequence[int]] | None = None,
        progress: Progress | None = None,
    ) -> MatchResult:
        """Match every image of ``a`` with every one of ``b``.

        Args:
            a: maps of `features`, or images as it takes them.
            b: the same; of what ``a`` is or not.
            cameras: of every image of ``a`` and of ``b``, -1 where it is not known: probabilities
                are then those of two cameras, where they are calibrated.
            progress: told of maps and of matched images of ``a``.

        Raises:
            DataError, TypeError, ValueError: as of `features`.
        """
        left, right = (self._maps(side, progress) for side in (a, b))
        if left.dtype != right.dtype:
            left, right = left.float(), right.float()
        scores = torch.empty((len(left), len(right)))
        with evaluation_mode(self._matcher), torch.no_grad():
            for row in range(0, len(left), _ROWS):
                probes = left[row : row + _ROWS].to(self.device)
                for column in range(0, len(right), _COLUMNS):
                    block = self._matcher(probes, right[column : column + _COLUMNS].to(self.device))
                    scores[row : row + _ROWS, column : column + _COLUMNS] = block
                if progress is not None:
                    progress("matching", row + len(probes), len(left))
        sides = None if cameras is None else (np.array(cameras[0])[:, None], np.array(cameras[1]))
        chances = torch.from_numpy(self.probability(scores.numpy(), cameras=sides)).float()
        return MatchResult(scores, chances, self.calibrated)

    def correspondences(
        self, a: Images | Tensor, b: Images | Tensor, *, base: float | None = None
    ) -> list[Correspondences]:
        """Why images match: the first of ``a`` with the first of ``b``, and so on.

        Args:
            a: as of `match`.
            b: as many.
            base: the maximum that says nothing; None for the mean of the maxima in training, 0 for
                the plain terms of the score (see `qaconv_ext.correspondence`).

        Raises:
            DataError, TypeError, ValueError: as of `features`; or there are not as many of each.
        """
        left, right = (self._maps(side, None).float().to(self.device) for side in (a, b))
        matcher = dense(self._matcher, "correspondences")
        if base is None:
            base = ordinary_maximum(matcher)
        return correspondences_of_pairs(matcher, left, right, base=base)

    def probability(
        self, scores: ArrayLike, *, cameras: Cameras | None = None
    ) -> NDArray[np.float64]:
        """Of being one identity, of each score: calibrated where this is, else its sigmoid.

        Args:
            scores: of any shape.
            cameras: of either image of each pair, -1 where it is not known; None for all alike.
        """
        if self.calibration is None:
            return sigmoid(scores)
        return self.calibration.probability(scores, cameras=cameras)

    def calibrate(
        self,
        scores: ArrayLike | Tensor,
        same: ArrayLike | Tensor,
        *,
        cameras: Cameras | None = None,
        identities: ArrayLike | None = None,
    ) -> Calibration:
        """Fit probabilities and thresholds on labeled pairs, and keep them.

        They lie in the folder that this was loaded from as well, as ``calibration.json``, and
        `save_pretrained` writes them. Take pairs of identities that were not trained on, such as
        those of a validation part; of other cameras than those of use they hold less.

        Args:
            scores: of `match`, any shape.
            same: bool of that shape: whether both are of one identity.
            cameras: of either image of each pair; two cameras with enough identities in common get
                a calibration of their own, for where the same numbers mean the same cameras.
            identities: beside ``cameras``, of the first image of each pair.

        Raises:
            CalibrationError: the pairs cannot be used; the message says why.
        """
        pairs = (np.asarray(torch.as_tensor(values).cpu()) for values in (scores, same))
        self.calibration = Calibration.fit(
            *pairs, model=self.checksum, cameras=cameras, identities=identities
        )
        if self._folder is not None:
            self.calibration.save(self._folder / CALIBRATION_FILE)
        return self.calibration

    def threshold_at(self, false_positive_rate: float) -> float:
        """The score from which on two images are called the same; see `Calibration.threshold_at`.

        Raises:
            CalibrationError: the rate is out of range.
            RuntimeError: this is not calibrated.
        """
        if self.calibration is None:
            raise RuntimeError(
                "threshold_at: got an uncalibrated matcher, wanted calibrate() first"
            )
        return self.calibration.threshold_at(false_positive_rate)

    def gallery(self, place: str | Path | None = None) -> Gallery:
        """A gallery of maps of this matcher, opened or made.

        Args:
            place: ``NAME.lance``, a table of any size (the extra ``search``), or
                ``NAME.safetensors``, one file that is held in memory; None is kept nowhere.

        Raises:
            GalleryError: it is another model's, it cannot be read, or the extra is not installed.
        """
        return Gallery(open_table(place, self.maker), self)

    @property
    def maker(self) -> Maker:
        """What a gallery keeps of this."""
        with torch.no_grad():
            weight, bias = dense(self._matcher, "a gallery").folded()
        return Maker(
            name=self.name,
            checksum=self.checksum,
            shape=self.map_shape,
            weight=tuple(weight.tolist()),
            bias=float(bias),
        )

    def _maps(self, side: Images | Tensor, progress: Progress | None) -> Tensor:
        if isinstance(side, Tensor) and side.dim() == 4 and side.shape[1:] == self.map_shape:
            return side
        return self.features(side, progress=progress)

    def _state(self) -> dict[str, Tensor]:
        parts = (("network", self._network), ("matcher", self._matcher))
        return {
            f"{part}.{name}": tensor.detach().to("cpu", copy=True).contiguous()
            for part, module in parts
            for name, tensor in module.state_dict().items()
        }

    def _kept_calibration(self, folder: Path) -> Calibration | None:
        path = folder / CALIBRATION_FILE
        if not path.exists():
            return None
        kept = Calibration.load(path)
        if kept.model not in (None, self.checksum):
            warnings.warn(
                f"{path}: fitted for other weights than those that are loaded: not used",
                stacklevel=4,
            )
            return None
        return kept


def load(
    source: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    settings: Sequence[str] = (),
) -> Matcher:
    """A trained matcher.

    Args:
        source: the folder of a run, one that `Matcher.save_pretrained` wrote, or a
            ``checkpoint.pth.tar`` of QAConv's authors.
        device: ``auto`` (a CUDA device if there is one), ``cpu``, ``cuda``, ``cuda:1``, …
        precision: type the network computes in: ``auto`` (float16 on CUDA, float32 on a CPU),
            ``float32``, ``float16`` or ``bfloat16``.
        settings: ``key=value`` each, over those of the run, such as ``evaluation.weights=best``; a
            checkpoint of the authors may want ``model.height`` and ``model.width``.

    Raises:
        ConfigError, CheckpointError, CalibrationError: the message says in a sentence what is
            missing or does not fit.
    """
    path = expanded(source)
    if (path / _SETTINGS_FILE).is_file() and not settings:
        return Matcher.from_pretrained(path, device=device, precision=precision)
    every = [*settings, f"runtime.device={device}", f"runtime.precision={precision}"]
    if path.is_file():
        foreign = Foreign.read(path, every)
        hardware = find_hardware(foreign.config.runtime)
        return Matcher(restore_foreign(foreign, hardware.device), foreign.config, hardware)
    if not (path / settings_of.CONFIG_FILE).is_file():
        raise CheckpointError(
            f"{path}: there is no trained run, wanted the folder of one (with config.toml), a "
            f"saved matcher (with {_SETTINGS_FILE}) or a checkpoint of QAConv's authors"
        )
    config = settings_of.load(path, every)
    hardware = find_hardware(config.runtime)
    return Matcher(restore_run(path, config, hardware.device), config, hardware, folder=path)


def _read_settings(folder: Path, device: str, precision: str) -> tuple[RunConfig, int]:
    """The settings of a saved matcher, and the epochs behind it."""
    path = folder / _SETTINGS_FILE
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise ValueError(f"not of format {_FORMAT}")
        sections = {part: document.get(part, {}) for part in ("model", "matcher", "loss")}
        model = [
            f"{part}.{key}={json.dumps(value)}"
            for part, values in sections.items()
            for key, value in values.items()
        ]
        name, epochs = str(document["name"]), int(document["epochs"])
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise CheckpointError(f"{path}: cannot be read as a saved matcher: {error}") from None
    runtime = [f"runtime.device={device}", f"runtime.precision={precision}"]
    return settings_of.load(None, [f"name={name}", *model, *runtime]), epochs
