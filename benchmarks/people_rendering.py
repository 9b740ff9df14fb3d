"""Times the images of virtual people: ``python benchmarks/people_rendering.py FILE.json``.

First, libraries that can say which triangle of a walking body a pixel shows, on the same body and
at the same size; those that are not installed are left out. Then whole images, as they are made.
One core: set OMP_NUM_THREADS=1. The smallest of the times is the least disturbed by other programs;
the median is what was seen.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from qaconv_ext.benchmark.provenance import provenance
from qaconv_reid.people import SIZES
from qaconv_reid.people.figure import dress, walk
from qaconv_reid.people.kit import load_kit
from qaconv_reid.people.look import draw_look
from qaconv_reid.people.raster import draw_faces
from qaconv_reid.people.shot import take
from qaconv_reid.people.walks import TRAIN, sightings

WIDTH, HEIGHT = 256, 512
REPEATS = 40
#: Pixels from which an image counts as one of 128 x 256.
TALL = 240


def body() -> tuple[np.ndarray, ...]:
    """Screen, depth, points and faces of a walking person that fills the image."""
    kit = load_kit()
    figure = dress(kit, draw_look(np.random.default_rng(0), kit))
    points = walk(kit, figure, 0.1).points
    depth = points[:, 1] + 6
    scale = 6 * 0.9 * HEIGHT / 1.8 / depth
    screen = np.stack([WIDTH / 2 + scale * points[:, 0], 0.95 * HEIGHT - scale * points[:, 2]], 1)
    return screen.astype(np.float32), depth, points, figure.faces, figure.double_sided


def with_pillow() -> Callable[[], object]:
    """What the project uses: polygons, the farthest first."""
    screen, depth, _, faces, double = body()
    return lambda: draw_faces(screen, depth, faces, double, WIDTH, HEIGHT)


def with_opencv() -> Callable[[], object]:
    """The same order, drawn by OpenCV."""
    import cv2

    screen, depth, _, faces, _ = body()

    def draw() -> object:
        corner = screen[faces]
        ahead, aside = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        kept = np.nonzero(ahead[:, 0] * aside[:, 1] - ahead[:, 1] * aside[:, 0] < 0)[0]
        kept = kept[np.argsort(-depth[faces[kept]].mean(1))]
        image = np.full((HEIGHT, WIDTH), -1, np.int32)
        for number, points in zip(kept.tolist(), (corner[kept] * 16).astype(np.int32), strict=True):
            cv2.fillConvexPoly(image, points, number, 8, 4)
        return image

    return draw


def with_embree() -> Callable[[], object]:
    """A ray through each pixel of the person's box, cast by embree."""
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    screen, _, points, faces, _ = body()
    low, high = np.floor(screen.min(0)), np.ceil(screen.max(0))
    scale = 6 * 0.9 * HEIGHT / 1.8
    x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    rays = np.stack([(x - WIDTH / 2) / scale, np.ones_like(x), (0.95 * HEIGHT - y) / scale], -1)
    rays = rays.reshape(-1, 3).astype(np.float32)
    origins = np.tile(np.array((0, -6, 0), np.float32), (len(rays), 1))

    def draw() -> object:
        scene = rtcore_scene.EmbreeScene()
        TriangleMesh(scene, points.astype(np.float32), faces)
        return scene.run(origins, rays, query="INTERSECT", output=True)

    return draw


def spread(times: Sequence[float]) -> dict[str, float]:
    """What is kept of times, seconds."""
    return {"median": statistics.median(times), "minimum": min(times)}


def processor_time(call: Callable[[], object]) -> float:
    """Of one call, seconds."""
    start = time.process_time()
    call()
    return time.process_time() - start


def seconds(call: Callable[[], object]) -> dict[str, float]:
    """Processor time of a call."""
    call()
    return spread([processor_time(call) for _ in range(REPEATS)])


def libraries() -> Iterator[dict[str, Any]]:
    """A row for each library that is installed."""
    for name, prepare in (
        ("Pillow", with_pillow),
        ("OpenCV", with_opencv),
        ("embreex", with_embree),
    ):
        try:
            call = prepare()
        except ImportError:
            continue
        yield {"library": name, "pixels": [WIDTH, HEIGHT], "seconds": seconds(call)}


def pictures() -> Iterator[dict[str, Any]]:
    """A row for each domain: its images as they come, and those of about 128 x 256 pixels."""
    size = SIZES["small"]
    for domain in size.domains:
        units = islice(sightings(0, size, domain, TRAIN), 24)
        timed: list[tuple[int, float]] = []  # height and seconds
        for unit in units:
            for sighting in unit:
                again = partial(take, 0, sighting)
                height = again().height  # backdrop and clothes are kept from here on
                timed.append((height, min(processor_time(again) for _ in range(2))))
        for kind, least in (("all", 0), ("tall", TALL)):
            chosen = [row for row in timed if row[0] >= least]
            if chosen:
                heights, times = zip(*chosen, strict=True)
                yield {
                    "domain": domain,
                    "kind": kind,
                    "pictures": len(chosen),
                    "height": statistics.median(heights),
                    "seconds": spread(times),
                }


def main() -> None:
    """Write the file."""
    result = {
        **provenance("OMP_NUM_THREADS=1 python benchmarks/people_rendering.py", "cpu"),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "libraries": list(libraries()),
        "pictures": list(pictures()),
    }
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
