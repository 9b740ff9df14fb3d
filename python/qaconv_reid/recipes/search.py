"""``qaconv search``: the images of a gallery that match best."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from qaconv_reid import matcher
from qaconv_reid.gallery import Engine, GalleryError, Hit, open_table
from qaconv_reid.reports import ProgressBars, say

__all__ = ["search"]


def search(
    run: str,
    place: str,
    images: Sequence[str],
    *,
    k: int,
    where: str | None,
    camera: int | None,
    exact: bool,
    engine: Engine,
    device: str,
    as_json: bool,
    console: Console,
) -> list[list[Hit]]:
    """Search a gallery with images, and print what was found.

    Args:
        run: as `qaconv_reid.load` takes it.
        place: of the gallery.
        images: files.
        k: hits for each.
        where: a condition on what may be found.
        camera: that took the images, for probabilities that are calibrated by camera.
        exact: score every row.
        engine: of the exact scores.
        device: where the network runs.
        as_json: print JSON, a list with an entry for each image.
        console: where to.

    Raises:
        ConfigError, CheckpointError, GalleryError, DataError: what cannot be used.
    """
    open_table(place)  # a search makes no gallery
    loaded = matcher.load(run, device=device)
    with ProgressBars() as progress:
        found = loaded.gallery(place).search_many(
            list(images),
            k,
            where=where,
            camera=camera,
            exact=exact,
            engine=engine,
            progress=progress,
        )
    if len(found) != len(images):
        raise GalleryError(f"images: got {', '.join(images)} with a folder, wanted files")
    if as_json:
        entries = [
            {"query": image, "calibrated": loaded.calibrated, "hits": [asdict(h) for h in hits]}
            for image, hits in zip(images, found, strict=True)
        ]
        say(console, *json.dumps(entries, indent=1).split("\n"))
        return found
    for image, hits in zip(images, found, strict=True):
        say(console, f"{image}: {'best first' if hits else 'nothing found'}")
        for place_in_list, hit in enumerate(hits, start=1):
            say(console, _line(place_in_list, hit))
    if not loaded.calibrated:
        say(console, "probabilities are not calibrated: qaconv calibrate RUN")
    return found


def _line(place: int, hit: Hit) -> str:
    facts = [f"{place:3}  {100 * hit.probability:5.1f} %  {hit.score:8.3f}  {hit.path}"]
    facts += [
        f"{name} {value}"
        for name, value in (
            ("identity", hit.identity),
            ("camera", hit.camera),
            ("time", hit.time),
            ("box", None if hit.box is None else list(hit.box)),
        )
        if value is not None
    ]
    return "  ".join(facts)
