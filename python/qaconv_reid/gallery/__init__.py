"""A gallery: maps of images that are kept, and searched with images."""

from qaconv_reid.gallery.gallery import Added, Encoder, Gallery
from qaconv_reid.gallery.opening import open_table
from qaconv_reid.gallery.report import Info, Recall
from qaconv_reid.gallery.search import EXACT_ROWS, Hit
from qaconv_reid.gallery.table import GalleryError, Maker, Row, Table

__all__ = [
    "EXACT_ROWS",
    "Added",
    "Encoder",
    "Gallery",
    "GalleryError",
    "Hit",
    "Info",
    "Maker",
    "Recall",
    "Row",
    "Table",
    "open_table",
]
