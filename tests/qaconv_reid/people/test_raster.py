"""What is seen at a pixel, against the plain rule for every pixel and triangle."""

from __future__ import annotations

import numpy as np

from qaconv_reid.people.figure import dress, walk
from qaconv_reid.people.kit import load_kit
from qaconv_reid.people.look import draw_look
from qaconv_reid.people.raster import barycentric, draw_faces


def nearest(screen, depth, faces, double, width, height):
    """The face with the least depth at each pixel's middle."""
    best = np.full((height, width), np.inf)
    ids = np.full((height, width), -1)
    y, x = np.mgrid[:height, :width] + 0.5
    for number, (a, b, c) in enumerate(faces):
        (ax, ay), (bx, by), (cx, cy) = screen[a], screen[b], screen[c]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or (area > 0 and not double[number]):
            continue
        s = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
        t = ((y - ay) * (bx - ax) - (x - ax) * (by - ay)) / area
        far = depth[a] + s * (depth[b] - depth[a]) + t * (depth[c] - depth[a])
        seen = (s >= 0) & (t >= 0) & (s + t <= 1) & (far < best)
        best[seen], ids[seen] = far[seen], number
    return ids


def test_a_body_is_seen_as_by_a_depth_for_each_pixel():
    kit = load_kit()
    figure = dress(kit, draw_look(np.random.default_rng(3), kit))
    points = walk(kit, figure, 0.1).points
    width, height = 72, 144
    depth = points[:, 1] + 6
    screen = np.stack([36 + 75 * points[:, 0], 140 - 75 * points[:, 2]], 1).astype(np.float32)
    ids = draw_faces(screen, depth, figure.faces, figure.double_sided, width, height)
    wanted = nearest(screen, depth, figure.faces, figure.double_sided, width, height)
    # No holes: Pillow rounds corners, so that one that just reaches a pixel's middle may miss it.
    assert ((ids < 0) & (wanted >= 0)).sum() <= 1
    # Pillow also draws the pixels that a face only touches: less than one around the outline.
    assert ((ids >= 0) & (wanted < 0)).sum() <= 0.1 * (wanted >= 0).sum()
    inside = wanted >= 0
    place = figure.points[figure.faces].mean(1)
    apart = np.linalg.norm(place[ids[inside]] - place[wanted[inside]], axis=1)
    # Another face may be drawn, but one beside it on the body.
    assert (apart < 0.12).mean() > 0.97


def test_weights_give_the_pixel_back():
    screen = np.array([(2.0, 3.0), (17.0, 5.0), (6.0, 19.0)], np.float32)
    face = np.array([[0, 1, 2]], np.int32)
    weight = barycentric(screen, face, np.array([0]), np.array([8]), np.array([8]))
    np.testing.assert_allclose(weight @ screen, [[8.5, 8.5]], atol=1e-4)
    np.testing.assert_allclose(weight.sum(), 1, atol=1e-6)


def test_weights_of_a_touched_pixel_stay_within_the_face():
    screen = np.array([(0.0, 0.0), (4.0, 0.0), (0.0, 4.0)], np.float32)
    face = np.array([[0, 1, 2]], np.int32)
    weight = barycentric(screen, face, np.array([0]), np.array([6]), np.array([6]))
    assert (weight >= 0).all()
    np.testing.assert_allclose(weight.sum(), 1, atol=1e-6)
