"""What a study is: which runs it is made of, and what all of them have in common."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from qaconv_reid import config
from qaconv_reid.config import ConfigError, RunConfig
from qaconv_reid.files import why

__all__ = ["Arm", "Cell", "Plan", "read_plan", "studies"]

_FOLDER = config.PRESET_FOLDER / "studies"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Arm(_Section):
    """One way to train."""

    preset: str
    """A preset, or a TOML file."""
    settings: tuple[str, ...] = ()
    """What differs from it, ``key=value`` each; they win over those of the study."""


class Plan(_Section):
    """A grid of runs at an equal number of images."""

    name: str
    about: str = ""
    """What it is to decide."""
    arms: Annotated[dict[str, Arm], Field(min_length=1)]
    baseline: str
    """The arm that the others are compared with."""
    identities: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """Training identities of a run, ``data.identities``; 0 for all."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0, 1, 2)
    images: PositiveInt
    """That every run sees."""
    points: Annotated[int, Field(ge=2)] = 6
    """Looks at the test sets on the way, evenly by images. The rate falls once, after 2/3."""
    settings: tuple[str, ...] = ()
    """Of all runs, ``key=value`` each, over their presets."""

    @model_validator(mode="after")
    def _has_its_baseline(self) -> Plan:
        if self.baseline not in self.arms:
            raise ValueError(f"baseline: got {self.baseline!r}, wanted one of {_list(self.arms)}")
        for arm in self.arms:
            if "," in arm:
                raise ValueError(f"arms: got {arm!r}, wanted names without a comma, as --arms A,B")
        return self

    def only(
        self, identities: Sequence[int], seeds: Sequence[int], images: int | None = None
    ) -> Plan:
        """The same with other sizes, seeds or images; an empty choice keeps its own."""
        changes = {"identities": tuple(identities), "seeds": tuple(seeds), "images": images}
        return self.model_copy(update={name: value for name, value in changes.items() if value})

    def chosen(self, arms: Sequence[str], cells: Sequence[Cell]) -> list[Cell]:
        """The cells of some arms; of all where none is named.

        Raises:
            ConfigError: an arm is not of the study.
        """
        for arm in arms:
            if arm not in self.arms:
                raise ConfigError(f"--arms: got {arm!r}, wanted some of {_list(self.arms)}")
        return [cell for cell in cells if not arms or cell.arm in arms]

    def cells(self, folder: Path, overrides: Sequence[str] = ()) -> list[Cell]:
        """Every run: seed by seed, so that a study that is stopped has all arms.

        Args:
            folder: below which the runs lie.
            overrides: ``key=value`` for all runs, which win over all but the grid itself.

        Raises:
            ConfigError: a setting is unknown or wrong.
        """
        return [
            self._cell(arm, identities, seed, folder, overrides)
            for seed in self.seeds
            for identities in self.identities
            for arm in self.arms
        ]

    def _cell(
        self, arm: str, identities: int, seed: int, folder: Path, overrides: Sequence[str]
    ) -> Cell:
        name = f"{re.sub(r'[^a-z0-9.]+', '-', arm.lower())}-{identities}-{seed}"
        grid = (
            f"name={name}",
            f"output={folder}",
            f"data.identities={identities}",
            f"runtime.seed={seed}",
            "runtime.collapse=tell",
            f"schedule.epoch_images={-(-self.images // self.points)}",
            f"schedule.max_epochs={self.points}",
            "schedule.kind=step",
            f"schedule.step={-(-2 * self.points // 3)}",
            "schedule.falls=1",
            "evaluation.test_every=1",
        )
        chosen = self.arms[arm]
        settings = (*self.settings, *chosen.settings, *overrides, *grid)
        return Cell(arm, identities, seed, config.load(chosen.preset, settings))


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a study."""

    arm: str
    identities: int
    seed: int
    config: RunConfig

    @property
    def name(self) -> str:
        """Of the run."""
        return self.config.name

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.config.directory


def studies() -> list[str]:
    """The names of the studies that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_plan(source: str) -> Plan:
    """A study that comes with the package, or a TOML file.

    Raises:
        ConfigError: there is none, or it is not as `Plan` says; the message names the entry.
    """
    path = _FOLDER / f"{source}.toml" if source in studies() else Path(source)
    try:
        return Plan.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError(
            f"{source}: no such file, and no study of this name (there are {_list(studies())})"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as a study: {why(error)}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as a study: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {f'{where}: ' if where else ''}{reason}") from None


def _list(names: Sequence[str] | dict[str, Arm]) -> str:
    return ", ".join(names) or "none"
