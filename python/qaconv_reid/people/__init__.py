"""Virtual people: rendered pedestrians in several domains, made from a seed.

`make` writes them as a data set; nothing is downloaded, and numpy and Pillow are all it takes.
"""

from __future__ import annotations

from qaconv_reid.people.dataset import MANIFEST, PeopleError, Request, default_folder, make
from qaconv_reid.people.files import NAMINGS, family_of
from qaconv_reid.people.scenes import DOMAINS
from qaconv_reid.people.sizes import SIZES, Size

__all__ = [
    "DOMAINS",
    "MANIFEST",
    "NAMINGS",
    "SIZES",
    "PeopleError",
    "Request",
    "Size",
    "default_folder",
    "family_of",
    "make",
]
