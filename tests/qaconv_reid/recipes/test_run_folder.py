"""What a run's folder keeps of evaluations."""

from __future__ import annotations

import json
from types import SimpleNamespace

from qaconv_reid.recipes.runs import RunFolder


def result(dataset, mAP, root=None, **more):
    return SimpleNamespace(
        root=root or f"/data/{dataset}",
        as_dict=lambda: {"dataset": dataset, "mAP": mAP, **more},
    )


def test_an_evaluation_replaces_the_one_that_was_measured_alike(tmp_path):
    folder = RunFolder(tmp_path)
    folder.evaluation.write_text(json.dumps([{"dataset": "a", "mAP": 0.1}]))  # an early one
    folder.write_evaluation([result("b", 0.2, protocol="market", area="plain")], 3)
    folder.write_evaluation([result("a", 0.3, protocol="cuhk03", area="plain")], 3)
    folder.write_evaluation([result("a", 0.4, protocol="market", area="plain")], 3)
    folder.write_evaluation([result("a", 0.5, protocol="market", area="trapezoid")], 3)
    entries = json.loads(folder.evaluation.read_text())
    assert [(entry["dataset"], entry["mAP"]) for entry in entries] == [
        ("b", 0.2),
        ("a", 0.3),
        ("a", 0.4),
        ("a", 0.5),
    ]
    assert all(entry["epochs"] == 3 for entry in entries)


def test_data_sets_of_one_name_are_told_apart_by_their_places(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_evaluation([result("a", 0.1, root="/one/a"), result("a", 0.2, root="/two/a")], 3)
    folder.write_evaluation([result("a (two)", 0.3, root="/two/a")], 3)
    entries = json.loads(folder.evaluation.read_text())
    assert [(entry["root"], entry["mAP"]) for entry in entries] == [
        ("/one/a", 0.1),
        ("/two/a", 0.3),
    ]
