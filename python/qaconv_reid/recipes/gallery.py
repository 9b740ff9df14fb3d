"""``qaconv gallery``: images whose maps are kept, to be searched."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from qaconv_reid import gallery, matcher
from qaconv_reid.gallery import Added, Info, Recall
from qaconv_reid.reports import ProgressBars, say

__all__ = ["add", "info", "remove"]


def add(
    run: str,
    location: str,
    sources: Sequence[str],
    *,
    batch_size: int,
    device: str,
    console: Console,
) -> Added:
    """Add images to a gallery, made where there is none; what is there is passed over.

    Args:
        run: as `qaconv_reid.load` takes it.
        location: of the gallery.
        sources: folders, images, CSV files.
        batch_size: images at a time.
        device: where the network runs.
        console: for the result.

    Raises:
        ConfigError, CheckpointError, GalleryError, DataError: what cannot be used.
    """
    kept = matcher.load(run, device=device).gallery(location)
    with ProgressBars() as progress:
        added = kept.add(list(sources), batch_size=batch_size, progress=progress)
    present = f", {added.present:,} were there" if added.present else ""
    say(console, f"{location}: {added.added:,} images added{present}; {len(kept):,} in all")
    return added


def info(location: str, *, queries: int | None, console: Console) -> Info:
    """Tell what a gallery holds, and what its shortlist keeps of the exact answer.

    Args:
        location: of the gallery.
        queries: that the recall is measured with; None for as many as take seconds; 0 for none.
        console: for what is told.

    Raises:
        GalleryError: there is no such gallery, or too many queries are wanted.
    """
    found = gallery.describe(gallery.open_table(location), queries=queries)
    cameras = ", ".join(
        f"{'unknown' if camera is None else camera}: {rows:,}"
        for camera, rows in found.cameras.items()
    )
    channels, rows, columns = found.maker.shape
    size = found.bytes_of_maps / 1e6
    for name, text in (
        ("gallery", f"{found.place}, version {found.version}"),
        ("images", f"{found.rows:,}, of {found.identities:,} known identities"),
        ("cameras", cameras or "none"),
        ("model", f"{found.maker.name} ({found.maker.checksum})"),
        ("maps", f"{channels} channels, {rows} × {columns} locations, {size:,.1f} MB in float16"),
        ("search", _search(found.recall)),
    ):
        say(console, f"{name:8} {text}")
    return found


def remove(location: str, where: str, *, console: Console) -> int:
    """Remove the rows of a condition.

    Raises:
        GalleryError: there is no such gallery, or the condition cannot be read.
    """
    table = gallery.open_table(location)
    gone = gallery.remove(table, where)
    say(console, f"{location}: {gone:,} images removed; {len(table):,} in all")
    return gone


def _search(recall: Recall | None) -> str:
    if recall is None:
        return f"every image is scored (up to {gallery.EXACT_ROWS:,})"
    return (
        f"{recall.shortlist:,} of {recall.rows:,} are scored, which keep {100 * recall.share:.1f} "
        f"% of the exact best {recall.k} ({recall.queries} images of the gallery as queries)"
    )
