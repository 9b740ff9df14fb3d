"""Takes one image: the crop that a detector would cut out of the camera's whole image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image

from qaconv_reid.people.backdrop import backdrop
from qaconv_reid.people.box import detect
from qaconv_reid.people.camera import Sensor, View
from qaconv_reid.people.change import as_seen
from qaconv_reid.people.figure import Figure, Posed, dress, walk
from qaconv_reid.people.kit import Array, load_kit
from qaconv_reid.people.look import Look, draw_family, draw_look
from qaconv_reid.people.render import Light, draw_person, shadows
from qaconv_reid.people.scenes import DOMAINS, Spot, spots
from qaconv_reid.people.sensor import develop
from qaconv_reid.people.sizes import FAMILY, LOOK_ALIKES
from qaconv_reid.people.stance import act, draw_stance
from qaconv_reid.people.streams import stream
from qaconv_reid.people.things import Thing, draw_thing
from qaconv_reid.people.walks import FRAME_RATE, Person, Presence, Sighting

__all__ = ["look_of", "take"]

#: The largest height of an image, pixels.
_TALLEST = 256
#: Images are drawn with more pixels than they have, up to this height.
_DRAWN = 300
#: Share of somebody that may be hidden.
_FOUND = 0.5
#: Seconds for which a camera keeps its exposure and its white balance.
_STEADY = 600


def look_of(seed: int, person: Person, families: float = LOOK_ALIKES) -> Look:
    """What a person looks like, where this share of the families are look-alikes."""
    family = _family(seed, person.pool, person.number // FAMILY, families)
    return family[person.number % FAMILY]


@lru_cache(maxsize=64)
def _family(seed: int, pool: str, number: int, families: float) -> list[Look]:
    generator = stream(seed, "family", pool, number)
    kit = load_kit()
    if generator.random() < families:
        return draw_family(generator, kit, FAMILY)
    return [draw_look(generator, kit) for _ in range(FAMILY)]


@lru_cache(maxsize=128)
def _figure(seed: int, domain: str, person: Person, visit: int, families: float) -> Figure:
    look = look_of(seed, person, families)
    if visit >= 0:
        look = as_seen(look, stream(seed, "visit", domain, person.pool, person.number, visit))
    return dress(load_kit(), look)


class _Standing:
    """Somebody at a place in the world."""

    def __init__(self, seed: int, domain: str, presence: Presence, families: float) -> None:
        person = presence.person
        figure = _figure(seed, domain, person, presence.visit, families)
        # The same for the whole of a visit, as seen by whoever is near.
        own = stream(seed, "stance", domain, person.pool, person.number, presence.visit + 1)
        stance = draw_stance(own)
        gait = act(figure.look.gait, stance)
        # A stride is as long as the legs make it.
        phase = presence.walked / (0.82 * figure.look.height * max(gait.stride, 0.3))
        self.posed: Posed = walk(load_kit(), figure, phase, gait)
        angle = presence.heading + np.pi / 2
        if stance.waits:  # and looks anywhere
            angle += float(own.normal(0, 1.2))
        cosine, sine = np.cos(angle), np.sin(angle)
        self.turn = np.array(((cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1)), np.float32)
        place = np.array((presence.x, presence.y, 0), np.float32)
        self.points: Array = self.posed.points @ self.turn.T + place
        self.y = presence.y

    def extent(self, view: View) -> tuple[Array, Array]:
        """The least and the greatest x and y of it, pixels."""
        screen, _ = view.project(self.points)
        return screen.min(0), screen.max(0)


def _sensor(seed: int, sighting: Sighting, spot: Spot, distance: float) -> Sensor:
    """The camera's, as it is at the time and for the distance, metres, of what is seen."""
    sensor, middle = spot.camera.sensor, spot.domain.middle
    window = int(sighting.frame / FRAME_RATE // _STEADY)
    drift = stream(seed, "drift", sighting.domain, sighting.spot, sighting.sequence, window)
    light = float(np.exp(0.06 * drift.normal()))
    red, green, blue = (value * float(np.exp(0.02 * drift.normal())) for value in sensor.balance)
    # Sharp in the middle, and what is near is smeared over more pixels.
    return replace(
        sensor,
        exposure=sensor.exposure * light,
        balance=(red, green, blue),
        blur=sensor.blur + 0.3 * float(abs(np.log(distance / middle))),
        motion=sensor.motion * middle / distance,
    )


def take(seed: int, sighting: Sighting, families: float = LOOK_ALIKES) -> Image.Image:
    """The image of a sighting, before its compression; see `look_of` for the families.

    ``info["hidden"]`` of it is the share of the subject, within the image, that others hide.
    """
    domain, person = sighting.domain, sighting.subject.person
    generator = stream(
        seed, "shot", domain, person.pool, person.number, sighting.spot, sighting.shot
    )
    spot = spots(seed, DOMAINS[sighting.domain])[sighting.spot]
    subject = _Standing(seed, domain, sighting.subject, families)
    view = spot.camera.view()
    near = [
        _Standing(seed, domain, presence, families)
        for presence in sighting.others
        if abs(presence.x - sighting.subject.x) < 3 and presence.y > 1.5
    ]
    beside = min(near, key=lambda other: float(np.ptp((other.y, subject.y))), default=None)
    box = detect(
        subject.extent(view),
        None if beside is None else beside.extent(view),
        spot.domain.jitter,
        (spot.camera.width, spot.camera.height),
        generator,
    )
    wide, tall = box.right - box.left, box.bottom - box.top
    shrink = min(1.0, _TALLEST / tall)
    size = max(round(wide * shrink), 8), max(round(tall * shrink), 16)
    finer = min(2.0, max(_DRAWN / size[1], 1.0))
    width, height = round(size[0] * finer), round(size[1] * finer)
    scale = height / tall
    window = view.window(box.left, box.top, scale)
    canvas = _background(seed, sighting, (box.left, box.top, scale), width, height)
    light = spot.light()

    people = [subject, *near]
    _cast(canvas, people, window, spot)
    things = [thing for thing in spot.things if thing.y < subject.y]
    everything: list[_Standing | Thing] = [*people, *things]
    standing = sorted(everything, key=lambda one: -one.y)
    bare = canvas.copy()
    hidden = _draw(canvas, standing, subject, window, light)
    if hidden > _FOUND:
        # No detector finds who is hidden by so much: the image is taken when the view is free.
        canvas = bare
        behind = [one for one in standing if one.y >= subject.y]
        hidden = _draw(canvas, behind, subject, window, light)
    corner = _corner(spot, box.left, box.top, size[1] / tall, *size)
    distance = float(np.hypot(subject.y, spot.camera.place[2] - 0.9))
    image = develop(canvas, _sensor(seed, sighting, spot, distance), size, corner, generator)
    image.info["hidden"] = hidden
    return image


def _draw(
    canvas: Array,
    standing: Sequence[_Standing | Thing],
    subject: _Standing,
    window: View,
    light: Light,
) -> float:
    """Draw what stands there, the farthest first; the share of the subject that is hidden."""
    seen, whole = None, 1
    for one in standing:
        if isinstance(one, Thing):
            covered = draw_thing(canvas, one, window, light)
        else:
            covered = draw_person(canvas, one.posed, one.points, one.turn, window, light)
        if one is subject:
            seen, whole = covered, max(int(covered.sum()), 1)
        elif seen is not None:
            seen &= ~covered
    return 0.0 if seen is None else 1 - float(seen.sum()) / whole


def _background(
    seed: int, sighting: Sighting, corner: tuple[float, float, float], width: int, height: int
) -> Array:
    whole = backdrop(seed, sighting.domain, sighting.spot)
    left, top, scale = corner
    rows = np.clip((top + (np.arange(height) + 0.5) / scale).astype(int), 0, whole.shape[0] - 1)
    columns = np.clip((left + (np.arange(width) + 0.5) / scale).astype(int), 0, whole.shape[1] - 1)
    part = whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    return np.asarray(part[rows - rows[0]][:, columns - columns[0]], np.float32)


def _cast(canvas: Array, people: list[_Standing], window: View, spot: Spot) -> None:
    """Take the light from the ground that people stand in."""
    light = spot.light()
    height, width = canvas.shape[:2]
    direct = np.array(light.direct, np.float32) * max(float(light.direction()[2]), 0)
    share = direct / (direct + np.array(light.sky, np.float32))
    # Even without a sun it is darker under a person.
    share = np.maximum(share, 0.45)
    left_over = shadows([(p.points, p.posed) for p in people], window, light, width, height)
    if left_over is not None:
        canvas *= 1 - share + share * left_over[..., None]


def _corner(spot: Spot, left: float, top: float, scale: float, width: int, height: int) -> Array:
    """Squared distance from the middle of the camera's image, 1 in its corners."""
    camera = spot.camera
    x = (left + (np.arange(width) + 0.5) / scale) / camera.width - 0.5
    y = (top + (np.arange(height) + 0.5) / scale) / camera.height - 0.5
    return np.asarray(2 * (x[None] ** 2 + y[:, None] ** 2), np.float32)
