"""Virtual people: rendered pedestrians in several domains, made from a seed.

`make` writes them as a data set; nothing is downloaded, and numpy and Pillow are all it takes.
"""

from __future__ import annotations

from qaconv_reid.people.dataset import MANIFEST, PeopleError, Request, default_folder, make
from qaconv_reid.people.families import Families, Kin
from qaconv_reid.people.files import NAMINGS
from qaconv_reid.people.scenes import DOMAINS
from qaconv_reid.people.sizes import SIZES, Size

__all__ = [
    "DOMAINS",
    "MANIFEST",
    "NAMINGS",
    "SIZES",
    "Families",
    "Kin",
    "PeopleError",
    "Request",
    "Size",
    "default_folder",
    "make",
]
