"""Where in a file a backbone stands: below which name, whatever program wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["Part", "choose_part", "find_parts"]

#: Mappings within mappings that are looked into: ``{"state": {"model": {"teacher": {...}}}}``.
_DEPTH = 4


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Tensors of a file that have every key of a backbone, below a prefix."""

    location: tuple[str, ...]
    """Names of the mappings around them."""
    prefix: str
    """Before each key: nothing, or text with a dot at its end."""
    tensors: Mapping[str, Tensor]
    """By their names in the innermost mapping, also those that are not below the prefix."""
    beside: tuple[str, ...]
    """What else the mappings around hold."""

    @property
    def name(self) -> str:
        """What ``model.part_of_weights`` calls it."""
        return ".".join([*self.location, self.prefix.rstrip(".")]).strip(".") or "."

    def of(self, keys: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Its tensors of a backbone's keys."""
        named = {key: f"{self.prefix}{key}" for key in keys}
        return {key: self.tensors[name] for key, name in named.items() if name in self.tensors}

    def has(self, keys: Mapping[str, Tensor]) -> bool:
        """Whether all but counters of batches are there, as tensors."""
        there = self.of(keys)
        return all(key in there or key.endswith(".num_batches_tracked") for key in keys)

    def fits(self, keys: Mapping[str, Tensor]) -> bool:
        """Whether those that are there have the shapes too."""
        return all(value.shape == keys[key].shape for key, value in self.of(keys).items())


def find_parts(document: Mapping[str, Any], keys: Mapping[str, Tensor]) -> list[Part]:
    """Every location in a file with all the keys of a backbone; of equal tensors one.

    Args:
        document: as `read_weight_file` gives it.
        keys: the backbone's state_dict.
    """
    first = next(iter(keys))
    found = []
    for location, tensors, beside in _mappings(document, (), ()):
        for name in tensors:
            prefix = name.removesuffix(first)
            if name == f"{prefix}{first}" and (not prefix or prefix.endswith(".")):
                part = Part(location, prefix, tensors, beside)
                if part.has(keys):
                    found.append(part)
    different: list[Part] = []
    for part in found:
        if not any(_alike(part.of(keys), other.of(keys)) for other in different):
            different.append(part)
    return different


def choose_part(
    parts: list[Part], wanted: str | None, keys: Mapping[str, Tensor], path: Path
) -> Part | None:
    """The part that is meant; None where there is none and none was asked for.

    Args:
        parts: of `find_parts`.
        wanted: ``model.part_of_weights``: the name of one, or where that begins.
        keys: the backbone's state_dict.
        path: of the file, for people.

    Raises:
        ValueError: several could be, or there is none of that name; the message names them.
    """
    names = ", ".join(part.name for part in parts) or "none"
    if wanted is not None:
        begun = [part for part in parts if f"{part.name}.".startswith(f"{wanted.rstrip('.')}.")]
        same = [part for part in parts if part.name == wanted]
        if len(same or begun) != 1:
            raise ValueError(
                f"part_of_weights: got {wanted!r}, wanted the one name below which {path} has "
                f"every key of the backbone ({names})"
            )
        return (same or begun)[0]
    fitting = [part for part in parts if part.fits(keys)]
    if len(fitting) > 1:
        names = ", ".join(part.name for part in fitting)
        raise ValueError(
            f"part_of_weights: got nothing, and {path} has the backbone {len(fitting)} times, "
            f"wanted one of {names}"
        )
    return fitting[0] if fitting else (parts[0] if parts else None)


def _mappings(
    document: Mapping[Any, Any], location: tuple[str, ...], beside: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor], tuple[str, ...]]]:
    tensors = {str(name): value for name, value in document.items() if isinstance(value, Tensor)}
    if tensors:
        others = (".".join([*location, str(name)]) for name in document if str(name) not in tensors)
        yield location, tensors, (*beside, *others)
    if len(location) == _DEPTH:
        return
    for name, value in document.items():
        if isinstance(value, Mapping):
            rest = (".".join([*location, str(other)]) for other in document if other != name)
            yield from _mappings(value, (*location, str(name)), (*beside, *rest))


def _alike(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        value is other[key] or _equal(value, other[key]) for key, value in one.items()
    )


def _equal(one: Tensor, other: Tensor) -> bool:
    plain = one.layout == other.layout == torch.strided and not (one.is_meta or other.is_meta)
    return plain and one.dtype == other.dtype and torch.equal(one, other)
