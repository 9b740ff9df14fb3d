"""Data sets of person images: their layouts, their records, and their images as tensors."""

from __future__ import annotations

from qaconv_reid.data.check import CheckReport, check, check_dataset, render
from qaconv_reid.data.counts import PartCheck
from qaconv_reid.data.images import ImageDataset, open_rgb
from qaconv_reid.data.layouts import LAYOUTS, Layout
from qaconv_reid.data.loading import DatasetSpec, load, parse_spec, recognise
from qaconv_reid.data.records import PARTS, DataError, Record, ReidDataset, class_labels
from qaconv_reid.data.transforms import (
    RandomOcclusion,
    build_test_transform,
    build_train_transform,
)

__all__ = [
    "LAYOUTS",
    "PARTS",
    "CheckReport",
    "DataError",
    "DatasetSpec",
    "ImageDataset",
    "Layout",
    "PartCheck",
    "RandomOcclusion",
    "Record",
    "ReidDataset",
    "build_test_transform",
    "build_train_transform",
    "check",
    "check_dataset",
    "class_labels",
    "load",
    "open_rgb",
    "parse_spec",
    "recognise",
    "render",
]
