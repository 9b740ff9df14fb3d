"""``qaconv data make``: virtual people on the disk."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from qaconv_reid import people
from qaconv_reid.files import expanded
from qaconv_reid.people import PeopleError, Request
from qaconv_reid.processes import cores
from qaconv_reid.reports import ProgressBars

__all__ = ["Request", "make"]


def make(
    request: Request,
    folder: str | None,
    *,
    packed: str | None = None,
    workers: int | None,
    console: Console,
) -> Path:
    """Make the data set where it is not there yet, and say where it lies.

    Args:
        request: what to make.
        folder: where to, None for the user's cache.
        packed: the ZIP file to write in place of a folder.
        workers: processes, None for one for each core that may be used.
        console: for the words.

    Returns:
        Its folder, or the packed file.

    Raises:
        PeopleError: it cannot be made.
    """
    counts = request.check()
    for option, text in (("--out", folder), ("--packed", packed)):
        if text == "":
            raise PeopleError(f"{option}: got an empty text, wanted a path")
    given = folder or packed
    path = expanded(given) if given else people.default_folder(request)
    if workers is None:
        workers = cores()
    console.print(
        f"Virtual people (synthetic), {request.size}: {counts.identities:,} identities, "
        f"{counts.images:,} images, about {_megabytes(request.bytes_needed())} in {path}",
        highlight=False,
        soft_wrap=True,
    )
    with ProgressBars() as progress:
        manifest = people.make(
            request, path, packed=packed is not None, workers=workers, progress=progress
        )
    for domain, images in manifest["images"].items():
        where = path / domain if request.naming == "market" else path
        console.print(f"{where}: {images:,} images", highlight=False, soft_wrap=True)
    return path


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
