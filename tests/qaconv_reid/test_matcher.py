"""A run as one object: maps, scores, probabilities, and a folder to take elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import qaconv_reid
from qaconv_reid import calibration
from qaconv_reid.build import build_models, find_hardware
from qaconv_reid.calibration import CalibrationError
from qaconv_reid.config import ConfigError
from qaconv_reid.config import load as load_config
from qaconv_reid.data import load as load_data
from qaconv_reid.evaluation import extract
from qaconv_reid.hub import HubError
from qaconv_reid.models import evaluation_mode
from qaconv_reid.restore import Restored
from qaconv_reid.training import CheckpointError
from support.foreign import authors_document
from support.images import write_market
from support.trained import BACKBONE, HEIGHT, WIDTH, write_run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    write_market(home / "market", 0, 4)
    return home


@pytest.fixture
def run(tmp_path):
    return tmp_path / "runs" / "small"


@pytest.fixture
def models(run):
    return write_run(run)


def test_importing_the_package_imports_nothing_heavy():
    script = (
        "import sys, qaconv_reid; assert 'load' in dir(qaconv_reid)\n"
        "print(*{'torch', 'numpy', 'pydantic', 'PIL', 'lancedb', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_its_names_are_those_of_the_matcher():
    names = {name: getattr(qaconv_reid, name) for name in qaconv_reid.__all__}
    assert {name: value.__name__ for name, value in names.items()} == {n: n for n in names}
    with pytest.raises(AttributeError, match="has no attribute 'laod'"):
        _ = qaconv_reid.laod


def test_maps_and_scores_are_those_of_an_evaluation(home, run, models):
    network, matcher = models
    records = load_data(home / "market").gallery
    wanted = extract(network, records, HEIGHT, WIDTH, batch=64).maps
    m = qaconv_reid.load(run, device="cpu")
    told = []
    maps = m.features([record.path for record in records], progress=lambda *step: told.append(step))
    assert maps.equal(wanted)
    assert maps.shape[1:] == m.map_shape == (16, 4, 2)
    assert told == [("features", len(records), len(records))]
    with evaluation_mode(matcher), torch.no_grad():
        scores = matcher(wanted[:3], wanted)
    result = m.match(maps[:3], maps)
    assert result.scores.equal(scores)
    assert not result.calibrated
    assert result.probabilities.equal(torch.sigmoid(scores.double()).float())
    # Images serve as well as their maps.
    again = m.match([record.path for record in records[:3]], home / "market" / "bounding_box_test")
    torch.testing.assert_close(again.scores, scores)


def test_half_precision_maps(home, run, models):
    m = qaconv_reid.load(run, device="cpu", precision="bfloat16")
    maps = m.features(home / "market" / "query")
    assert maps.dtype == torch.float16
    assert m.match(maps, maps.float()).scores.dtype == torch.float32


def test_a_checkpoint_of_the_authors(home, run, models, tmp_path):
    torch.save(authors_document(*models, BACKBONE), tmp_path / "checkpoint.pth.tar")
    size = (f"model.height={HEIGHT}", f"model.width={WIDTH}")
    theirs = qaconv_reid.load(tmp_path / "checkpoint.pth.tar", device="cpu", settings=size)
    ours = qaconv_reid.load(run, device="cpu")
    assert (theirs.name, theirs.epochs) == ("checkpoint", 3)
    query = home / "market" / "query"
    assert theirs.match(query, query).scores.equal(ours.match(query, query).scores)


def test_a_saved_matcher_is_the_same(home, run, models, tmp_path):
    m = qaconv_reid.load(run, device="cpu")
    m.save_pretrained(tmp_path / "saved")
    names = sorted(path.name for path in (tmp_path / "saved").iterdir())
    assert names == ["matcher.json", "model.safetensors"]
    query = home / "market" / "query"
    for again in (
        qaconv_reid.Matcher.from_pretrained(tmp_path / "saved", device="cpu"),
        qaconv_reid.load(tmp_path / "saved", device="cpu"),
    ):
        assert (again.name, again.epochs, again.checksum) == (m.name, m.epochs, m.checksum)
        assert again.match(query, query).scores.equal(m.match(query, query).scores)


def test_what_is_saved_says_which_matcher_it_is(tmp_path):
    settings = [f"model.height={HEIGHT}", f"model.width={WIDTH}", f"model.backbone={BACKBONE}"]
    for more in (["matcher.separate_weights=true", "loss.kind=pairwise"], ["matcher.kind=pooled"]):
        config = load_config(None, [*settings, *more])
        made = build_models(config, torch.device("cpu"), pretrained=False)
        hardware = find_hardware(config.runtime)
        qaconv_reid.Matcher(Restored(*made, 1), config, hardware).save_pretrained(tmp_path / "s")
        again = qaconv_reid.Matcher.from_pretrained(tmp_path / "s", device="cpu")
        assert type(again._matcher) is type(made[1])
        assert again.tells_probability == (config.loss.kind == "pairwise")


def test_the_hub(home, run, models, tmp_path, monkeypatch):
    """With the hub's own calls replaced: nothing here reaches a network."""
    stored = tmp_path / "stored"
    asked = []

    class Api:
        def create_repo(self, name, *, private, exist_ok):
            asked.append((name, private, exist_ok))

        def upload_folder(self, *, repo_id, folder_path):
            shutil.copytree(folder_path, stored)
            return f"https://hub/{repo_id}/commit/1"

    def download(name, *, revision, allow_patterns):
        asked.append((name, revision, sorted(allow_patterns)))
        if name != "us/people":
            raise OSError("404 Client Error\nmore")
        return str(stored)

    fake = SimpleNamespace(HfApi=Api, snapshot_download=download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    m = qaconv_reid.load(run, device="cpu")
    assert m.push_to_hub("us/people") == "https://hub/us/people/commit/1"
    again = qaconv_reid.Matcher.from_pretrained("us/people", device="cpu", revision="v1")
    assert again.checksum == m.checksum
    files = ["calibration.json", "matcher.json", "model.safetensors"]
    assert asked == [("us/people", False, True), ("us/people", "v1", files)]
    with pytest.raises(HubError) as caught:
        qaconv_reid.Matcher.from_pretrained("us/others")
    assert str(caught.value) == "us/others: cannot be fetched from the hub: 404 Client Error"
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HubError, match=r"pip install 'qaconv-ext\[hub\]'"):
        qaconv_reid.Matcher.from_pretrained("us/people")
    monkeypatch.chdir(stored.parent)
    with pytest.raises(CheckpointError, match="stored/none"):
        qaconv_reid.Matcher.from_pretrained("./stored/none")


def test_a_calibration_is_kept(home, run, models, tmp_path):
    dataset = load_data(home / "market")
    m = qaconv_reid.load(run, device="cpu")
    scores = m.match(*([r.path for r in part] for part in (dataset.query, dataset.gallery))).scores
    persons = [np.array([r.person for r in part]) for part in (dataset.query, dataset.gallery)]
    with pytest.raises(RuntimeError, match="got an uncalibrated matcher"):
        m.threshold_at(0.1)
    fitted = m.calibrate(scores, persons[0][:, None] == persons[1])
    m.save_pretrained(tmp_path / "saved")
    for folder in (run, tmp_path / "saved"):
        again = qaconv_reid.load(folder, device="cpu")
        assert again.calibrated
        assert again.calibration == fitted
        assert again.threshold_at(0.5) == fitted.threshold_at(0.5)
        result = again.match(home / "market" / "query", home / "market" / "query")
        assert result.calibrated
        wanted = fitted.probability(result.scores.numpy())
        np.testing.assert_allclose(result.probabilities.numpy(), wanted, rtol=1e-6)
    with pytest.raises(CalibrationError, match="wanted at least 2 of each"):
        m.calibrate(scores, torch.ones_like(scores, dtype=torch.bool))


def test_a_calibration_by_camera_serves_matches(home, run, models, monkeypatch):
    monkeypatch.setattr(calibration, "_ENOUGH", (2, 2))
    query, gallery = (getattr(load_data(home / "market"), part) for part in ("query", "gallery"))
    m = qaconv_reid.load(run, device="cpu")
    maps = [m.features([record.path for record in side]) for side in (query, gallery)]
    cameras = [[record.camera for record in side] for side in (query, gallery)]
    persons = [np.array([record.person for record in side]) for side in (query, gallery)]
    plain = m.match(*maps)
    fitted = m.calibrate(
        plain.scores,
        persons[0][:, None] == persons[1],
        cameras=(np.array(cameras[0])[:, None], cameras[1]),
        identities=persons[0][:, None],
    )
    assert fitted.cameras
    again = qaconv_reid.load(run, device="cpu")
    found = again.match(*maps, cameras=cameras).probabilities.numpy()
    scores = plain.scores.numpy()
    for i, j in ((0, 0), (0, 5), (7, 3)):
        own = fitted.of_cameras(cameras[0][i], cameras[1][j])
        assert found[i, j] == pytest.approx(float(own.probability(scores[i, j])), rel=1e-6)
    pooled = again.match(*maps).probabilities.numpy()
    np.testing.assert_allclose(pooled, fitted.probability(scores), rtol=1e-6)
    assert not np.allclose(found, pooled)


def test_a_calibration_of_other_weights_is_not_used(run, models, tmp_path):
    m = qaconv_reid.load(run, device="cpu")
    m.calibrate([0.0, 1.0, 2.0, 3.0], [False, False, True, True])
    write_run(tmp_path / "other" / "small", seed=6)
    (run / "calibration.json").rename(tmp_path / "other" / "small" / "calibration.json")
    with pytest.warns(UserWarning, match="fitted for other weights"):
        assert not qaconv_reid.load(tmp_path / "other" / "small", device="cpu").calibrated


def test_the_checksum_is_of_weights_and_size(run, models, tmp_path):
    m = qaconv_reid.load(run, device="cpu")
    write_run(tmp_path / "copy" / "renamed")
    assert qaconv_reid.load(tmp_path / "copy" / "renamed", device="cpu").checksum == m.checksum
    write_run(tmp_path / "other" / "small", seed=6)
    assert qaconv_reid.load(tmp_path / "other" / "small", device="cpu").checksum != m.checksum


@pytest.mark.parametrize(
    ("source", "options", "error", "said"),
    [
        ("nowhere", {}, CheckpointError, "there is no trained run"),
        ("empty", {}, CheckpointError, "there is no trained run"),
        ("begun", {}, CheckpointError, "state.json: there is no checkpoint"),
        ("text.pth", {}, CheckpointError, "text.pth"),
        ("torn", {}, CheckpointError, "matcher.json: cannot be read as a saved matcher"),
        ("small", {"device": "gpu"}, ConfigError, "runtime.device: got 'gpu'"),
        ("small", {"precision": "half"}, ConfigError, "runtime.precision: got 'half'"),
        ("small", {"settings": ["evaluation.wieghts=best"]}, ConfigError, "did you mean"),
        ("small", {"settings": ["evaluation.weights=best"]}, ConfigError, "evaluation"),
    ],
)
def test_what_cannot_be_loaded_is_named_in_a_sentence(
    run, models, source, options, error, said, tmp_path
):
    place = run.parent / source
    if source == "empty":
        place.mkdir()
    if source == "begun":
        place.mkdir()
        (place / "config.toml").write_text((run / "config.toml").read_text())
    if source == "text.pth":
        place.write_text("no checkpoint")
    if source == "torn":
        place.mkdir()
        (place / "matcher.json").write_text('{"format": 1')
    with pytest.raises(error, match=said) as caught:
        qaconv_reid.load(place, **{"device": "cpu", **options})
    assert "\n" not in str(caught.value)


def test_why_images_match(home, run, models):
    """As of the maps, whose parts add up to the score."""
    m = qaconv_reid.load(run, device="cpu")
    files = [record.path for record in load_data(home / "market").gallery[:3]]
    maps = m.features(files)
    scores = m.match(maps, maps).scores
    for found, wanted in zip(
        m.correspondences(files[:2], maps[1:]), scores.diagonal(1).tolist(), strict=True
    ):
        assert found.score == pytest.approx(wanted, abs=1e-4)
    (plain,) = m.correspondences(files[0], files[1], base=0)
    (beside,) = m.correspondences(files[0], files[1], base=0.3)
    assert plain.score == pytest.approx(beside.score)
    assert plain.bias != pytest.approx(beside.bias)
