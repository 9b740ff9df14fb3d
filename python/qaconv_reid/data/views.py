"""How the test part of a data set is looked at: which variants of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qaconv_reid.data.records import Record, ReidDataset
from qaconv_reid.data.variants import Variant, parse_variant, variant_name

__all__ = ["Views"]


@dataclass(frozen=True, slots=True)
class Views:
    """Variants of the test images, None for the images as they are."""

    variants: tuple[Variant | None, ...] = (None,)

    @classmethod
    def parse(cls, variants: Sequence[str]) -> Views:
        """From the words of a command line; without a word the images as they are.

        Raises:
            DataError: a word is no variant.
        """
        return cls(tuple(dict.fromkeys(parse_variant(text) for text in variants)) or (None,))

    @property
    def words(self) -> list[str]:
        """The options of a command line that ask for this."""
        if self == Views():
            return []
        return [f"--variant {variant_name(variant)}" for variant in self.variants]

    def seen(self, dataset: ReidDataset, variant: Variant | None) -> ReidDataset:
        """The data set as one of the variants shows it.

        Its name has the variant's behind it, so that no table takes one for another.
        """
        if variant is None:
            return dataset

        def through(records: Sequence[Record]) -> tuple[Record, ...]:
            return tuple(replace(record, variant=variant) for record in records)

        return replace(
            dataset,
            name=f"{dataset.name}, {variant_name(variant)}",
            query=through(dataset.query),
            gallery=through(dataset.gallery),
        )
