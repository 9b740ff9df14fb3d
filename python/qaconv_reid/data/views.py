"""How the test part of a data set is looked at: variants of its images, and which are queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qaconv_reid.data.records import Record, ReidDataset
from qaconv_reid.data.variants import Variant, parse_variant, variant_name

__all__ = ["Views"]


@dataclass(frozen=True, slots=True)
class Views:
    """What is made of the test images, and which of them are queries."""

    variants: tuple[Variant | None, ...] = (None,)
    """None for the images as they are."""
    every_crop: bool = False
    """Every image is searched in all others."""

    @classmethod
    def parse(cls, variants: Sequence[str], *, every_crop: bool = False) -> Views:
        """From the words of a command line; without a word the images as they are.

        Raises:
            DataError: a word is no variant.
        """
        parsed = dict.fromkeys(parse_variant(text) for text in variants)
        return cls(tuple(parsed) or (None,), every_crop)

    @property
    def words(self) -> list[str]:
        """The options of a command line that ask for this."""
        named = self.variants != Views().variants
        words = [f"--variant {variant_name(variant)}" for variant in self.variants if named]
        return [*words, "--every-crop"] if self.every_crop else words

    def seen(self, dataset: ReidDataset, variant: Variant | None) -> ReidDataset:
        """The data set as one of the variants shows it.

        Its name has the variant's behind it, so that no table takes one for another.
        """
        if self.every_crop:
            dataset = _every_crop(dataset)
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


def _every_crop(dataset: ReidDataset) -> ReidDataset:
    """All test images but distractors are queries; these stay behind them in the gallery."""
    images = {record.path: record for record in (*dataset.query, *dataset.gallery)}.values()
    queries = tuple(record for record in images if record.person != dataset.distractor)
    others = tuple(record for record in images if record.person == dataset.distractor)
    return replace(dataset, query=queries, gallery=(*queries, *others))
