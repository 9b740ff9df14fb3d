"""What somebody does while a camera looks: walk, stand, hurry, telephone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qaconv_reid.people.pose import Arm, Gait

__all__ = ["Stance", "act", "draw_stance"]


@dataclass(frozen=True, slots=True)
class Stance:
    """How somebody holds itself for a while; radians."""

    pace: float = 1.0
    """Factor on the stride: 0 stands, above 1 hurries."""
    left: Arm = "swing"
    right: Arm = "swing"
    look: float = 0.0
    """How far the head is turned to the left."""
    nod: float = 0.0
    """How far it looks down."""
    twist: float = 0.0
    """How far the chest is turned to the left."""

    @property
    def waits(self) -> bool:
        """Whether it stands, but for small steps."""
        return self.pace < 0.3


def draw_stance(generator: np.random.Generator) -> Stance:
    """Most people walk with both arms free; the others are of the kinds that cameras see."""
    kind = generator.random()
    pace = 1.0
    if kind < 0.14:  # waits
        pace = float(generator.uniform(0.0, 0.25))
    elif kind < 0.20:  # hurries
        pace = float(generator.uniform(1.2, 1.45))
    doing = generator.random()
    left: Arm = "swing"
    right: Arm = "swing"
    nod = float(generator.normal(0, 0.08))
    if doing < 0.07:
        right = "ear"
    elif doing < 0.15:
        right, nod = "front", nod + 0.3
        left = "front" if generator.random() < 0.3 else "swing"
    elif doing < 0.24:
        right = left = "pocket"
    elif doing < 0.28:
        left = "pocket"
    elif doing < 0.31:
        right = left = "back"
    elif doing < 0.34:
        right = left = "folded"
    elif doing < 0.37:
        right = "chest"  # holds a strap
    return Stance(
        pace=pace,
        left=left,
        right=right,
        look=float(np.clip(generator.normal(0, 0.3), -0.9, 0.9)),
        nod=nod,
        twist=float(generator.normal(0, 0.07)),
    )


def act(gait: Gait, stance: Stance) -> Gait:
    """The way somebody walks, in a stance. Who holds something up goes on holding it."""
    hurry = max(stance.pace - 1, 0)
    return replace(
        gait,
        stride=gait.stride * stance.pace,
        swing=gait.swing * min(0.15 + 0.85 * stance.pace, 1.6),
        stoop=gait.stoop + 0.25 * hurry,
        left=stance.left,
        right="front" if gait.right == "front" else stance.right,
        look=stance.look,
        nod=stance.nod,
        twist=stance.twist,
    )
