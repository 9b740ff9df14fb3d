"""A gallery: maps of images that are kept, and searched with images."""

from qaconv_reid.gallery.gallery import Added, Answer, Encoder, Engine, Gallery, remove
from qaconv_reid.gallery.opening import open_table
from qaconv_reid.gallery.report import Info, Recall, describe
from qaconv_reid.gallery.search import EXACT_ROWS, Hit
from qaconv_reid.gallery.sources import RowSource, list_rows
from qaconv_reid.gallery.table import GalleryError, Maker, Row, Table

__all__ = [
    "EXACT_ROWS",
    "Added",
    "Answer",
    "Encoder",
    "Engine",
    "Gallery",
    "GalleryError",
    "Hit",
    "Info",
    "Maker",
    "Recall",
    "Row",
    "RowSource",
    "Table",
    "describe",
    "list_rows",
    "open_table",
    "remove",
]
