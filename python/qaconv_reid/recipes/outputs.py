"""The files and folders that an evaluation was asked to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qaconv_reid.config import ConfigError
from qaconv_reid.data import ReidDataset
from qaconv_reid.evaluation import FeatureSet, write_features
from qaconv_reid.files import check_replaceable, why

__all__ = ["Late", "Outputs", "check_target"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where what is written; None for not at all."""

    ranked: Path | None = None
    """A folder for images of ranked lists, one for each test set."""
    features: Path | None = None
    """A folder for the features of query and gallery of each test set."""
    npz: bool = False
    """Features as ``.npz`` and not as ``.safetensors``."""
    json: Path | None = None
    """A file for the measures."""
    csv: Path | None = None
    """A file for what became of every query."""

    def check(self) -> None:
        """That the files can be written, before anything is read.

        Raises:
            ConfigError: one cannot, or a word is missing beside ``--npz``.
        """
        for option, file in (("--json", self.json), ("--csv", self.csv)):
            if file is not None:
                check_target(option, file)
        if self.npz and self.features is None:
            raise ConfigError("--npz: got it alone, wanted --features FOLDER beside it")

    def make_folders(self) -> None:
        """Make those that are not there.

        Raises:
            ConfigError: one cannot be made.
        """
        for option, folder in (("--ranked", self.ranked), ("--features", self.features)):
            try:
                if folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"{option}: got {folder}, wanted a folder that can be written to: {why(error)}"
                ) from None

    def write_features(self, dataset: ReidDataset, query: FeatureSet, gallery: FeatureSet) -> None:
        """Write a test set's features, where they are asked for."""
        if self.features is None:
            return
        suffix = "npz" if self.npz else "safetensors"
        for part, features in (("query", query), ("gallery", gallery)):
            paths = [record.path for record in dataset.parts[part]]
            write_features(self.features / f"{dataset.name}.{part}.{suffix}", features, paths)

    def places(self) -> Iterator[tuple[str, Path]]:
        """What is written, and where."""
        for what, place in (
            ("ranked lists", self.ranked),
            ("features", self.features),
            ("measures", self.json),
            ("queries", self.csv),
        ):
            if place is not None:
                yield what, place


def check_target(option: str, file: Path) -> None:
    """That the file of an option can be written.

    Raises:
        ConfigError: it cannot.
    """
    try:
        check_replaceable(file)
    except OSError as error:
        raise ConfigError(
            f"{option}: got {file}, wanted a file that can be written: {why(error)}"
        ) from None


class Late:
    """What cannot be written when all is computed: said at the end, when the rest is written."""

    def __init__(self) -> None:
        self._said: list[str] = []

    @contextmanager
    def of(self, option: str | None, place: Path | None) -> Iterator[None]:
        """Remember why it could not be written, and go on.

        Args:
            option: that asked for it; None where the error says all.
            place: where it was to be.
        """
        try:
            yield
        except OSError as error:
            reason = str(error) if option is None else f"{option}: {place} cannot be written"
            self._said.append(reason if option is None else f"{reason}: {why(error)}")

    def check(self) -> None:
        """That all was written.

        Raises:
            OSError: it was not; a sentence for each.
        """
        if self._said:
            raise OSError("; ".join(self._said))
