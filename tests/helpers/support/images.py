"""Small drawn people: told apart by their clothes, seen alike by no two cameras."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def draw_person(
    person: int, camera: int = 0, shot: int = 0, *, height: int = 64, width: int = 32
) -> Image.Image:
    """A standing figure; the person sets the clothes, the camera light and tint, the shot the rest.

    Args:
        person: Decides the colors of shirt and trousers.
        camera: Decides brightness and tint of the whole image.
        shot: Decides the place of the figure and the noise.
        height: In pixels.
        width: In pixels.
    """
    clothes = np.random.default_rng([1, person])
    view = np.random.default_rng([2, camera])
    noise = np.random.default_rng([3, person, camera, shot])
    shirt, trousers = (
        np.array(colorsys.hsv_to_rgb(clothes.random(), 0.6 + 0.4 * clothes.random(), 0.9))
        for _ in range(2)
    )
    picture = np.full((height, width, 3), 0.45)
    middle = width / 2 + noise.uniform(-0.1, 0.1) * width

    def fill(top: float, bottom: float, half: float, color: object) -> None:
        left, right = max(0, round(middle - half * width)), round(middle + half * width)
        picture[round(top * height) : round(bottom * height), left:right] = color

    fill(0.05, 0.20, 0.12, (0.85, 0.65, 0.55))
    fill(0.20, 0.55, 0.26, shirt)
    fill(0.55, 0.95, 0.20, trousers)
    picture = picture * view.uniform(0.7, 1.1) * view.uniform(0.9, 1.1, 3)
    picture = picture + noise.normal(0, 0.03, picture.shape)
    return Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))


def save_images(folder: Path, names: Iterable[str], *, height: int = 16, width: int = 8) -> None:
    """Small images under the given names, in folders made as needed."""
    for shot, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_person(shot, height=height, width=width).save(path)


def write_person_folders(
    root: Path, persons: int, shots: int, *, height: int = 64, width: int = 32
) -> None:
    """One folder per person, ``0001`` on, with ``shots`` images taken by two cameras in turn."""
    for person in range(1, persons + 1):
        folder = root / f"{person:04d}"
        folder.mkdir(parents=True)
        for shot in range(shots):
            image = draw_person(person, shot % 2, shot, height=height, width=width)
            image.save(folder / f"{shot:03d}.png")


def write_market(
    root: Path,
    train_persons: int,
    test_persons: int,
    *,
    cameras: int = 3,
    shots: int = 2,
    height: int = 64,
    width: int = 32,
) -> None:
    """A data set in Market-1501's layout.

    Every person has ``shots`` images of each camera; of each test person and camera the first is a
    query and the others, at least one, are in the gallery.
    """
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        (root / folder).mkdir(parents=True)
    for person in range(1, train_persons + test_persons + 1):
        for camera in range(1, cameras + 1):
            for shot in range(shots):
                folder = "query" if shot == 0 else "bounding_box_test"
                folder = "bounding_box_train" if person <= train_persons else folder
                image = draw_person(person, camera, shot, height=height, width=width)
                frame = 100 * person + 25 * shot
                # quality 95: JPEG's default would smear figures this small
                name = f"{person:04d}_c{camera}s1_{frame:06d}_01.jpg"
                image.save(root / folder / name, quality=95)


def corrupt(path: Path) -> None:
    """Break a file in the middle: its header and its end stay whole."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = b"\xff\xd9" * 20
    path.write_bytes(content)


def write_csv_persons(root: Path, persons: int, shots: int) -> Path:
    """Drawn people by a list: so many to learn from, as many others to search for.

    Returns:
        The list, ``list.csv``.
    """
    rows = ["path,person,camera,split"]
    for person in range(2 * persons):
        for shot in range(shots):
            name = f"{person}_{shot}.png"
            draw_person(person, camera=shot % 2, shot=shot).save(root / name)
            test = "query" if shot == 0 else "gallery"
            rows.append(f"{name},{person},{shot % 2},{'train' if person < persons else test}")
    (root / "list.csv").write_text("\n".join(rows) + "\n")
    return root / "list.csv"
