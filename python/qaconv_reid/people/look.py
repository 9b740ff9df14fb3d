"""What a person looks like, drawn from a seed; most people come in families of look-alikes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qaconv_reid.people.fabric import PATTERNS, TROUSER_PATTERNS
from qaconv_reid.people.kit import Array, Kit
from qaconv_reid.people.pose import Gait

__all__ = ["Color", "Garment", "Look", "Trim", "draw_family", "draw_look"]

#: Red, green, blue; 0 to 1, as they are displayed.
Color = tuple[float, float, float]

#: Colors of clothes with how common they are: people dress in black, gray, blue and beige.
_CLOTHES: tuple[tuple[Color, float], ...] = (
    ((0.07, 0.07, 0.08), 10),  # black
    ((0.17, 0.17, 0.19), 7),  # anthracite
    ((0.33, 0.33, 0.35), 5),  # gray
    ((0.55, 0.55, 0.56), 4),  # light gray
    ((0.87, 0.87, 0.85), 7),  # white
    ((0.10, 0.13, 0.24), 8),  # navy
    ((0.20, 0.27, 0.42), 6),  # denim
    ((0.38, 0.48, 0.62), 4),  # light denim
    ((0.67, 0.59, 0.46), 4),  # beige
    ((0.42, 0.31, 0.21), 4),  # brown
    ((0.29, 0.31, 0.20), 3),  # olive
    ((0.44, 0.08, 0.11), 3),  # burgundy
    ((0.75, 0.12, 0.13), 3),  # red
    ((0.12, 0.33, 0.62), 3),  # blue
    ((0.10, 0.37, 0.26), 2),  # green
    ((0.85, 0.65, 0.16), 1.5),  # mustard
    ((0.86, 0.56, 0.60), 2),  # pink
    ((0.55, 0.74, 0.82), 2),  # sky
    ((0.39, 0.22, 0.45), 1),  # purple
    ((0.88, 0.40, 0.13), 1),  # orange
)
#: Trousers are more alike than what is worn above them.
_TROUSERS: tuple[tuple[Color, float], ...] = (
    ((0.07, 0.07, 0.08), 14),  # black
    ((0.15, 0.15, 0.17), 8),  # anthracite
    ((0.30, 0.30, 0.32), 5),  # gray
    ((0.09, 0.11, 0.19), 8),  # navy
    ((0.14, 0.19, 0.31), 9),  # dark denim
    ((0.22, 0.30, 0.45), 8),  # denim
    ((0.40, 0.50, 0.63), 5),  # light denim
    ((0.62, 0.55, 0.43), 5),  # beige
    ((0.36, 0.28, 0.20), 3),  # brown
    ((0.29, 0.29, 0.21), 3),  # olive
    ((0.84, 0.83, 0.80), 2.5),  # white
    ((0.42, 0.09, 0.12), 1),  # burgundy
    ((0.55, 0.55, 0.55), 3),  # light gray
)
_SKIN: tuple[Color, ...] = (
    (0.93, 0.78, 0.69),
    (0.88, 0.70, 0.58),
    (0.80, 0.60, 0.46),
    (0.66, 0.46, 0.33),
    (0.48, 0.32, 0.22),
    (0.33, 0.21, 0.15),
)
_HAIR: tuple[tuple[Color, float], ...] = (
    ((0.06, 0.05, 0.05), 7),
    ((0.15, 0.10, 0.07), 6),
    ((0.30, 0.19, 0.11), 4),
    ((0.55, 0.40, 0.22), 2),
    ((0.74, 0.60, 0.38), 1.5),
    ((0.42, 0.17, 0.08), 0.7),
    ((0.55, 0.55, 0.54), 1.5),
)
_LEATHER: tuple[Color, ...] = (
    *((0.06, 0.06, 0.06), (0.24, 0.14, 0.08), (0.85, 0.85, 0.84), (0.45, 0.30, 0.18)),
    *((0.30, 0.30, 0.32), (0.55, 0.10, 0.12), (0.13, 0.17, 0.30)),
)


@dataclass(frozen=True, slots=True)
class Garment:
    """What one garment is made of."""

    colors: tuple[Color, Color, Color]
    """Ground, figure, and a third that few patterns use."""
    pattern: str = "plain"
    """A name of `fabric.PATTERNS`."""
    scale: float = 1.0
    """Factor on the size of the pattern."""
    phase: float = 0.0
    """0 to 1: moves the pattern, and seeds those that are drawn at random."""
    grain: float = 0.5
    """0 to 1: chooses among the widths, angles and motifs of the pattern's family."""


@dataclass(frozen=True, slots=True)
class Trim:
    """What is sewn to an upper garment in other colors; None where it is the garment's own."""

    sleeves: Color | None = None
    ribs: Color | None = None
    """Of collar, cuffs and the hem."""
    zip: Color | None = None
    """A line down the middle of the front."""
    pockets: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One person: body, clothes, what is carried. Heights are metres on the mean body."""

    body: Array
    """``[K]``: coefficients of the shape."""
    female: bool
    height: float
    """Metres."""
    skin: Color
    hair: str
    """``bald``, ``short``, ``full``, ``bob``, ``long``, ``bun`` or ``tail``."""
    hair_color: Color
    hat: str
    """``none``, ``cap``, ``hat``, ``beanie`` or ``hood``."""
    hat_color: Color
    top: Garment
    trim: Trim
    sleeve: float
    """Along the arm: 0 none, 1 to the wrist."""
    hem: float
    """Where the top ends; below the hips it is a coat or a dress."""
    collar: float
    open_front: float
    """Half the width, metres, of the strip in which the open jacket shows what is below it."""
    inner: Color
    bottom: Garment
    bottom_end: float
    """Along the leg: 0.45 shorts, 1 long."""
    is_skirt: bool
    ease: tuple[float, float]
    """Metres of air and cloth around the upper and the lower body."""
    shoes: Color
    sole: Color
    shaft: float
    """Along the leg, where a boot ends; above 0.97 it is a shoe."""
    bag: str
    """``none``, ``backpack``, ``shoulder`` or ``hand``."""
    bag_size: float
    bag_color: Color
    umbrella: Garment | None
    gait: Gait


def _pick(
    generator: np.random.Generator, table: tuple[tuple[Color, float], ...], spread: float
) -> Color:
    share = np.array([weight for _, weight in table])
    base = np.array(table[generator.choice(len(table), p=share / share.sum())][0])
    return _near(generator, base, spread)


def _near(generator: np.random.Generator, base: Array | Color, spread: float) -> Color:
    moved = np.asarray(base) * (
        1 + spread * generator.normal() + 0.4 * spread * (generator.normal(size=3))
    )
    r, g, b = np.clip(moved, 0.03, 0.97).tolist()
    return (r, g, b)


def _garment(
    generator: np.random.Generator,
    patterned: float,
    table: tuple[tuple[Color, float], ...] = _CLOTHES,
    patterns: tuple[str, ...] = PATTERNS,
) -> Garment:
    ground = _pick(generator, table, 0.10)
    figure = _pick(generator, _CLOTHES, 0.10)
    # Most patterns are quiet: shades of the ground, not another color.
    quiet = generator.random() < 0.35
    while not quiet and max(abs(a - b) for a, b in zip(ground, figure, strict=True)) < 0.18:
        figure = _pick(generator, _CLOTHES, 0.10)
    if quiet:
        shift = float(generator.choice((-1, 1))) * float(generator.uniform(0.06, 0.16))
        r, g, b = np.clip(np.array(ground) + shift, 0.03, 0.97).tolist()
        figure = (r, g, b)
    plain = generator.random() >= patterned
    return Garment(
        colors=(ground, figure, _pick(generator, _CLOTHES, 0.10)),
        pattern="plain" if plain else str(generator.choice(patterns[1:])),
        scale=float(generator.uniform(0.6, 1.7)),
        phase=float(generator.random()),
        grain=float(generator.random()),
    )


def _trousers(generator: np.random.Generator) -> Garment:
    garment = _garment(generator, 0.4, _TROUSERS, TROUSER_PATTERNS)
    if generator.random() < 0.06:
        return replace(garment, pattern=str(generator.choice(("plaid", "pinstripes", "blotches"))))
    if garment.pattern in ("washed", "cuffs"):
        # Lighter where it is worn.
        r, g, b = np.clip(np.array(garment.colors[0]) * 1.5 + 0.08, 0, 0.95).tolist()
        return replace(garment, colors=(garment.colors[0], (r, g, b), garment.colors[2]))
    return garment


def _trim(generator: np.random.Generator, warm: bool) -> Trim:
    def some(share: float, color: Color) -> Color | None:
        return color if generator.random() < share else None

    colors = [_pick(generator, _CLOTHES, 0.1) for _ in range(3)]
    return Trim(
        sleeves=some(0.10, colors[0]),
        ribs=some(0.22, colors[1]),
        zip=some(0.45 if warm else 0.04, colors[2]),
        pockets=bool(generator.random() < (0.5 if warm else 0.08)),
    )


def _hair(generator: np.random.Generator, female: bool) -> str:
    styles = ("bald", "short", "full", "bob", "long", "bun", "tail")
    share = (0, 1, 2, 3, 4, 1.5, 2) if female else (1.5, 6, 3.5, 0.3, 0.4, 0.1, 0.2)
    return str(generator.choice(styles, p=np.array(share) / sum(share)))


def _carried(generator: np.random.Generator, female: bool) -> tuple[str, float, Color]:
    kinds = ("none", "backpack", "shoulder", "hand")
    share = (3.5, 2.5, 2.2, 1.8) if female else (5, 3.5, 1.2, 0.6)
    kind = str(generator.choice(kinds, p=np.array(share) / sum(share)))
    color = _pick(generator, _CLOTHES, 0.1)
    if generator.random() < 0.5:
        color = _near(generator, _LEATHER[generator.integers(len(_LEATHER))], 0.1)
    return kind, float(generator.uniform(0.8, 1.2)), color


def draw_look(generator: np.random.Generator, kit: Kit) -> Look:
    """A person who is like no other on purpose."""
    female = bool(generator.random() < 0.5)
    pool = np.nonzero(kit.female == female)[0]
    one, other = generator.choice(pool, 2, replace=False)
    share = np.float32(generator.uniform(0.2, 0.8))
    height = generator.normal(1.645 if female else 1.765, 0.065)
    coat = generator.random() < 0.22
    dress = female and not coat and generator.random() < 0.15
    is_skirt = female and not dress and generator.random() < 0.22
    warm = coat or generator.random() < 0.45
    short = not warm and generator.random() < 0.4
    boots = generator.random() < (0.25 if female else 0.08)
    bag, bag_size, bag_color = _carried(generator, female)
    umbrella = _garment(generator, 0.5) if generator.random() < 0.05 else None
    hem = float(generator.uniform(0.84, 0.99))
    if coat:
        hem = float(generator.uniform(0.42, 0.78))
    elif dress:
        hem = float(generator.uniform(0.35, 0.62))
    end = float(generator.uniform(0.35, 0.6)) if short else 1.02
    if is_skirt:
        # Told along the leg as well, for the hem of the skirt.
        end = float(generator.uniform(0.4, 0.9))
    elif dress and generator.random() < 0.5:
        end = 0.0
    return Look(
        body=share * kit.bodies[one] + (1 - share) * kit.bodies[other],
        female=female,
        height=float(np.clip(height, 1.48, 1.98)),
        skin=_near(
            generator, _SKIN[generator.choice(6, p=(0.22, 0.28, 0.2, 0.14, 0.1, 0.06))], 0.05
        ),
        hair=_hair(generator, female),
        hair_color=_pick(generator, _HAIR, 0.08),
        hat=str(
            generator.choice(
                ("none", "cap", "hat", "beanie", "hood"), p=(0.8, 0.08, 0.03, 0.05, 0.04)
            )
        ),
        hat_color=_pick(generator, _CLOTHES, 0.1),
        top=_garment(generator, 0.35 if coat else 0.6),
        trim=_trim(generator, warm),
        sleeve=1.0 if warm else float(generator.choice((0.12, 0.3, 0.42, 0.75, 1.0))),
        hem=hem,
        collar=float(generator.uniform(1.47, 1.56)),
        open_front=float(generator.uniform(0.02, 0.07)) if warm and generator.random() < 0.5 else 0,
        inner=_pick(generator, _CLOTHES, 0.08),
        bottom=_garment(generator, 0.35) if is_skirt else _trousers(generator),
        bottom_end=end,
        is_skirt=is_skirt,
        ease=(
            float(generator.uniform(0.02, 0.045) if warm else generator.uniform(0.006, 0.025)),
            float(generator.uniform(0.004, 0.022)),
        ),
        shoes=_pick(generator, _CLOTHES, 0.1),
        sole=(0.85, 0.85, 0.83) if generator.random() < 0.35 else (0.08, 0.07, 0.07),
        shaft=float(generator.uniform(0.55, 0.85)) if boots else 0.985,
        bag=bag,
        bag_size=bag_size,
        bag_color=bag_color,
        umbrella=umbrella,
        gait=Gait(
            stride=float(generator.uniform(0.7, 1.05)),
            swing=float(generator.uniform(0.35, 1.15)),
            stoop=float(generator.uniform(-0.02, 0.12)),
            right="swing" if umbrella is None else "front",
        ),
    )


def draw_family(generator: np.random.Generator, kit: Kit, count: int) -> list[Look]:
    """Look-alikes: the same lower body and the same colors above, told apart by few things.

    A color histogram finds the family; which of its members it is show pattern, bag, hair, hat,
    shoes and build.
    """
    first = draw_look(generator, kit)
    family = [first]
    while len(family) < count:
        other = draw_look(generator, kit)
        pattern = str(generator.choice(PATTERNS))
        figure = first.top.colors[1] if generator.random() < 0.7 else other.top.colors[1]
        top = Garment(
            (first.top.colors[0], figure, first.top.colors[2]),
            pattern,
            other.top.scale,
            other.top.phase,
            other.top.grain,
        )
        alike = replace(
            first,
            body=other.body if other.female == first.female else first.body,
            height=other.height if other.female == first.female else first.height,
            top=top,
        )
        # Two to four of what tells people apart, beside the pattern.
        changes = (
            {"hair": other.hair if other.female == first.female else first.hair},
            {"hair_color": other.hair_color},
            {"hat": other.hat, "hat_color": other.hat_color},
            {"bag": other.bag, "bag_size": other.bag_size, "bag_color": other.bag_color},
            {"shoes": other.shoes, "sole": other.sole},
            {"sleeve": other.sleeve, "open_front": other.open_front, "inner": other.inner},
            {"skin": other.skin},
            {"trim": other.trim},
        )
        for index in generator.choice(len(changes), generator.integers(2, 5), replace=False):
            alike = replace(alike, **changes[index])
        family.append(replace(alike, gait=other.gait, umbrella=other.umbrella))
    return family
