"""What is said of the batches of an epoch."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from qaconv_reid.data import Record
from qaconv_reid.training import TrainingImages
from qaconv_reid.training.composition import Composition

#: Image, identity, camera, family.
IMAGES = [(0, 1, "a"), (0, 2, "a"), (1, 1, "a"), (1, 2, "a"), (2, 1, "b"), (3, 3, "b")]


def images(cameras=True, families=True):
    records = tuple(
        Record(Path(f"{i}.jpg"), label, camera if cameras else None)
        for i, (label, camera, _) in enumerate(IMAGES)
    )
    labels = tuple(label for label, _, _ in IMAGES)
    kin = tuple(family for *_, family in IMAGES) if families else ()
    return TrainingImages(records, labels, (0,) * len(IMAGES), kin)


def test_by_hand():
    counted = Composition(images())
    counted.add([0, 1, 2, 4])
    # Pairs of two identities: 0-2, 0-4, 1-2, 1-4, 2-4; of one camera 0-2, 0-4, 2-4.
    counted.add([0, 3])
    # 0-3: of one family and two cameras, as 0-2 and 1-2 are of one.
    report = counted.report()
    assert report.same_camera_pairs == pytest.approx(3 / 6)
    assert report.look_alike_pairs == pytest.approx(3 / 6)
    # Classes 0, 1, 2 were in 2, 2 and 1 batches.
    entropy = -(0.4 * math.log(0.4) * 2 + 0.2 * math.log(0.2))
    assert report.effective_classes == pytest.approx(math.exp(entropy) / 4)
    assert report.most_frequent_class == 2


def test_what_is_not_known():
    counted = Composition(images(cameras=False, families=False))
    counted.add([0, 2])
    report = counted.report()
    assert math.isnan(report.same_camera_pairs)
    assert math.isnan(report.look_alike_pairs)
    assert math.isnan(Composition(images()).report().effective_classes)
    assert math.isnan(Composition(images()).report().same_camera_pairs)


def test_of_people_who_are_known_to_have_no_look_alikes_the_share_is_nothing():
    known = images()
    counted = Composition(replace(known, families=(None,) * len(known.labels)))
    counted.add([0, 2, 5])
    assert counted.report().look_alike_pairs == 0


def test_it_goes_on_and_begins_anew():
    one, other = Composition(images()), Composition(images())
    one.add([0, 2, 5])
    other.load_state_dict(one.state_dict())
    for counted in (one, other):
        counted.add([1, 4])
    assert one.report() == other.report()
    one.start_epoch()
    one.add([0, 2])
    assert one.report().most_frequent_class == 1
