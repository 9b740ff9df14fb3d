"""From the name of a gallery to its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qaconv_reid.files import check_replaceable, expanded
from qaconv_reid.gallery.memory import MemoryTable
from qaconv_reid.gallery.shortlist import vector_length
from qaconv_reid.gallery.table import GalleryError, Maker, Table

if TYPE_CHECKING:
    from qaconv_reid.gallery.lance import LanceTable

__all__ = ["open_table"]

_FILE = ".safetensors"
_LANCE = ".lance"


def open_table(place: str | Path | None, maker: Maker | None = None) -> Table:
    """The table of that name; made, where there is none and ``maker`` is given.

    Args:
        place: ``NAME.lance`` (a folder, or an address of an object store such as
            ``s3://bucket/NAME.lance``; the extra ``search``) or ``NAME.safetensors`` (one file,
            read into memory whole); None for one that is kept nowhere.
        maker: the model at hand.

    Raises:
        GalleryError: there is none, its maps are another model's, it cannot be read, the name has
            another ending or the extra is not installed.
    """
    name = "" if place is None else str(place).rstrip("/")
    if place is None:
        if maker is None:
            raise GalleryError("gallery: got no name, wanted one to open without a model")
        return MemoryTable(maker)
    if not name.endswith((_FILE, _LANCE)):
        raise GalleryError(f"gallery: got {name!r}, wanted a name ending in {_LANCE} or {_FILE}")
    table = _open_file(name, maker) if name.endswith(_FILE) else _open_lance(name, maker)
    if table is None:
        raise GalleryError(f"{name}: there is no such gallery")
    if maker is not None:
        table.maker.check_same(maker, name)
    return table


def _open_file(name: str, maker: Maker | None) -> Table | None:
    path = expanded(name)
    if path.exists():
        return MemoryTable.open(path)
    if maker is None:
        return None
    # Before maps are computed for it.
    path.parent.mkdir(parents=True, exist_ok=True)
    check_replaceable(path)
    return MemoryTable(maker, path)


def _open_lance(name: str, maker: Maker | None) -> Table | None:
    try:
        from qaconv_reid.gallery.lance import LanceTable
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("lancedb", "pyarrow"):
            raise
        raise GalleryError(
            f"{name}: {error.name} is not installed (pip install 'qaconv-ext[search]'); without it "
            f"a gallery can be one file, {Path(name).with_suffix(_FILE).name}"
        ) from None
    folder, _, table = name.rpartition("/")
    folder = folder or "."
    if "://" not in name:
        folder = str(expanded(folder).absolute())
    elif folder.endswith(":/"):
        raise GalleryError(f"gallery: got {name!r}, wanted a bucket or a folder before the name")
    table = table.removesuffix(_LANCE)
    found: LanceTable | None = LanceTable.open(folder, table)
    if found is None and maker is not None:
        found = LanceTable.create(folder, table, maker, vector_length(maker.shape))
    return found
