"""Filling a backbone from a local file, completely or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from qaconv_reid.models.layouts import read_weights

__all__ = ["Convert", "LoadReport", "check_fit", "load_weights"]

Convert = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""From a file's tensors to those of a module, where more than names differ."""

_CLASSIFIERS = ("fc.", "classifier.")
_NAMES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the tensors of a file."""

    path: Path
    layout: str
    """Whose layout it was recognised as: the name of one of `LAYOUTS`."""
    loaded: tuple[str, ...]
    """Key names that were filled."""
    renamed: tuple[tuple[str, str], ...]
    """Those of them that the file has under another name: (name in the file, key name)."""
    left_out: tuple[str, ...]
    """Names in the file of what was not wanted."""

    def __str__(self) -> str:
        """One line, such as ``torchvision: 258 tensors, 0 renamed, 62 left out (fc, layer4)``."""
        kinds = ", ".join(sorted({name.partition(".")[0] for name in self.left_out}))
        return (
            f"{self.layout}: {len(self.loaded)} tensors, {len(self.renamed)} renamed, "
            f"{len(self.left_out)} left out{f' ({kinds})' if kinds else ''}"
        )


def load_weights(
    backbone: nn.Module,
    path: Path,
    *,
    ignore: Collection[str] = (),
    convert: Convert | None = None,
) -> LoadReport:
    """Fill a backbone from a file, completely or not at all.

    Classifier keys (``fc.``, ``classifier.``) and those in ``ignore`` are passed over;
    ``num_batches_tracked``, which older files lack, may be missing.

    Args:
        backbone: the module to fill; its state_dict says what is wanted.
        path: as `read_weights` takes it.
        ignore: keys that the file may hold beyond the backbone's, such as the stages behind a cut.
        convert: applied to the file's tensors under their new names.

    Raises:
        ValueError: keys are missing, unexpected or of another shape; the first few are named.
    """
    wanted = backbone.state_dict()
    read = read_weights(path)
    tensors = dict(read.tensors)
    sources = dict(read.sources)
    if convert is not None:
        by_identity = {id(value): read.sources[name] for name, value in tensors.items()}
        tensors = convert(tensors)
        # A tensor that was changed as well is named after itself.
        sources = {name: by_identity.get(id(value), name) for name, value in tensors.items()}
    given = {
        name: value
        for name, value in tensors.items()
        if name in wanted or (name not in ignore and not name.startswith(_CLASSIFIERS))
    }
    check_fit(wanted, given, f"weights: got {path}, which does not fit the backbone")
    backbone.load_state_dict(given, strict=False)
    return LoadReport(
        path,
        read.layout,
        tuple(given),
        tuple((sources[name], name) for name in given if sources[name] != name),
        (*(sources[name] for name in tensors if name not in given), *read.left_out),
    )


def check_fit(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], failure: str) -> None:
    """That ``given`` has the keys and shapes of ``wanted``; counters of batches may be missing.

    Raises:
        ValueError: it has not; the message begins with ``failure`` and names the first few keys.
    """
    complaints = [
        _complaint("missing", [n for n in wanted if n not in given and not _is_counter(n)]),
        _complaint("unexpected", [n for n in given if n not in wanted]),
        _complaint(
            "of another shape",
            [
                f"{n} {list(given[n].shape)} for {list(wanted[n].shape)}"
                for n in wanted
                if n in given and given[n].shape != wanted[n].shape
            ],
        ),
    ]
    if any(complaints):
        raise ValueError(f"{failure}: {'; '.join(filter(None, complaints))}")


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")


def _complaint(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{what} {', '.join(names[:_NAMES_SHOWN])}{more}"
