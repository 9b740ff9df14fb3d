"""What a run's folder keeps of evaluations."""

from __future__ import annotations

import json
from types import SimpleNamespace

from qaconv_reid.recipes.runs import RunFolder


def result(dataset, mAP, **more):
    return SimpleNamespace(as_dict=lambda: {"dataset": dataset, "mAP": mAP, **more})


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
