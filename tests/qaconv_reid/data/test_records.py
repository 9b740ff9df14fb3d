from pathlib import Path

from qaconv_reid.data import Record, ReidDataset, class_labels


def test_class_labels_are_contiguous_in_the_order_of_the_persons():
    records = [Record(Path("x.jpg"), person) for person in (700, 3, 41, 3)]
    assert class_labels(records) == [2, 0, 1, 0]
    assert class_labels([]) == []


def test_parts_in_their_order():
    one, two = Record(Path("a"), 1), Record(Path("b"), 2)
    dataset = ReidDataset("x", "folder", Path("."), (one,), (two,), ())
    assert list(dataset.parts.items()) == [("train", (one,)), ("query", (two,)), ("gallery", ())]
