"""The domains: each a place with its light, its ground and walls, and its persistent cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qaconv_reid.people.camera import Camera, Sensor
from qaconv_reid.people.look import Color
from qaconv_reid.people.render import Light
from qaconv_reid.people.streams import stream
from qaconv_reid.people.things import Thing, put

__all__ = ["DOMAINS", "Domain", "Spot", "spots"]

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Domain:
    """What the cameras of a place share; ranges are what each camera draws its own from."""

    name: str
    cameras: int
    light: Light
    ground: tuple[str, Color, Color]
    """A texture of `backdrop` and its two colors."""
    wall: tuple[str, Color, Color]
    wall_distance: Range
    """Metres behind the farthest people."""
    wall_height: float
    aisle: float
    """Half the width, metres, of a corridor with walls on both sides; 0 in the open."""
    frame: tuple[int, int]
    """Width and height of the camera's image, pixels."""
    mount: Range
    """Metres above the ground."""
    near_far: tuple[float, float]
    """Metres from the camera's foot at which people walk."""
    tall: Range
    """Pixels of a person in the middle."""
    exposure: Range
    balance: tuple[Range, Range, Range]
    contrast: Range
    saturation: Range
    noise: Range
    blur: Range
    motion: Range
    quality: tuple[int, int]
    vignette: Range
    haze: Range
    things: tuple[str, ...]
    """Kinds of what stands there, as often as they are named."""
    clutter: float
    """Expected number of things before a camera."""
    crowd: float
    """Share of the images with a passer-by."""
    jitter: float
    """Of the box, in shares of its size."""

    @property
    def middle(self) -> float:
        """Metres from the camera's foot that it is directed at, and sharp at."""
        near, far = self.near_far
        return 0.45 * near + 0.55 * far


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A camera and what stands before it. It looks along y from above the origin."""

    domain: Domain
    number: int
    camera: Camera
    wall_y: float
    things: tuple[Thing, ...]
    shade: float
    """0 in the light of the scene, 1 where the main light does not reach."""
    turn: float
    """Radians that the scene's light is turned by: cameras look in all directions."""

    def light(self) -> Light:
        """The light of the scene as it falls here."""
        base = self.domain.light
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        x, y, z = base.towards
        r, g, b = (float(value * (1 - 0.75 * self.shade)) for value in base.direct)
        return Light(
            (float(cosine * x - sine * y), float(sine * x + cosine * y), z),
            (r, g, b),
            base.sky,
            base.ground,
            max(base.softness, 0.9 * self.shade),
        )

    def reach(self, y: float) -> float:
        """Half the width, metres, of what is seen at a distance on the ground."""
        slant = float(np.hypot(y, self.camera.place[2]))
        wide = 0.46 * self.camera.width / self.camera.focal * slant
        return min(wide, self.domain.aisle - 0.45) if self.domain.aisle else wide


DOMAINS: Mapping[str, Domain] = {
    domain.name: domain
    for domain in (
        Domain(
            name="plaza",
            cameras=8,
            light=Light(
                (-0.5, -0.6, 1.1), (1.55, 1.45, 1.25), (0.42, 0.50, 0.66), (0.30, 0.28, 0.24), 0.05
            ),
            ground=("slabs", (0.66, 0.62, 0.56), (0.52, 0.48, 0.43)),
            wall=("facade", (0.72, 0.62, 0.50), (0.25, 0.30, 0.38)),
            wall_distance=(4, 14),
            wall_height=11,
            aisle=0,
            frame=(1280, 720),
            mount=(2.6, 4.6),
            near_far=(6, 22),
            tall=(90, 210),
            exposure=(0.8, 1.15),
            balance=((0.92, 1.08), (0.97, 1.03), (0.88, 1.1)),
            contrast=(1.0, 1.2),
            saturation=(0.9, 1.15),
            noise=(1, 3),
            blur=(0.0, 0.5),
            motion=(0, 1),
            quality=(82, 94),
            vignette=(0, 0.15),
            haze=(0, 0.04),
            things=("pole", "pole", "bin", "sign", "bench", "bicycle", "planter", "car", "railing"),
            clutter=1.6,
            crowd=0.3,
            jitter=0.05,
        ),
        Domain(
            name="station",
            cameras=8,
            light=Light(
                (0.3, -0.3, 1.0), (0.98, 0.72, 0.42), (0.28, 0.23, 0.18), (0.11, 0.10, 0.08), 0.55
            ),
            ground=("tiles", (0.40, 0.37, 0.34), (0.28, 0.26, 0.25)),
            wall=("platform", (0.30, 0.27, 0.24), (0.80, 0.68, 0.40)),
            wall_distance=(2, 8),
            wall_height=5,
            aisle=0,
            frame=(704, 576),
            mount=(2.8, 4.2),
            near_far=(5, 17),
            tall=(84, 130),
            exposure=(0.75, 1.25),
            balance=((1.0, 1.2), (0.95, 1.03), (0.72, 1.0)),
            contrast=(0.85, 1.05),
            saturation=(0.55, 0.85),
            noise=(3, 7),
            blur=(0.4, 0.8),
            motion=(0, 3),
            quality=(34, 58),
            vignette=(0.1, 0.35),
            haze=(0.01, 0.05),
            things=("pillar", "pole", "bin", "sign", "bench", "trolley", "railing"),
            clutter=1.6,
            crowd=0.45,
            jitter=0.08,
        ),
        Domain(
            name="campus",
            cameras=8,
            light=Light(
                (0.4, 0.2, 1.4), (0.30, 0.31, 0.33), (0.82, 0.88, 0.96), (0.22, 0.24, 0.20), 0.95
            ),
            ground=("lawn", (0.36, 0.45, 0.22), (0.52, 0.51, 0.49)),
            wall=("hedge", (0.20, 0.30, 0.14), (0.12, 0.19, 0.09)),
            wall_distance=(3, 10),
            wall_height=2.5,
            aisle=0,
            frame=(960, 720),
            mount=(6.0, 9.0),
            near_far=(4, 13),
            tall=(105, 150),
            exposure=(0.7, 1.0),
            balance=((0.86, 0.98), (0.96, 1.04), (0.98, 1.16)),
            contrast=(0.8, 0.95),
            saturation=(0.6, 0.9),
            noise=(2, 5),
            blur=(0.3, 0.8),
            motion=(2, 5),
            quality=(60, 80),
            vignette=(0, 0.1),
            haze=(0.04, 0.14),
            things=("pole", "bench", "bicycle", "planter", "bin", "railing"),
            clutter=1.4,
            crowd=0.3,
            jitter=0.06,
        ),
        Domain(
            name="corridor",
            cameras=8,
            light=Light(
                (0.1, -0.5, 1.6), (0.46, 0.55, 0.48), (0.44, 0.54, 0.50), (0.26, 0.31, 0.29), 0.75
            ),
            ground=("lino", (0.50, 0.56, 0.56), (0.42, 0.49, 0.50)),
            wall=("doors", (0.72, 0.76, 0.72), (0.34, 0.24, 0.16)),
            wall_distance=(2, 7),
            wall_height=2.9,
            aisle=1.7,
            frame=(800, 600),
            mount=(2.3, 2.8),
            near_far=(3.2, 11.0),
            tall=(165, 240),
            exposure=(0.75, 1.1),
            balance=((0.74, 1.0), (1.0, 1.12), (0.8, 1.18)),
            contrast=(0.9, 1.15),
            saturation=(0.7, 1.05),
            noise=(3, 6),
            blur=(0.2, 0.9),
            motion=(0, 3),
            quality=(50, 75),
            vignette=(0.3, 0.6),
            haze=(0, 0.06),
            things=("bin", "planter", "trolley", "sign", "pillar"),
            clutter=1.2,
            crowd=0.4,
            jitter=0.07,
        ),
    )
}
"""Every domain by its name."""


@lru_cache(maxsize=8)
def spots(seed: int, domain: Domain) -> tuple[Spot, ...]:
    """The cameras of a domain: the same for the same seed, whatever is seen with them."""
    return tuple(_spot(seed, domain, number) for number in range(domain.cameras))


def _spot(seed: int, domain: Domain, number: int) -> Spot:
    generator = stream(seed, "spot", domain.name, number)

    def draw(bounds: Range) -> float:
        return float(generator.uniform(*bounds))

    def near_middle(bounds: Range) -> float:
        # Cameras of one place are mostly alike: what differs much is the place.
        return 0.5 * (draw(bounds) + draw(bounds))

    near, far = domain.near_far
    middle = domain.middle
    mount = draw(domain.mount)
    slant = float(np.hypot(middle, mount - 0.9))
    red, green, blue = (near_middle(bounds) for bounds in domain.balance)
    sensor = Sensor(
        exposure=near_middle(domain.exposure),
        balance=(red, green, blue),
        contrast=near_middle(domain.contrast),
        saturation=near_middle(domain.saturation),
        noise=draw(domain.noise),
        blur=draw(domain.blur),
        motion=draw(domain.motion),
        quality=int(generator.integers(domain.quality[0], domain.quality[1] + 1)),
        vignette=draw(domain.vignette),
        haze=near_middle(domain.haze),
    )
    camera = Camera(
        place=(0.0, 0.0, mount),
        azimuth=float(np.pi / 2 + generator.uniform(-0.05, 0.05)),
        pitch=float(-np.arctan2(mount - 0.9, middle) + generator.uniform(-0.02, 0.02)),
        focal=draw(domain.tall) * slant / 1.7,
        width=domain.frame[0],
        height=domain.frame[1],
        sensor=sensor,
    )
    things = []
    for _ in range(int(generator.poisson(domain.clutter))):
        kind = str(generator.choice(domain.things))
        # A car before the camera would hide the place.
        nearest = 0.6 * far if kind == "car" else 0.8 * near
        y = float(generator.uniform(nearest, 0.8 * far))
        x = float(generator.uniform(-0.35, 0.35) * y)
        if domain.aisle:  # along the walls
            x = float(generator.choice((-1, 1)) * generator.uniform(0.45, 0.8) * domain.aisle)
        things.append(put(kind, x, y, generator))
    return Spot(
        domain=domain,
        number=number,
        camera=camera,
        wall_y=far + draw(domain.wall_distance),
        things=tuple(things),
        shade=float(generator.choice((0.0, 0.0, 0.0, 0.0, 1.0)))
        if domain.light.softness < 0.3
        else 0.0,
        turn=float(generator.uniform(0, 2 * np.pi)),
    )
