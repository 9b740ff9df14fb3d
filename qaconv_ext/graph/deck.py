"""A shuffled deck of images per class, so that every image is used before any repeats."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from qaconv_ext import _checks


class ClassDecks:
    """One deck per class, dealt from the top and reshuffled when it runs out.

    Between two shuffles of a class each of its images is dealt exactly once. One hand repeats an
    image only where the class has fewer images than the hand, and then as evenly as it goes.

    Args:
        images: per class, the numbers of its images, at least one.
        cameras: of each image; the images of a hand are then of different cameras as far as what
            is left in the deck has them. None takes them as they come.
    """

    def __init__(
        self, images: Sequence[Sequence[int]], cameras: Sequence[int] | None = None
    ) -> None:
        self._images = _checks.table("images", images)
        self._cameras = cameras
        #: Per class, what is left to deal, the next one first; empty before the first shuffle.
        self._left: list[list[int]] = [[] for _ in self._images]

    def deal(self, class_number: int, count: int, rng: random.Random) -> list[int]:
        """``count`` images of a class; ``rng`` is used only where the deck runs out."""
        hand: list[int] = []
        while len(hand) < count:
            if not self._left[class_number]:
                deck = rng.sample(self._images[class_number], len(self._images[class_number]))
                # A hand across two decks must not hold an image twice: what it has goes last.
                self._left[class_number] = sorted(deck, key=hand.__contains__)
            deck = self._left[class_number]
            if self._cameras is None:
                missing = count - len(hand)
                hand += deck[:missing]
                self._left[class_number] = deck[missing:]
            else:
                hand.append(deck.pop(self._apart(hand, deck, self._cameras)))
        return hand

    def _apart(self, hand: list[int], deck: list[int], cameras: Sequence[int]) -> int:
        """The place in the deck of what is furthest from the hand's cameras.

        Of cameras that the hand has as rarely it is the one with most images left: dealt otherwise,
        the deck would end with images of one camera.
        """
        held = Counter(cameras[image] for image in hand)
        left = Counter(cameras[image] for image in deck)

        def worth(place: int) -> tuple[bool, int, int]:
            image = deck[place]
            return image in hand, held[cameras[image]], -left[cameras[image]]

        return min(range(len(deck)), key=worth)

    def state(self) -> list[list[int]]:
        """Per class, the images left in its deck: a copy, plain lists of int."""
        return [list(left) for left in self._left]

    def load(self, state: Sequence[Sequence[int]]) -> None:
        """Continue from a `state`.

        Raises:
            TypeError: the state is no lists of whole numbers.
            ValueError: the state has other classes or images than these decks.
        """
        decks = _checks.table("decks", state)
        if len(decks) != len(self._images):
            raise ValueError(f"decks: got {len(decks)} classes, wanted {len(self._images)}")
        for class_number, (left, images) in enumerate(zip(decks, self._images, strict=True)):
            if not set(left) <= set(images) or len(set(left)) != len(left):
                raise ValueError(
                    f"decks: got images {list(left)[:8]} for class number {class_number}, wanted "
                    f"some of {images[:8]}, each at most once"
                )
        self._left = decks
