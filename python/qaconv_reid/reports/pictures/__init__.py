"""Pictures: why two images match, and ranked lists."""

from qaconv_reid.reports.pictures.correspondences import (
    MatchPicture,
    correspondence_panel,
    correspondence_picture,
)
from qaconv_reid.reports.pictures.paint import picture_format, save_picture
from qaconv_reid.reports.pictures.ranked import Found, RankedList, Sighting, ranked_picture

__all__ = [
    "Found",
    "MatchPicture",
    "RankedList",
    "Sighting",
    "correspondence_panel",
    "correspondence_picture",
    "picture_format",
    "ranked_picture",
    "save_picture",
]
