"""The commands around virtual people: made, looked at, measured."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from qaconv_reid import cli
from qaconv_reid.recipes import evaluate as evaluate_recipe
from qaconv_reid.recipes import measure as measure_recipe

UNTRAINED = ("tiny", "model.stage=layer2", "runtime.seed=0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "tiny"
    assert cli.main(["data", "make", "tiny", "--out", str(folder), "--workers", "1"]) == 0
    return folder


def test_make_says_that_it_is_synthetic_and_where_it_lies(folder, capsys):
    assert cli.main(["data", "make", "tiny", "--out", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "synthetic" in out
    assert "32 identities, 192 images, about 2 MB" in out
    for domain in ("plaza", "station"):
        assert f"{folder / domain}: 96 images" in out
        assert (folder / f"{domain}.png").is_file()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("huge",), "size: got 'huge', wanted one of"),
        (("tiny", "--naming", "duke"), "naming: got 'duke'"),
        (("tiny", "--seed", "-1"), "seed: got -1"),
        (("tiny", "--workers", "0"), "workers: got 0"),
    ],
)
def test_make_names_what_is_wrong(argv, said, tmp_path, capsys):
    assert cli.main(["data", "make", *argv, "--out", str(tmp_path / "x")]) == 2
    assert said in capsys.readouterr().err


def test_the_default_place_can_be_chosen(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QACONV_DATA", str(tmp_path))
    monkeypatch.setattr("qaconv_reid.people.dataset._BYTES", 10**15)
    assert cli.main(["data", "make", "tiny"]) == 2
    assert str(tmp_path) in capsys.readouterr().out


def test_measure_within_and_across_domains(folder, tmp_path, capsys):
    file = tmp_path / "figures.json"
    assert cli.main(["data", "measure", str(folder), *UNTRAINED, "--json", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "color histogram" in shown
    assert "model.weights is not set; --run RUN measures a trained run" in shown
    written = json.loads(file.read_text())
    assert written["data"]["synthetic"] is True
    assert written["command"] == f"qaconv data measure {folder.name} {' '.join(UNTRAINED)}"
    assert {"commit", "uncommitted_changes", "made", "machine"} <= written.keys()
    figures = written["figures"]
    untrained = ("pooled embedding", "stripes", "8 stripes", "untrained QAConv")
    methods = ["color histogram", *(f"{method}, random weights" for method in untrained)]
    assert list(dict.fromkeys(figure["method"] for figure in figures)) == methods
    assert len(figures) == 5 * 4
    for figure in figures:
        assert 0 <= figure["rank1"] <= 1
        # 16 identities, one query of each camera, each of which another camera's image answers.
        assert figure["queries"] == 32
        for measure in ("rank1", "mAP"):
            low, high = figure[f"{measure}_interval"]
            assert 0 <= low <= figure[measure] <= high <= 1


def test_a_histogram_finds_a_picture_of_itself(folder, tmp_path):
    """With the queries as the gallery of another domain, colors are all it takes."""
    copy = tmp_path / "both"
    shutil.copytree(folder / "plaza", copy / "one")
    shutil.copytree(folder / "plaza", copy / "two")
    for part in ("bounding_box_test",):
        shutil.rmtree(copy / "two" / part)
        shutil.copytree(copy / "one" / "query", copy / "two" / part)
    file = tmp_path / "figures.json"
    assert cli.main(["data", "measure", str(copy), *UNTRAINED, "--json", str(file)]) == 0
    figures = json.loads(file.read_text())["figures"]
    (same,) = (
        f
        for f in figures
        if (f["query"], f["gallery"]) == ("one", "two") and f["method"] == "color histogram"
    )
    assert same["rank1"] == 1


def test_measure_needs_data_sets(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert cli.main(["data", "measure", str(tmp_path), *UNTRAINED]) == 2
    assert "got no data set with a query and a gallery" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--run", "nowhere"), "nowhere"),
        (("model.weights=nowhere.pth",), "model.weights: got nowhere.pth"),
    ],
)
def test_measure_finds_what_is_missing_before_it_measures(
    argv, said, folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure_recipe, "domain_rankings", None)
    assert cli.main(["data", "measure", str(folder), *UNTRAINED, *argv]) == 2
    assert said in capsys.readouterr().err


def test_a_place_for_ranked_lists_is_made_before_anything_is_measured(
    folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(evaluate_recipe, "evaluate_sets", None)
    (tmp_path / "taken").write_text("mine")
    argv = ["evaluate", *UNTRAINED, "--untrained", "--data", str(folder / "plaza")]
    assert cli.main([*argv, "--ranked", str(tmp_path / "taken")]) == 2
    assert "--ranked: got" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"


def test_evaluate_by_every_way_and_into_files(folder, tmp_path, capsys):
    argv = ["evaluate", *UNTRAINED, "--untrained", "--data", str(folder / "plaza")]
    argv += ["--json", str(tmp_path / "a.json"), "--csv", str(tmp_path / "a.csv")]
    assert cli.main([*argv, "--rerank", "--tlift"]) == 0
    out = capsys.readouterr().out
    assert out.index("re-ranked") < out.index("measures in")
    (result,) = json.loads((tmp_path / "a.json").read_text())["results"]
    assert list(result["refined"]) == ["TLift", "re-ranked", "re-ranked + TLift"]
    assert result["mAP_interval"][0] < result["mAP"] < result["mAP_interval"][1]
    with (tmp_path / "a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 4 * 32
    plain = [line for line in lines if line["scores"] == "plain"]
    found = [line["taken_for_person"] == line["person"] for line in plain]
    assert sum(found) / 32 == result["rank1"]
    assert found == [line["first_match"] == "1" for line in plain]
    mean = sum(float(line["average_precision"]) for line in plain) / 32
    assert mean == pytest.approx(result["mAP"])
    for line in plain:
        assert (folder / "plaza" / line["query"]).is_file()
        assert (folder / "plaza" / line["taken_for"]).is_file()


@pytest.mark.parametrize("protocol", ["cuhk03", "cross-camera", "none"])
def test_evaluate_by_another_protocol(protocol, folder, tmp_path, capsys):
    argv = ["evaluate", *UNTRAINED, "--untrained", "--data", str(folder / "plaza")]
    file = tmp_path / "a.json"
    assert cli.main([*argv, "--protocol", protocol, "--json", str(file)]) == 0
    assert f"protocol {protocol}" in capsys.readouterr().out
    (result,) = json.loads(file.read_text())["results"]
    assert result["protocol"] == protocol
    assert "refined" not in result


def test_variants_stand_beside_each_other_and_apart(folder, tmp_path, capsys):
    chosen = ["--variant", "plain", "--variant", "hidden=0.33"]
    file = tmp_path / "figures.json"
    argv = ["data", "measure", str(folder / "plaza"), *UNTRAINED, *chosen, "--json", str(file)]
    assert cli.main(argv) == 0
    assert "hidden=0.33" in capsys.readouterr().out
    written = json.loads(file.read_text())
    assert written["command"].endswith("--variant plain --variant hidden=0.33")
    of = {
        variant: [figure["mAP"] for figure in written["figures"] if figure["variant"] == variant]
        for variant in ("plain", "hidden=0.33")
    }
    assert len(of["plain"]) == len(of["hidden=0.33"]) == 5
    assert of["hidden=0.33"][0] < of["plain"][0]  # colors: a random network may gain by chance

    file = tmp_path / "measures.json"
    argv = ["evaluate", *UNTRAINED, "--untrained", "--data", str(folder / "plaza"), *chosen]
    argv.append("model.neck_features=0")
    assert cli.main([*argv, "--json", str(file)]) == 0
    assert "hidden=0.33" in capsys.readouterr().out
    plain, hidden = json.loads(file.read_text())["results"]
    assert (plain["dataset"], hidden["dataset"]) == ("plaza", "plaza, hidden=0.33")
    assert hidden["mAP"] == of["hidden=0.33"][-1] != plain["mAP"] == of["plain"][-1]


def test_a_variant_that_does_not_exist_is_named(folder, capsys):
    for command in (("evaluate", "--untrained"), ("data", "measure", str(folder))):
        assert cli.main([*command, *UNTRAINED, "--variant", "bent=1"]) == 2
        assert "--variant: got 'bent', wanted one of shaken, hidden" in capsys.readouterr().err


def test_every_crop_as_query(folder, tmp_path, capsys):
    plaza, file = str(folder / "plaza"), tmp_path / "a.json"
    argv = ["data", "measure", str(folder), *UNTRAINED, "--every-crop", "--json", str(file)]
    assert cli.main(argv) == 0
    written = json.loads(file.read_text())
    assert written["every_crop"] is True
    assert written["command"].endswith("--every-crop")
    assert {figure["queries"] for figure in written["figures"]} == {64}
    argv = ["evaluate", *UNTRAINED, "--untrained", "--data", plaza, "--every-crop"]
    argv.append("model.neck_features=0")
    assert cli.main([*argv, "--json", str(file), "--ranked", str(tmp_path)]) == 0
    (result,) = json.loads(file.read_text())["results"]
    (measured,) = (
        figure
        for figure in written["figures"]
        if figure["query"] == figure["gallery"] == "plaza" and "QAConv" in figure["method"]
    )
    assert (result["queries"], result["gallery"], result["every_crop"]) == (64, 64, True)
    assert result["mAP"] == measured["mAP"]
    capsys.readouterr()
    assert cli.main([*argv, "--rerank"]) == 2
    assert "--rerank: got it with every crop as query" in capsys.readouterr().err
