"""Data sets of person images: their layouts, their records, and their images as tensors."""

from __future__ import annotations

from qaconv_reid.data.augmentation import Augmentation
from qaconv_reid.data.check import CheckReport, check, check_dataset, render
from qaconv_reid.data.counts import PartCheck
from qaconv_reid.data.images import ImageDataset, open_rgb, read_image
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
from qaconv_reid.data.layouts import LAYOUTS, Layout
from qaconv_reid.data.loading import DatasetSpec, load, parse_spec, recognise
from qaconv_reid.data.records import PARTS, DataError, Record, ReidDataset, class_labels
from qaconv_reid.data.sources import ImageSource, open_source
from qaconv_reid.data.variants import VARIANTS, Variant, parse_variant, variant_name
from qaconv_reid.data.views import Views

__all__ = [
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
    "ImageSource",
    "Images",
    "Layout",
    "PartCheck",
    "Record",
    "ReidDataset",
    "Variant",
    "Views",
    "check",
    "check_dataset",
    "class_labels",
    "images_below",
    "input_batches",
    "list_inputs",
    "load",
    "open_crop",
    "open_rgb",
    "open_source",
    "parse_spec",
    "parse_variant",
    "read_image",
    "recognise",
    "render",
    "variant_name",
]
