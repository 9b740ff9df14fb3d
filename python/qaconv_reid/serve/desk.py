"""What is asked of a gallery, answered one after the other; nothing is written anywhere."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from qaconv_ext.correspondence import Correspondences
from qaconv_reid.data import Crop, DataError, Images, open_crop
from qaconv_reid.gallery import Encoder, Gallery, describe
from qaconv_reid.gallery import Row as Kept
from qaconv_reid.serve.images import MAX_BYTES, MAX_PIXELS, TYPES, as_jpeg
from qaconv_reid.serve.problem import Refused
from qaconv_reid.serve.schemas import Camera, Facts, Limits, Match, Pair, Query, Ranking, Row, Side

__all__ = ["Desk", "Model"]

_KEPT_QUERIES = 32
_SAMPLE = 8


class Model(Encoder, Protocol):
    """The model at hand: a `qaconv_reid.Matcher`."""

    name: str

    @property
    def calibrated(self) -> bool:
        """Whether probabilities were fitted."""

    def correspondences(
        self, a: Images | Tensor, b: Images | Tensor, *, base: float | None = ...
    ) -> list[Correspondences]:
        """Why images match."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A query that is kept."""

    image: Image.Image
    maps: Tensor
    """``[1, C, h, w]`` float16, as the gallery's are: a pair's parts add up to its score there."""
    row: int | None


class Desk:
    """A gallery and its model, one request at a time.

    Args:
        gallery: what is searched.
        model: that made its maps.
        image: height and width of the model's images, in pixels.
    """

    def __init__(self, gallery: Gallery, model: Model, image: tuple[int, int]) -> None:
        self._gallery = gallery
        self._table = gallery.table
        self._model = model
        self._image = image
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._facts: tuple[int, Facts] | None = None
        #: Neither a table nor a network is made for several threads.
        self._lock = Lock()

    def facts(self) -> Facts:
        """What is searched, and with what."""
        with self._lock:
            self._table.refresh()
            # Counting rows reads them all: again only when some have come.
            if self._facts is None or self._facts[0] != self._table.version:
                self._facts = self._table.version, self._count()
            return self._facts[1]

    def ask(self, image: Image.Image, row: int | None = None) -> Query:
        """Take in an image to search with; the oldest is forgotten where there are many."""
        with self._lock:
            maps = self._model.features([image]).half()
            name = secrets.token_urlsafe(12)
            self._asked[name] = _Asked(image, maps, row)
            while len(self._asked) > _KEPT_QUERIES:
                self._asked.popitem(last=False)
        return Query(id=name, row=row)

    def ask_row(self, number: int) -> Query:
        """Take in an image of the gallery."""
        return self.ask(self._crop(number), number)

    def rank(
        self,
        query: str,
        k: int,
        cameras: Sequence[int | None] = (),
        after: float | None = None,
        before: float | None = None,
    ) -> Ranking:
        """The best rows for a query.

        Args:
            query: its id.
            k: so many.
            cameras: of these alone; None is that of images whose camera is not known; empty for
                all.
            after: not earlier than this, seconds.
            before: not later.
        """
        asked = self._query(query)
        where = _condition(cameras, after, before, asked.row)
        with self._lock:
            (hits,) = self._gallery.search_maps(asked.maps, k, where=where)
        found = [
            Row(
                row=hit.number,
                name=Path(hit.path).name,
                identity=hit.identity,
                camera=hit.camera,
                time=hit.time,
                score=hit.score,
                probability=hit.probability,
            )
            for hit in hits
        ]
        return Ranking(query=query, where=where, calibrated=self._model.calibrated, found=found)

    def why(self, query: str, number: int, *, plain: bool) -> Pair:
        """A score taken apart.

        Args:
            query: its id.
            number: of the row.
            plain: the terms as they are, and not beside an ordinary pair.
        """
        asked = self._query(query)
        self._row(number)
        with self._lock:
            maps = self._table.maps(np.array([number], np.int64))
            (found,) = self._model.correspondences(asked.maps, maps, base=0.0 if plain else None)
        columns = found.probe_heat.shape[1]
        return Pair(
            score=found.score,
            bias=found.bias,
            query=_side(found.probe_heat, found.probe_best, found.probe_maximum),
            result=_side(found.gallery_heat, found.gallery_best, found.gallery_maximum),
            matches=[
                Match(
                    query=_location(match.probe, columns),
                    result=_location(match.gallery, columns),
                    correlation=match.correlation,
                    part=match.contribution,
                )
                for match in found.matches
            ],
        )

    def query_image(self, query: str) -> bytes:
        """JPEG."""
        return as_jpeg(self._query(query).image)

    def row_image(self, number: int) -> bytes:
        """JPEG of the row's crop."""
        return as_jpeg(self._crop(number))

    def _count(self) -> Facts:
        info = describe(self._table, queries=0)
        numbers = self._table.numbers()
        chosen = np.linspace(0, len(numbers) - 1, min(_SAMPLE, len(numbers))).astype(np.int64)
        return Facts(
            # Not the folders above it: they are nobody's business.
            gallery=Path(info.place).name,
            rows=info.rows,
            identities=info.identities,
            cameras=[Camera(camera=camera, rows=n) for camera, n in info.cameras.items()],
            times=info.times,
            model=self._model.name,
            calibrated=self._model.calibrated,
            image=self._image,
            locations=info.maker.shape[1:],
            sample=numbers[chosen].tolist(),
            limits=Limits(bytes=MAX_BYTES, pixels=MAX_PIXELS, types=list(TYPES)),
        )

    def _query(self, name: str) -> _Asked:
        with self._lock:
            asked = self._asked.get(name)
            if asked is None:
                raise Refused(
                    404, "query: got one that is not kept any more, wanted the image once again"
                )
            self._asked.move_to_end(name)
            return asked

    def _row(self, number: int) -> Kept:
        with self._lock:
            self._table.refresh()
            there = self._table.numbers(f"number = {number}")
            if not len(there):
                raise Refused(404, f"row: got {number}, which the gallery does not have")
            return self._table.rows(there)[0]

    def _crop(self, number: int) -> Image.Image:
        row = self._row(number)
        try:
            return open_crop(Crop(Path(row.path), row.box))
        except DataError:
            # Its message names folders.
            raise Refused(
                404, f"row: got {number}, whose image {Path(row.path).name} cannot be read any more"
            ) from None


def _condition(
    cameras: Sequence[int | None], after: float | None, before: float | None, own: int | None
) -> str | None:
    """As SQL, from numbers alone: no text of a request becomes part of it."""
    known = [str(camera) for camera in cameras if camera is not None]
    filters = [f"camera IN ({', '.join(known)})"] if known else []
    filters += ["camera IS NULL"] if None in cameras else []
    parts = [f"({' OR '.join(filters)})"] if filters else []
    parts += [] if after is None else [f"time >= {after!r}"]
    parts += [] if before is None else [f"time <= {before!r}"]
    parts += [] if own is None else [f"number != {own}"]
    return " AND ".join(parts) or None


def _side(part: Tensor, best: Tensor, maximum: Tensor) -> Side:
    return Side(
        part=part.flatten().tolist(),
        best=best.flatten().tolist(),
        maximum=maximum.flatten().tolist(),
    )


def _location(location: tuple[int, int], columns: int) -> int:
    return location[0] * columns + location[1]
