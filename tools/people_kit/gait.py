"""A walk as key frames: joint angles over one stride, from general knowledge of human gait."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Key frames of one stride; frame 0 is the left heel's contact.
FRAMES = 12

# Degrees in the sagittal plane over the stride of one leg, from its heel contact on: the thigh
# forward of the vertical, the knee bent, the foot's toes up.
HIP = (27, 26, 20, 11, 2, -7, -13, -9, 8, 22, 29, 29)
KNEE = (5, 14, 17, 11, 6, 6, 13, 34, 58, 58, 32, 8)
ANKLE = (2, -4, 2, 6, 9, 11, 6, -12, -12, -2, 2, 3)


def rotation(x: float = 0, y: float = 0, z: float = 0) -> np.ndarray:
    """A rotation vector from degrees about the axes, small but for x."""
    return np.deg2rad(np.array([x, y, z], float))


def walk(bones: Sequence[str]) -> np.ndarray:
    """Rotation vectors ``[frames, bones, 3]`` of each bone against its parent.

    The axes are the body's: x to its left, z up, it faces -y. So a positive turn about x takes what
    hangs below a joint backward: the thigh's forward is negative, the knee's bend positive.
    They apply to a body whose limbs hang straight down.
    """
    frames = np.zeros((FRAMES, len(bones), 3))
    index = {name: i for i, name in enumerate(bones)}
    for frame in range(FRAMES):
        phase = 2 * np.pi * frame / FRAMES
        swing = np.cos(phase)  # 1 where the left leg is in front
        pose = frames[frame]
        pose[index["pelvis"]] = rotation(z=-5 * swing, y=2.5 * np.sin(phase))
        pose[index["spine_02"]] = rotation(x=2, z=6 * swing, y=-2 * np.sin(phase))
        pose[index["spine_03"]] = rotation(z=4 * swing)
        pose[index["neck_01"]] = rotation(z=-4 * swing)
        pose[index["head"]] = rotation(x=-2)
        for side, shift, sign in (("l", 0, 1), ("r", FRAMES // 2, -1)):
            at = (frame + shift) % FRAMES
            pose[index[f"thigh_{side}"]] = rotation(x=-HIP[at])
            pose[index[f"calf_{side}"]] = rotation(x=KNEE[at])
            pose[index[f"foot_{side}"]] = rotation(x=-ANKLE[at])
            # Arms swing against the legs; the elbow bends more in front.
            forward = -swing * sign
            pose[index[f"upperarm_{side}"]] = rotation(x=-22 * forward)
            pose[index[f"lowerarm_{side}"]] = rotation(x=-(22 + 14 * forward))
    return frames
