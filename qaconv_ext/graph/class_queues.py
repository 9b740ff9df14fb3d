"""A shuffled queue of images per class, so that every image is used before any repeats."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from qaconv_ext import _checks


class ClassQueues:
    """One queue per class, drawn from the top and reshuffled when it runs out.

    Between two shuffles of a class each of its images is drawn exactly once. One draw repeats an
    image only where the class has fewer images than the draw, and then as evenly as it goes.

    Args:
        images: per class, the numbers of its images, at least one.
        cameras: of each image; the images of a draw are then of different cameras as far as what
            is left in the queue has them. None takes them as they come.
    """

    def __init__(
        self, images: Sequence[Sequence[int]], cameras: Sequence[int] | None = None
    ) -> None:
        self._images = _checks.table("images", images)
        self._cameras = cameras
        #: Per class, what is left to draw, the next one first; empty before the first shuffle.
        self._left: list[list[int]] = [[] for _ in self._images]

    def draw(self, class_number: int, count: int, rng: random.Random) -> list[int]:
        """``count`` images of a class; ``rng`` is used only where the queue runs out."""
        draw: list[int] = []
        while len(draw) < count:
            if not self._left[class_number]:
                queue = rng.sample(self._images[class_number], len(self._images[class_number]))
                # A draw across two queues must not hold an image twice: what it has goes last.
                self._left[class_number] = sorted(queue, key=draw.__contains__)
            queue = self._left[class_number]
            if self._cameras is None:
                missing = count - len(draw)
                draw += queue[:missing]
                self._left[class_number] = queue[missing:]
            else:
                draw.append(queue.pop(self._apart(draw, queue, self._cameras)))
        return draw

    def _apart(self, draw: list[int], queue: list[int], cameras: Sequence[int]) -> int:
        """The place in the queue of what is furthest from the draw's cameras.

        Of cameras that the draw has as rarely it is the one with most images left: drawn otherwise,
        the queue would end with images of one camera.
        """
        held = Counter(cameras[image] for image in draw)
        left = Counter(cameras[image] for image in queue)

        def worth(place: int) -> tuple[bool, int, int]:
            image = queue[place]
            return image in draw, held[cameras[image]], -left[cameras[image]]

        return min(range(len(queue)), key=worth)

    def state(self) -> list[list[int]]:
        """Per class, the images left in its queue: a copy, plain lists of int."""
        return [list(left) for left in self._left]

    def load(self, state: Sequence[Sequence[int]]) -> None:
        """Continue from a `state`.

        Raises:
            TypeError: the state is no lists of whole numbers.
            ValueError: the state has other classes or images than these queues.
        """
        queues = _checks.table("queues", state)
        if len(queues) != len(self._images):
            raise ValueError(f"queues: got {len(queues)} classes, wanted {len(self._images)}")
        for class_number, (left, images) in enumerate(zip(queues, self._images, strict=True)):
            if not set(left) <= set(images) or len(set(left)) != len(left):
                raise ValueError(
                    f"queues: got images {list(left)[:8]} for class number {class_number}, wanted "
                    f"some of {images[:8]}, each at most once"
                )
        self._left = queues
