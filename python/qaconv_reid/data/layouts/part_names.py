"""Folders that hold many identities: what their names say of the part of a data set in them."""

from __future__ import annotations

import re

__all__ = ["part_of"]

#: Words that name a part, the first that is found in a name deciding: "test" alone is what is
#: searched in, "val" a part that is none of ours.
_PARTS = (
    ("query", r"query|queries|probes?"),
    ("gallery", r"gallery|galleries"),
    ("val", r"val(?:id(?:ation)?)?"),
    ("train", r"train(?:ing)?"),
    ("gallery", r"test(?:ing)?|eval(?:uation)?"),
    ("", r"cam(?:era)?[\W_]*\d+|cameras"),
    # Collections: with a number behind them they may be somebody all the same.
    ("", r"^\D*(?:images|imgs|pictures|pics|photos|crops|frames|bbox(?:es)?|boxes|datasets?)\D*$"),
)

#: Words that stand beside those.
_BESIDE = r"bounding|box|b?box|image|img|all|sets?|data|new|multi|split|detected|labell?ed|mask|gt"

_MANY = re.compile(
    rf"(?:{'|'.join(words for _, words in _PARTS[:-1])}|{_BESIDE}|v\d"
    r"|images|imgs|pictures|pics|photos|crops|frames|bboxes|boxes|datasets?|[\W_\d])+",
    re.IGNORECASE,
)


def part_of(folder: str) -> str | None:
    """``train``, ``query``, ``gallery`` or ``val``; empty where a folder holds many all the same.

    None for a name that may be a person's.

    >>> part_of("image_query"), part_of("bounding_box_test"), part_of("train_all")
    ('query', 'gallery', 'train')
    >>> part_of("images"), part_of("0002"), part_of("Gale"), part_of("photo 7")
    ('', None, None, None)
    """
    if not _MANY.fullmatch(folder):
        return None
    for part, words in _PARTS:
        if re.search(words, folder, re.IGNORECASE):
            return part
    return None
