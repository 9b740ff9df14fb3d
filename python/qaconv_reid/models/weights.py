"""Filling a backbone from a local file, completely or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from qaconv_reid.models.layouts import name_weights, named_part
from qaconv_reid.models.parts import choose_part, find_parts
from qaconv_reid.models.weight_file import read_weight_file

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
    """Whose layout it was recognized as: the name of one of `LAYOUTS`."""
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
    part: str | None = None,
) -> LoadReport:
    """Fill a backbone from a file, completely or not at all.

    Classifier keys (``fc.``, ``classifier.``) and those in ``ignore`` are passed over;
    ``num_batches_tracked``, which older files lack, may be missing.

    Args:
        backbone: the module to fill; its state_dict says what is wanted.
        path: as `read_weight_file` takes it.
        ignore: keys that the file may hold beyond the backbone's, such as the stages behind a cut.
        convert: applied to the file's tensors under their new names.
        part: of a file that has the backbone several times: below this name.

    Raises:
        ValueError: keys are missing, unexpected, of another shape or type, or hold NaN; the first
            few are named. Or the file has the backbone several times.
    """
    wanted = backbone.state_dict()
    document = read_weight_file(path)
    chosen = choose_part(find_parts(document, wanted), part, wanted, path)
    read = name_weights(document, path) if chosen is None else named_part(chosen, wanted)
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
    """That ``given`` can stand for ``wanted``: keys, shapes, types, numbers.

    Counters of batches may be missing.

    Raises:
        ValueError: it cannot; the message begins with ``failure`` and names the first few keys.
    """
    both = [(n, given[n], wanted[n]) for n in wanted if n in given]
    complaints = [
        _complaint("missing", [n for n in wanted if n not in given and not _is_counter(n)]),
        _complaint("unexpected", [n for n in given if n not in wanted]),
        _complaint(
            "of another shape",
            [f"{n} {list(v.shape)} for {list(w.shape)}" for n, v, w in both if v.shape != w.shape],
        ),
        _complaint(
            "of another type",
            [
                f"{n} {_kind(v)} for {_kind(w)}"
                for n, v, w in both
                if not _is_counter(n) and not _has_type_for(v, w)
            ],
        ),
        _complaint("not finite", [n for n, v, _ in both if not _is_finite(v)]),
    ]
    if any(complaints):
        raise ValueError(f"{failure}: {'; '.join(filter(None, complaints))}")


def _has_type_for(value: Tensor, wanted: Tensor) -> bool:
    """Numbers in memory; those of a weight are floating: whole ones would need their scale."""
    plain = value.layout == torch.strided and not (value.is_meta or value.is_quantized)
    return plain and value.is_floating_point() == wanted.is_floating_point()


def _is_finite(value: Tensor) -> bool:
    if not value.is_floating_point() or value.is_meta or value.layout != torch.strided:
        return True  # named as of another type
    # The types of 8 bits do not know the question.
    return bool(torch.isfinite(value.float() if value.itemsize == 1 else value).all())


def _kind(value: Tensor) -> str:
    """The type, and what else a tensor may be that is none of numbers in memory."""
    layout = str(value.layout).removeprefix("torch.").replace("strided", "")
    words = [layout, "meta" if value.is_meta else "", str(value.dtype).removeprefix("torch.")]
    return " ".join(filter(None, words))


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")


def _complaint(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{what} {', '.join(names[:_NAMES_SHOWN])}{more}"
