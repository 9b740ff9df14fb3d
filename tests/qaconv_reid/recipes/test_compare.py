"""Two evaluated runs, query by query, from what their folders keep."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from qaconv_reid.config import ConfigError
from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation import EvaluationResult, Identities, Measured, Measures
from qaconv_reid.evaluation import compare as compare_rankings
from qaconv_reid.evaluation.protocols import measure
from qaconv_reid.recipes.compare import compare
from qaconv_reid.recipes.query_file import read_queries, write_queries
from qaconv_reid.recipes.runs import RunFolder

PERSONS = 12


@pytest.fixture
def people(tmp_path):
    """A query and three gallery images of each; the last query's person is not in the gallery."""

    (tmp_path / "mall").mkdir()

    def record(part, number):
        return Record(
            tmp_path / "mall" / f"{part}_{number}.png", number % PERSONS, 1 + (part == "g")
        )

    return ReidDataset(
        "mall",
        "folder",
        tmp_path / "mall",
        (),
        (*(record("q", n) for n in range(PERSONS)), Record(tmp_path / "mall/q_x.png", 99, 1)),
        tuple(record("g", n) for n in range(3 * PERSONS)),
    )


def result(people, seed, noise, protocol="market"):
    truth = np.equal.outer([r.person for r in people.query], [r.person for r in people.gallery])
    random = torch.Generator().manual_seed(seed)
    scores = torch.from_numpy(truth).float() + noise * torch.randn(truth.shape, generator=random)
    ranking = measure(Measures(protocol), [scores], Identities.of(people))
    persons = [record.person for record in people.query]
    measured = (Measured.of("plain", ranking, persons),)
    return EvaluationResult(
        people.name, measured, len(people.gallery), 1.0, 1.0, protocol=protocol, root=people.root
    )


def run_folder(path, people, *results):
    path.mkdir()
    for each in results:
        file = RunFolder(path).evaluation_queries
        write_queries(file, [each], [people], beside=True)
    return str(path)


def said(*arguments, **options):
    console = Console(file=io.StringIO(), width=200)
    found = compare(*arguments, console=console, **options)
    return found, console.file.getvalue()


@pytest.mark.parametrize("protocol", ["market", "cuhk03"])
def test_what_is_kept_compares_as_the_rankings_do(people, tmp_path, protocol):
    one, other = (result(people, *it, protocol) for it in ((1, 0.9), (2, 0.3)))
    folders = [run_folder(tmp_path / n, people, it) for n, it in (("a", one), ("b", other))]
    [found], text = said(*folders)
    persons = [record.person for record in people.query]
    wanted = compare_rankings(one.ranking, other.ranking, persons)
    assert (found.comparison.rank1, found.comparison.mAP) == (wanted.rank1, wanted.mAP)
    assert found.comparison.gained.tolist() == wanted.gained.tolist()
    assert found.comparison.mAP.value > 0.1
    [row] = [line.split() for line in text.splitlines() if "mAP" in line]
    low, high = wanted.mAP.interval
    assert row == [
        "mAP",
        f"{100 * one.mAP:.1f}",
        f"{100 * other.mAP:.1f}",
        f"{100 * wanted.mAP.value:+.1f}",
        f"{50 * (high - low):.1f}",
        f"{wanted.mAP.p_value:.4f}",
    ]
    assert f"{len(wanted.gained)} queries gained at Rank-1, {len(wanted.lost)} lost" in text
    assert "a → b" in text


def test_the_queries_that_changed_most_come_first(people, tmp_path):
    one, other = result(people, 1, 0.9), result(people, 2, 0.3)
    folders = [run_folder(tmp_path / n, people, it) for n, it in (("a", one), ("b", other))]
    _, text = said(*folders, changed=3)
    gain = np.nan_to_num(np.abs(other.ranking.average_precision - one.ranking.average_precision))
    most = np.argsort(-gain, kind="stable")[:3]
    lines = [line.strip() for line in text.splitlines() if line.startswith("  q_")]
    assert [line.partition(":")[0] for line in lines] == [f"q_{number}.png" for number in most]
    assert not [line for line in said(*folders, changed=0)[1].splitlines() if "q_" in line]


def test_an_evaluation_replaces_the_one_that_was_measured_alike(people, tmp_path):
    folder = run_folder(
        tmp_path / "a",
        people,
        result(people, 1, 0.9),
        result(people, 1, 0.9, "cross-camera"),
        result(people, 2, 0.3),
    )
    kept = read_queries(RunFolder(Path(folder)).evaluation_queries)
    assert [part.kind.protocol for part in kept] == ["cross-camera", "market"]
    np.testing.assert_array_equal(
        kept[1].found.average_precision, result(people, 2, 0.3).ranking.average_precision
    )
    assert np.isnan(kept[1].found.rank1[-1])


def test_a_data_set_that_was_moved_or_one_of_several(people, tmp_path):
    moved = dataclasses.replace(result(people, 2, 0.3), root=tmp_path / "elsewhere")
    other = dataclasses.replace(result(people, 2, 0.3), root=tmp_path / "x", dataset="shop")
    one = run_folder(tmp_path / "a", people, result(people, 1, 0.9), other)
    two = run_folder(tmp_path / "b", people, moved, other)
    names = [it.first.kind.dataset for it in said(one, two)[0]]
    assert names == ["mall", "shop"]
    for spec in ("shop", str(tmp_path / "x")):
        assert [it.first.kind.dataset for it in said(one, two, specs=[spec])[0]] == ["shop"]


def test_what_cannot_be_compared_is_said(people, tmp_path):
    one = run_folder(tmp_path / "a", people, result(people, 1, 0.9))
    other = run_folder(tmp_path / "b", people, result(people, 1, 0.9, "cross-camera"))
    console = Console(file=io.StringIO())
    with pytest.raises(ConfigError, match="got no evaluation of the same queries as in"):
        compare(one, other, console=console)
    with pytest.raises(ConfigError, match="got no run that was evaluated"):
        compare(one, str(tmp_path / "c"), console=console)
    (tmp_path / "d.csv").write_text("path,person\n")
    with pytest.raises(ConfigError, match=r"d\.csv: got the columns path, person, wanted dataset"):
        compare(one, str(tmp_path / "d.csv"), console=console)


def test_the_figures_as_json(people, tmp_path):
    one, other = (result(people, *it) for it in ((1, 0.9), (2, 0.3)))
    folders = [run_folder(tmp_path / n, people, it) for n, it in (("a", one), ("b", other))]
    file = tmp_path / "figures.json"
    [found], _ = said(*folders, file=file)
    written = json.loads(file.read_text())
    assert (written["first"], written["second"]) == tuple(folders)
    [entry] = written["compared"]
    assert (entry["dataset"], entry["scores"], entry["area"]) == ("mall", "plain", "plain")
    assert entry["mAP"] == pytest.approx([one.mAP, other.mAP])
    assert entry["mAP_difference"]["value"] == found.comparison.mAP.value
    assert entry["mAP_difference"]["p_value"] == found.comparison.mAP.p_value
    assert len(entry["queries"]) == PERSONS + 1
    assert entry["queries"][-1]["ap_first"] is None  # no match in the gallery
    values = [q["ap_second"] for q in entry["queries"][:-1]]
    assert np.mean(values) == pytest.approx(entry["mAP"][1])


def test_a_file_that_cannot_be_written_is_said_first(tmp_path):
    with pytest.raises(ConfigError, match="--json: got"):
        said("no run", "no other", file=tmp_path)
