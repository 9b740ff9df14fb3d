"""A table and the model that made its maps, as one thing to add to and to search in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from qaconv_reid.data import Crop, DataError, ImageLike, Images
from qaconv_reid.gallery.report import Info, Recall, describe, measure_recall
from qaconv_reid.gallery.search import FindEach, Found, Hit, Rescore, find, find_each, rescore_here
from qaconv_reid.gallery.shortlist import on_grid
from qaconv_reid.gallery.sources import RowSource, list_rows
from qaconv_reid.gallery.table import GalleryError, Row, Table
from qaconv_reid.models import Progress

__all__ = ["Added", "Answer", "Encoder", "Engine", "Gallery"]

Engine = Literal["here", "ray"]


class Encoder(Protocol):
    """The model at hand, as far as a gallery needs it."""

    def features(
        self, images: Images, *, batch_size: int = ..., progress: Progress | None = ...
    ) -> Tensor:
        """Maps ``[N, C, h, w]`` on the CPU."""

    def probability(
        self, scores: ArrayLike, *, cameras: tuple[ArrayLike, ArrayLike] | None = ...
    ) -> NDArray[np.float64]:
        """Of each score; cameras are those of query and row, -1 where one is not known."""


class Added(NamedTuple):
    """What became of the images of a source."""

    added: int
    present: int
    """Those that were in the gallery already."""


class Answer(NamedTuple):
    """What was found for one query of many."""

    query: Row
    hits: list[Hit]
    error: str | None = None
    """Why there is none: the image cannot be read."""


class Gallery:
    """Images whose maps are kept, to be searched with images.

    Made by `qaconv_reid.Matcher.gallery`.

    Args:
        table: where rows lie.
        encoder: the model that made their maps.
    """

    def __init__(self, table: Table, encoder: Encoder) -> None:
        self.table = table
        self._encoder = encoder

    def __len__(self) -> int:
        return len(self.table)

    def add(
        self, source: RowSource, *, batch_size: int = 64, progress: Progress | None = None
    ) -> Added:
        """Add images, batch by batch; those that are there already are passed over.

        A batch is whole in the gallery or not at all. After an interruption the same call goes on:
        what was added before is not read again.

        Args:
            source: a folder, an image, a CSV, a list of these, or columns (see docs/search.md).
            batch_size: images at a time.
            progress: told after every batch.

        Raises:
            GalleryError, DataError: the source cannot be used, or an image of it cannot be read;
                the batches before that image are in the gallery.
        """
        if batch_size < 1:
            raise GalleryError(f"batch_size: got {batch_size}, wanted at least 1")
        listed = {row.key: row for row in list_rows(source)}
        self.table.refresh()
        there = self.table.keys()
        new = [row for key, row in listed.items() if key not in there]
        try:
            for start in range(0, len(new), batch_size):
                self._append(new[start : start + batch_size])
                if progress is not None:
                    progress("adding", min(start + batch_size, len(new)), len(new))
        finally:
            self.table.flush()
        return Added(len(new), len(listed) - len(new))

    def search(
        self,
        image: ImageLike,
        k: int = 10,
        *,
        where: str | None = None,
        camera: int | None = None,
        exact: bool = False,
        engine: Engine = "here",
    ) -> list[Hit]:
        """The k rows that match an image best, the best first.

        Args:
            image: a file, a PIL image, an array or a tensor.
            k: rows wanted; fewer come where there are fewer.
            where: a condition as of SQL on ``path``, ``identity``, ``camera``, ``time``; a row
                where what it asks for is not known does not fulfil it.
            camera: that took the image, for probabilities that are calibrated by camera.
            exact: score every row, also where there are more than `EXACT_ROWS`.
            engine: ``here``, or ``ray``: shards of the table in Ray's workers (the extra
                ``cluster``), with the same result.

        Raises:
            GalleryError, DataError: the condition or the image cannot be read, or an argument is
                out of its range.
        """
        found = self.search_many([image], k, where=where, camera=camera, exact=exact, engine=engine)
        if len(found) != 1:
            raise GalleryError(f"image: got {len(found)} images, wanted one (or search_many)")
        return found[0]

    def search_many(
        self,
        images: Images,
        k: int = 10,
        *,
        where: str | None = None,
        camera: int | None = None,
        exact: bool = False,
        engine: Engine = "here",
        progress: Progress | None = None,
    ) -> list[list[Hit]]:
        """`search` with many images; a list for each."""
        rescore = self._rescore(engine)
        maps = self._encoder.features(images, progress=progress)
        return self._search(maps, k, where, camera, exact, rescore)

    def search_maps(
        self,
        maps: Tensor,
        k: int = 10,
        *,
        where: str | None = None,
        camera: int | None = None,
        exact: bool = False,
    ) -> list[list[Hit]]:
        """`search_many` with maps ``[N, C, h, w]`` of the same model, on the CPU."""
        return self._search(maps, k, where, camera, exact, rescore_here)

    def search_parts(
        self,
        parts: Sequence[Sequence[Row]],
        k: int = 10,
        *,
        where: str | None = None,
        exact: bool = False,
        engine: Engine = "here",
    ) -> Iterator[list[Answer]]:
        """The answers of parts of queries, part by part: for more queries than memory holds.

        An image that cannot be read has its error for an answer, and the others go on.

        Args:
            parts: rows, as of `qaconv_reid.gallery.list_rows`.
            k: as of `search`.
            where: as of `search`.
            exact: as of `search`.
            engine: ``ray`` gives each part to one of Ray's workers; with the same result.

        Raises:
            GalleryError: as `search`, or the gallery was changed meanwhile.
        """
        self.table.refresh()
        version, length = self.table.version, max(len(self.table), 1) if exact else None
        read: list[dict[int, str]] = []

        def encoded() -> Iterator[Tensor]:
            for rows in parts:
                maps, errors = self._encode(rows)
                read.append(errors)
                yield maps

        finder: FindEach = find_each if engine == "here" else self._ray(engine).RayFind()
        found = finder(self.table, encoded(), k, where=where, length=length)
        for number, (rows, answers) in enumerate(zip(parts, found, strict=True)):
            self.table.refresh()
            if self.table.version != version:
                raise GalleryError(f"{self.table.place}: was changed while it was searched")
            good = iter(answers)
            yield [
                Answer(row, [], read[number][place])
                if place in read[number]
                else Answer(row, self._hits(next(good), row.camera))
                for place, row in enumerate(rows)
            ]

    def remove(self, where: str) -> int:
        """Remove the rows of a condition, as of `search`; how many they were.

        Raises:
            GalleryError: the condition is empty or cannot be read.
        """
        return remove(self.table, where)

    def info(self, *, queries: int | None = None) -> Info:
        """What is in it, and the recall of its shortlist on ``queries`` rows (see `Info`)."""
        return describe(self.table, queries=queries)

    def recall(
        self, k: int = 10, *, queries: int | None = None, shortlist: int | None = None
    ) -> Recall:
        """How many of the exact best k a shortlist keeps, on rows of the gallery as queries."""
        self.table.refresh()
        return measure_recall(self.table, k=k, queries=queries, length=shortlist)

    def _append(self, rows: Sequence[Row]) -> None:
        maps = self._maps([Crop(Path(row.path), row.box) for row in rows])
        self.table.append(rows, maps, on_grid(maps))

    def _encode(self, rows: Sequence[Row]) -> tuple[Tensor, dict[int, str]]:
        """Maps of the rows that can be read, and why the others cannot, by their places."""
        crops = [Crop(Path(row.path), row.box) for row in rows]
        errors: dict[int, str] = {}
        try:
            return self._maps(crops), errors
        except DataError:
            for place, crop in enumerate(crops):
                try:
                    self._maps([crop])
                except DataError as error:
                    errors[place] = str(error)
        good = [crop for place, crop in enumerate(crops) if place not in errors]
        if not good:
            return torch.empty((0, *self.table.maker.shape), dtype=torch.float16), errors
        return self._maps(good), errors

    def _maps(self, crops: Sequence[Crop]) -> Tensor:
        return self._encoder.features(crops, batch_size=len(crops)).to("cpu", torch.float16)

    def _rescore(self, engine: Engine) -> Rescore:
        rescore: Rescore = rescore_here if engine == "here" else self._ray(engine).RayRescore()
        return rescore

    def _ray(self, engine: Engine) -> Any:
        """The module that knows Ray."""
        if engine != "ray":
            raise GalleryError(f"engine: got {engine!r}, wanted here or ray")
        try:
            from qaconv_reid.gallery import ray
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise GalleryError(
                "engine: got 'ray', and ray is not installed (pip install 'qaconv-ext[cluster]')"
            ) from None
        return ray

    def _search(
        self,
        maps: Tensor,
        k: int,
        where: str | None,
        camera: int | None,
        exact: bool,
        rescore: Rescore,
    ) -> list[list[Hit]]:
        # A shortlist as long as the table is none.
        length = max(len(self.table), 1) if exact else None
        queries = maps.to(torch.float16)
        found = find(self.table, queries, k, where=where, length=length, rescore=rescore)
        return [self._hits(best, camera) for best in found]

    def _hits(self, found: Found, camera: int | None) -> list[Hit]:
        rows, scores = self.table.rows(found.numbers), found.scores.tolist()
        cameras = np.array([_camera(row.camera) for row in rows], np.int64)
        chances = self._encoder.probability(found.scores, cameras=(_camera(camera), cameras))
        numbers = found.numbers.tolist()
        return [
            Hit(row.path, row.identity, row.camera, row.time, row.box, score, chance, number)
            for row, score, chance, number in zip(
                rows, scores, chances.tolist(), numbers, strict=True
            )
        ]


def _camera(number: int | None) -> int:
    """As a calibration takes it."""
    return -1 if number is None else number


def remove(table: Table, where: str) -> int:
    """Remove the rows of a condition from a table; how many they were.

    Raises:
        GalleryError: the condition is empty or cannot be read.
    """
    if not where.strip():
        raise GalleryError("where: got an empty text, wanted a condition; all is: true")
    table.refresh()
    return table.remove(where)
