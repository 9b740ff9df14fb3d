"""What the API says: the one list of its fields, from which its OpenAPI description is made."""

from __future__ import annotations

from pydantic import BaseModel, Field

__all__ = [
    "Camera",
    "Facts",
    "Limits",
    "Match",
    "Pair",
    "Problem",
    "Query",
    "Ranking",
    "Row",
    "Side",
]


class Problem(BaseModel):
    """Why a request was not answered."""

    error: str = Field(description="one sentence")


class Camera(BaseModel):
    """A camera of the gallery."""

    camera: int | None = Field(description="its number; null for images whose camera is not known")
    rows: int = Field(description="images by it")


class Limits(BaseModel):
    """What an uploaded image may be."""

    bytes: int
    pixels: int
    types: list[str] = Field(description="of the header Content-Type")


class Facts(BaseModel):
    """The gallery, and the model that it is searched with."""

    gallery: str
    rows: int
    identities: int = Field(description="known ones")
    cameras: list[Camera]
    times: tuple[float, float] | None = Field(description="first and last, in seconds")
    model: str
    calibrated: bool = Field(
        description="whether probabilities were fitted on labeled pairs; else they are the "
        "sigmoid of the score, in order but no probability that holds"
    )
    image: tuple[int, int] = Field(description="height and width of the model's images, in pixels")
    locations: tuple[int, int] = Field(description="rows and columns of a map")
    sample: list[int] = Field(description="a few rows to begin with")
    limits: Limits


class Query(BaseModel):
    """An image that is searched with; the newest few are kept, in memory."""

    id: str
    row: int | None = Field(description="the row of the gallery that it is, which it does not find")


class Row(BaseModel):
    """A row of the gallery that was found."""

    row: int = Field(description="its number, for good")
    name: str = Field(description="of its file, without the folders")
    identity: str | None
    camera: int | None
    time: float | None = Field(description="seconds on the camera's clock")
    score: float
    probability: float = Field(description="of being the same identity, at even odds")


class Ranking(BaseModel):
    """What was found for a query, the best first."""

    query: str
    where: str | None = Field(description="the filter, as `qaconv search --where` takes it")
    calibrated: bool
    found: list[Row]


class Side(BaseModel):
    """The locations of one image, row by row."""

    part: list[float] = Field(
        description="of the score, of each location; below 0 it speaks against"
    )
    best: list[int] = Field(description="location of the other image that each is most like")
    maximum: list[float] = Field(description="its correlation with that")


class Match(BaseModel):
    """Two locations, each the other's best."""

    query: int
    result: int
    correlation: float
    part: float = Field(description="of both locations together, of the score")


class Pair(BaseModel):
    """Why a row matches a query: score = sum of both sides' parts + bias."""

    score: float
    bias: float = Field(description="the same for all pairs")
    query: Side
    result: Side
    matches: list[Match] = Field(description="the greatest part by magnitude first")
