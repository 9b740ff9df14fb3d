"""File names of rendered people: RandPerson and ClonedPerson name and count alike."""

from __future__ import annotations

import re
from pathlib import Path

from qaconv_reid.data.records import DataError, Record

NAME = re.compile(r"(?P<pid>\d+)_s(?P<scene>\d+)_c(?P<camera>\d+)_f(?P<frame>\d+)")

_FRAMES_PER_SECOND = 24.0


def record(
    path: Path,
    match: re.Match[str],
    camera_offset: tuple[int, ...],
    frame_offset: tuple[int, ...],
) -> Record:
    """The record of a name: cameras and frames are counted per scene, the offsets join the scenes.

    Args:
        path: The image.
        match: The fields of its name, by ``NAME``.
        camera_offset: Per scene, the number of its camera 0.
        frame_offset: Per scene, the frame of its frame 0.

    Raises:
        DataError: The scene has no offset.
    """
    scene = int(match["scene"])
    if scene >= len(camera_offset):
        raise DataError(f"{path}: got scene {scene}, wanted 0 to {len(camera_offset) - 1}")
    return Record(
        path,
        person=int(match["pid"]),
        camera=camera_offset[scene] + int(match["camera"]),
        time=(frame_offset[scene] + int(match["frame"])) / _FRAMES_PER_SECOND,
    )
