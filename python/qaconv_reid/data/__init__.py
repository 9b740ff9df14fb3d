"""Data sets of person images: their layouts, their records, and their images as tensors."""

from __future__ import annotations

from qaconv_reid.data.augmentation import Augmentation
from qaconv_reid.data.check import CheckReport, check, check_dataset, render, render_preview
from qaconv_reid.data.copies import own_images, trained_on, under_two
from qaconv_reid.data.counts import PartCheck
from qaconv_reid.data.decoding import DECODING, is_archive, open_rgb, to_rgb
from qaconv_reid.data.images import ImageDataset, ImageLoader, read_image
from qaconv_reid.data.inputs import (
    Box,
    Crop,
    ImageLike,
    Images,
    images_below,
    input_batches,
    list_inputs,
    open_crop,
)
from qaconv_reid.data.inspection import Inspection
from qaconv_reid.data.layouts import LAYOUTS, Layout
from qaconv_reid.data.layouts.pattern import Preview, compile_pattern, preview
from qaconv_reid.data.loading import DatasetSpec, load, located, parse_spec, recognize
from qaconv_reid.data.records import (
    PARTS,
    DataError,
    Record,
    ReidDataset,
    class_labels,
    has_pairs,
    lone_identities,
    shorten,
)
from qaconv_reid.data.sources import ImageSource, open_source
from qaconv_reid.data.table import Table, read_table
from qaconv_reid.data.variants import VARIANTS, Variant, parse_variant, variant_name
from qaconv_reid.data.views import Views

__all__ = [
    "DECODING",
    "LAYOUTS",
    "PARTS",
    "VARIANTS",
    "Augmentation",
    "Box",
    "CheckReport",
    "Crop",
    "DataError",
    "DatasetSpec",
    "ImageDataset",
    "ImageLike",
    "ImageLoader",
    "ImageSource",
    "Images",
    "Inspection",
    "Layout",
    "PartCheck",
    "Preview",
    "Record",
    "ReidDataset",
    "Table",
    "Variant",
    "Views",
    "check",
    "check_dataset",
    "class_labels",
    "compile_pattern",
    "has_pairs",
    "images_below",
    "input_batches",
    "is_archive",
    "list_inputs",
    "load",
    "located",
    "lone_identities",
    "open_crop",
    "open_rgb",
    "open_source",
    "own_images",
    "parse_spec",
    "parse_variant",
    "preview",
    "read_image",
    "read_table",
    "recognize",
    "render",
    "render_preview",
    "shorten",
    "to_rgb",
    "trained_on",
    "under_two",
    "variant_name",
]
