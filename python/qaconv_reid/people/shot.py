"""Takes one picture: the crop that a detector would cut out of the camera's whole picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from qaconv_reid.people.backdrop import backdrop, draw_post
from qaconv_reid.people.camera import View
from qaconv_reid.people.figure import Figure, Posed, dress, walk
from qaconv_reid.people.kit import Array, load_kit
from qaconv_reid.people.look import Look, draw_family, draw_look
from qaconv_reid.people.render import draw_person, shadows
from qaconv_reid.people.scenes import DOMAINS, Spot, spots
from qaconv_reid.people.sensor import develop
from qaconv_reid.people.sizes import FAMILY, LOOK_ALIKES
from qaconv_reid.people.walks import Person, Presence, Sighting

__all__ = ["look_of", "take"]

#: The largest height of a picture, pixels.
_TALLEST = 256
#: Pictures are drawn with more pixels than they have, up to this height.
_DRAWN = 300
#: A box that a detector got badly wrong: how often.
_BAD_BOX = 0.08


def look_of(seed: int, person: Person, families: float = LOOK_ALIKES) -> Look:
    """What a person looks like, where this share of the families are look-alikes."""
    family = _family(seed, person.pool, person.number // FAMILY, families)
    return family[person.number % FAMILY]


@lru_cache(maxsize=64)
def _family(seed: int, pool: str, number: int, families: float) -> list[Look]:
    key = sum(map(ord, pool)) * 31 + len(pool)
    generator = np.random.default_rng([seed, 6, key, number])
    kit = load_kit()
    if generator.random() < families:
        return draw_family(generator, kit, FAMILY)
    return [draw_look(generator, kit) for _ in range(FAMILY)]


@lru_cache(maxsize=128)
def _figure(seed: int, person: Person, families: float) -> Figure:
    return dress(load_kit(), look_of(seed, person, families))


class _Standing:
    """Somebody at a place in the world."""

    def __init__(self, seed: int, presence: Presence, families: float) -> None:
        figure = _figure(seed, presence.person, families)
        # A stride is as long as the legs make it.
        phase = presence.walked / (0.82 * figure.look.height * figure.look.gait.stride)
        self.posed: Posed = walk(load_kit(), figure, phase)
        angle = presence.heading + np.pi / 2
        cosine, sine = np.cos(angle), np.sin(angle)
        self.turn = np.array(((cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1)), np.float32)
        place = np.array((presence.x, presence.y, 0), np.float32)
        self.points: Array = self.posed.points @ self.turn.T + place
        self.y = presence.y


def _box(
    low: Array, high: Array, spot: Spot, generator: np.random.Generator
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a detector's box, pixels of the camera."""
    width, height = high - low
    jitter = spot.domain.jitter
    move = generator.normal(0, jitter, 4) * (width, height, width, height)
    pad = generator.uniform(0.02, 0.07)
    box = np.array(
        (low[0] - pad * width, low[1] - pad * height, high[0] + pad * width, high[1] + pad * height)
    )
    box += 0.5 * move
    if generator.random() < _BAD_BOX:
        # The head or the feet are cut off, or there is much around.
        side = int(generator.integers(4))
        box[side] += (
            float(generator.uniform(-0.15, 0.25))
            * (width, height)[side % 2]
            * (1 if side < 2 else -1)
        )
    # A box of a walking person is never a sliver.
    wide = max(box[2] - box[0], 0.36 * (box[3] - box[1]))
    middle = 0.5 * (box[0] + box[2])
    camera = spot.camera
    left, right = np.clip((middle - wide / 2, middle + wide / 2), 0, camera.width)
    top, bottom = np.clip(box[[1, 3]], 0, camera.height)
    return float(left), float(top), float(right), float(bottom)


def take(seed: int, sighting: Sighting, families: float = LOOK_ALIKES) -> Image.Image:
    """The picture of a sighting, before its compression; see `look_of` for the families."""
    number = sighting.subject.person.number
    key = sum(map(ord, sighting.subject.person.pool)) * 31
    generator = np.random.default_rng(
        [seed, 7, len(sighting.domain), key, number, sighting.spot, sighting.shot]
    )
    spot = spots(seed, DOMAINS[sighting.domain])[sighting.spot]
    subject = _Standing(seed, sighting.subject, families)
    view = spot.camera.view()
    screen, _ = view.project(subject.points)
    left, top, right, bottom = _box(screen.min(0), screen.max(0), spot, generator)
    # Somebody at the very edge is still cut to a picture of some size.
    right, bottom = max(right, left + 8), max(bottom, top + 16)
    wide, tall = right - left, bottom - top
    shrink = min(1.0, _TALLEST / tall)
    size = max(round(wide * shrink), 8), max(round(tall * shrink), 16)
    finer = min(2.0, max(_DRAWN / size[1], 1.0))
    width, height = round(size[0] * finer), round(size[1] * finer)
    scale = height / tall
    window = view.window(left, top, scale)
    picture = _background(seed, sighting, (left, top, scale), width, height)
    light = spot.light()

    people = [subject]
    reach = 1.2 + 0.5 * wide / view.pixels_per_metre(float(np.hypot(subject.y, 3)))
    for presence in sighting.others:
        if abs(presence.x - sighting.subject.x) < reach and presence.y > 1.5:
            people.append(_Standing(seed, presence, families))
    _cast(picture, people, window, spot)
    drawn = [(person.y, person) for person in people] + [
        (post.y, post) for post in spot.posts if post.y < subject.y
    ]
    for _, thing in sorted(drawn, key=lambda pair: -pair[0]):
        if isinstance(thing, _Standing):
            draw_person(picture, thing.posed, thing.points, thing.turn, window, light)
        else:
            draw_post(picture, thing, window, spot)
    corner = _corner(spot, left, top, size[1] / tall, *size)
    return develop(picture, spot.camera.sensor, size, corner, generator)


def _background(
    seed: int, sighting: Sighting, corner: tuple[float, float, float], width: int, height: int
) -> Array:
    whole = backdrop(seed, sighting.domain, sighting.spot)
    left, top, scale = corner
    rows = np.clip((top + (np.arange(height) + 0.5) / scale).astype(int), 0, whole.shape[0] - 1)
    columns = np.clip((left + (np.arange(width) + 0.5) / scale).astype(int), 0, whole.shape[1] - 1)
    part = whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    return np.asarray(part[rows - rows[0]][:, columns - columns[0]], np.float32)


def _cast(picture: Array, people: list[_Standing], window: View, spot: Spot) -> None:
    """Take the light from the ground that people stand in."""
    light = spot.light()
    height, width = picture.shape[:2]
    direct = np.array(light.direct, np.float32) * max(float(light.direction()[2]), 0)
    share = direct / (direct + np.array(light.sky, np.float32))
    # Even without a sun it is darker under a person.
    share = np.maximum(share, 0.45)
    left_over = shadows([(p.points, p.posed) for p in people], window, light, width, height)
    if left_over is not None:
        picture *= 1 - share + share * left_over[..., None]


def _corner(spot: Spot, left: float, top: float, scale: float, width: int, height: int) -> Array:
    """Squared distance from the middle of the camera's picture, 1 in its corners."""
    camera = spot.camera
    x = (left + (np.arange(width) + 0.5) / scale) / camera.width - 0.5
    y = (top + (np.arange(height) + 0.5) / scale) / camera.height - 0.5
    return np.asarray(2 * (x[None] ** 2 + y[:, None] ** 2), np.float32)
