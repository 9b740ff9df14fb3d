"""Who walks where and when: every image that will be taken, before any is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qaconv_reid.people.scenes import DOMAINS, Domain, Spot, spots
from qaconv_reid.people.sizes import Size
from qaconv_reid.people.streams import stream

__all__ = ["FRAME_RATE", "SEQUENCE", "TEST", "TRAIN", "Person", "Presence", "Sighting", "sightings"]

#: Parts of a domain. The identities of TEST visit every domain, those of TRAIN one.
TRAIN, TEST = "train", "test"

#: Frames a second, of every camera.
FRAME_RATE = 25
#: Seconds of a recording; a camera's frames begin anew in the next.
SEQUENCE = 3600.0
#: Recordings.
_SEQUENCES = 6
#: Shares of groups of one, two and three.
_GROUPS = (0.6, 0.3, 0.1)


@dataclass(frozen=True, slots=True)
class Person:
    """Names a person; the same name looks the same everywhere."""

    pool: str
    """The domain whose training identities it is one of, or TEST."""
    number: int
    """From 0."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Where somebody is at a moment."""

    person: Person
    x: float
    y: float
    heading: float
    """Radians from the x axis to where it walks."""
    walked: float
    """Metres: tells the phase of the stride."""
    visit: int
    """Which of its cameras it is, in the order it came by; -1 of who only passes by."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One image to be taken."""

    domain: str
    part: str
    subject: Presence
    others: tuple[Presence, ...]
    spot: int
    sequence: int
    """From 0."""
    frame: int
    """Within the sequence, FRAME_RATE a second."""
    visit: int
    """Which of the person's cameras it is, in the order it came by."""
    shot: int
    """Which image of the visit."""


@dataclass(frozen=True, slots=True)
class _Path:
    start: tuple[float, float]
    end: tuple[float, float]
    begins: float
    speed: float

    @property
    def length(self) -> float:
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))

    def at(self, share: float, aside: float) -> tuple[float, float, float]:
        """Place and heading at a share of the way, some metres beside it."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        length = max(self.length, 1e-6)
        return (
            self.start[0] + share * dx - aside * dy / length,
            self.start[1] + share * dy + aside * dx / length,
            float(np.arctan2(dy, dx)),
        )


def _groups(seed: int, pool: str, domain: str, count: int) -> list[list[int]]:
    generator = stream(seed, "groups", pool, domain)
    order = generator.permutation(count).tolist()
    groups = []
    while order:
        size = 1 + int(generator.choice(3, p=_GROUPS))
        groups.append(order[:size])
        order = order[size:]
    return groups


def _path(generator: np.random.Generator, spot: Spot, begins: float) -> _Path:
    near, far = spot.domain.near_far
    if spot.domain.aisle or generator.random() < 0.45:
        # Towards the camera or away from it.
        ends = [float(generator.uniform(near, near + 0.3 * (far - near))), float(far)]
        if generator.random() < 0.5:
            ends.reverse()
        y0, y1 = ends
        side = float(generator.uniform(-0.8, 0.8))
        x0 = side * spot.reach(y0)
        x1 = float(np.clip(side + generator.uniform(-0.4, 0.4), -0.8, 0.8)) * spot.reach(y1)
    else:
        y0, y1 = (float(generator.uniform(near, far)) for _ in range(2))
        y1 = 0.6 * y0 + 0.4 * y1
        sign = 1 if generator.random() < 0.5 else -1
        x0, x1 = -sign * spot.reach(y0), sign * spot.reach(y1)
    return _Path((x0, y0), (x1, y1), begins, float(generator.uniform(1.0, 1.55)))


def sightings(seed: int, size: Size, domain: str, part: str) -> Iterator[list[Sighting]]:
    """The images of a part of a domain, a list for each person, in the order of their numbers.

    People come in groups, which pass the domain's cameras in the order of their numbers or against
    it, at times that fit the distances between them.
    """
    place = DOMAINS[domain]
    cameras = spots(seed, place)
    count = size.train if part == TRAIN else size.test
    pool = domain if part == TRAIN else TEST
    by_person: dict[int, list[Sighting]] = {}
    visit_number = 0
    for group in _groups(seed, pool, domain, count):
        generator = stream(seed, "route", domain, pool, group[0])
        paths = _route(generator, cameras, size.visits)
        aside = [0.65 * (i - (len(group) - 1) / 2) for i in range(len(group))]
        for member, number in enumerate(group):
            own = stream(seed, "walk", domain, pool, number)
            mine: list[Sighting] = []
            for visit, (camera, path) in enumerate(paths):
                # Spread evenly, so that the total is the size's to an image.
                before, after = visit_number * size.shots, (visit_number + 1) * size.shots
                visit_number += 1
                shots = int(after + 1e-9) - int(before + 1e-9)
                for shot in range(shots):
                    share = 0.06 + 0.88 * (shot + float(own.uniform(0.1, 0.9))) / shots
                    present = [
                        _presence(path, share, aside[i], Person(pool, other), visit, own)
                        for i, other in enumerate(group)
                    ]
                    others = [p for i, p in enumerate(present) if i != member]
                    others += _passer_by(own, place, present[member], Person(pool, number), count)
                    time = path.begins + share * path.length / path.speed
                    sequence, frame = int(time // SEQUENCE), int((time % SEQUENCE) * FRAME_RATE)
                    if shot and mine[-1].sequence == sequence:
                        # File names tell images apart by the frame, some of them at a lower rate.
                        frame = max(frame, mine[-1].frame + 2)
                    mine.append(
                        Sighting(
                            domain=domain,
                            part=part,
                            subject=present[member],
                            others=tuple(others),
                            spot=camera,
                            sequence=sequence,
                            frame=frame,
                            visit=visit,
                            shot=shot,
                        )
                    )
            by_person[number] = mine
    for number in range(count):
        yield by_person[number]


def _route(
    generator: np.random.Generator, cameras: Sequence[Spot], visits: int
) -> list[tuple[int, _Path]]:
    count = len(cameras)
    start = int(generator.integers(count))
    step = 1 if generator.random() < 0.5 else -1
    # Early enough that the last camera is reached within the last recording.
    time = float(generator.uniform(0, SEQUENCE * _SEQUENCES - 900))
    route = []
    for visit in range(min(visits, count)):
        camera = (start + step * visit) % count
        path = _path(generator, cameras[camera], time)
        route.append((camera, path))
        # Between neighboring cameras lie 40 m to 90 m, always the same for the same two.
        gap = 40 + 10 * (min(camera, (camera + step) % count) % 6)
        time += (path.length + gap) / path.speed
    return route


def _presence(
    path: _Path, share: float, aside: float, person: Person, visit: int, own: np.random.Generator
) -> Presence:
    x, y, heading = path.at(share, aside)
    heading += float(own.normal(0, 0.12))
    walked = share * path.length + 0.37 * person.number
    return Presence(person, x, y, heading, walked, visit)


def _passer_by(
    own: np.random.Generator, place: Domain, subject: Presence, person: Person, count: int
) -> list[Presence]:
    """Somebody else who happens to be near, drawn from the same part."""
    if own.random() >= place.crowd or count < 2:
        return []
    other = int(own.integers(count - 1))
    other += other >= person.number
    side = float(own.choice((-1, 1)))
    return [
        Presence(
            Person(person.pool, other),
            subject.x + side * float(own.uniform(0.28, 0.9)),
            max(subject.y + float(own.uniform(-1.6, 2.5)), 1.5),
            float(own.uniform(0, 2 * np.pi)),
            float(own.uniform(0, 2)),
            -1,
        )
    ]
