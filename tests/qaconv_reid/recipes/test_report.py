"""``qaconv report``: one page that holds all of a run, and asks for nothing from elsewhere."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qaconv_reid import cli
from qaconv_reid.build import build_models
from qaconv_reid.config import load
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.text import printable
from qaconv_reid.training import checkpoint
from support.browser import (
    hard_to_read,
    tabbed_through,
    wider_than_the_screen,
    without_words,
)
from support.images import draw_person, write_person_folders
from support.scripts import load_script

torch = pytest.importorskip("torch")
pytest.importorskip("jinja2")

PERSONS = 6
#: A name that would break a page which took it for HTML, and turn its lines around.
NAME = "<b onload='x'>&\"set\u202e\x1b[31m\n"
VOID = {"meta", "img", "br", "line", "circle", "rect", "polyline"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A CSV data set of drawn people, all its files with unkind names."""
    root = tmp_path_factory.mktemp("data")
    rows = [("path", "person", "camera", "split")]
    for person in range(PERSONS):
        for camera in range(3):
            name = f"{NAME} {person}_{camera}.png"
            draw_person(person, camera).save(root / name)
            rows.append((name, person, camera, "query" if camera == 0 else "gallery"))
    with (root / f"{NAME}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root / f"{NAME}.csv"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, data):
    """A run as a training would leave it: settings, log, checkpoint."""
    output = tmp_path_factory.mktemp("runs")
    small = ["model.height=64", "model.width=32", "name=small", f"output={output}"]
    config = load("tiny", [*small, "loss.kind=pairwise"])
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"test": (str(data),)})}
    )
    folder = RunFolder(config.directory)
    folder.write_config(config)
    torch.manual_seed(0)
    network, matcher = build_models(config, torch.device("cpu"), pretrained=False)
    state = {"network": network.state_dict(), "matcher": matcher.state_dict(), "epoch": 3}
    checkpoint.save(folder.checkpoint, state)
    record = {"loss": 2.5, "accuracy": 0.5, "gap": -1.25, "scale": 1.0}
    times = {"seconds": 10.0, "input_seconds": 1.0, "network_seconds": 7.0}
    lines = [{"epoch": epoch, **record, **times} for epoch in (1, 2, 3)]
    lines[1]["gap"] = "nan"
    folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert cli.main(["evaluate", str(folder.path)]) == 0
    return folder.path


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self._open = [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, text):
        self.words.append(text)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def made(run_folder, tmp_path_factory):
    """The page and its numbers."""
    file = tmp_path_factory.mktemp("json") / "report.json"
    assert cli.main(["report", str(run_folder), "--json", str(file)]) == 0
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    return text, json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def trained_on(run_folder, data, tmp_path_factory):
    """The page of the same run, calibrated, with its training set and an earlier evaluation."""
    folder = tmp_path_factory.mktemp("trained") / "small"
    shutil.copytree(run_folder, folder)
    training = folder.parent / "persons"
    write_person_folders(training, PERSONS, 2)
    for number, path in enumerate(sorted(training.iterdir())):
        path.rename(training / str(number))
    config = load(folder, [f'data.train=["folder:{training}"]', f"output={folder.parent}"])
    RunFolder(folder).write_config(config)
    assert cli.main(["calibrate", str(folder), "--data", str(data), "--device", "cpu"]) == 0
    (entry,) = json.loads((run_folder / "evaluation.json").read_text())
    before = folder.parent / "before.json"
    before.write_text(json.dumps({"epochs": None, "results": [{**entry, "rank1": 0.125}]}))
    numbers = folder.parent / "report.json"
    options = ("--before", str(before), "--json", str(numbers))
    assert cli.main(["report", str(folder), *options]) == 0
    return (folder / "report.html").read_text(encoding="utf-8"), json.loads(numbers.read_text())


def test_the_page_asks_for_nothing_from_elsewhere(made):
    text, _ = made
    page = Page(text)
    assert len(text.encode()) < 5e6
    assert page.of("script") == []
    assert page.of("link") == []
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert attributes.get("src", "data:").startswith("data:image/jpeg;base64,") or tag != "img"
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    (policy,) = [a["content"] for a in page.of("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'")


def test_names_of_files_are_text(made):
    text, data = made
    assert "<b onload" not in text
    (search,) = data["searches"]
    assert search["dataset"] == printable(NAME)
    assert not set("\u202e\x1b") & set(text)
    words = "".join(Page(text).words)
    assert printable(NAME) in words
    assert search["pairs"][0]["probe"].startswith(NAME)
    assert printable(search["pairs"][0]["probe"]) in words


def test_neighbors_of_classes(trained_on):
    """By one image of each class: the nearest are those that the matcher scores highest."""
    text, data = trained_on
    graph = data["graph"]
    assert (graph["classes"], graph["looked_at"], graph["neighbors"]) == (PERSONS, PERSONS, 5)
    assert graph["families"] is None  # of these nobody knows
    assert 1 <= len(graph["shown"]) <= 6
    best = [hood["neighbors"][0]["score"] for hood in graph["shown"]]
    assert best == sorted(best, reverse=True)
    for hood in graph["shown"]:
        scores = [other["score"] for other in hood["neighbors"]]
        assert scores == sorted(scores, reverse=True)
        people = {hood["class"]["person"], *(other["person"] for other in hood["neighbors"])}
        assert people == set(range(PERSONS))
    assert "Who is alike to the matcher" in text


def test_a_calibration_is_held_to_the_pairs(trained_on, run_folder):
    text, data = trained_on
    assert data["calibration"] == {"same": 12, "different": 60}
    (search,) = data["searches"]
    found = search["reliability"]
    # The data set that it was fitted on: 6 queries, 12 images in the gallery.
    assert (found["same"], found["different"]) == (12, 60)
    assert sum(row["same"] for row in found["bins"]) == 12
    assert sum(row["different"] for row in found["bins"]) == 60
    assert 0 <= found["error"] < 0.5
    assert "Do the probabilities hold?" in text


def test_before_and_after_stand_in_one_table(trained_on, run_folder):
    text, data = trained_on
    (row,) = data["before"]["rows"]
    (entry,) = json.loads((run_folder / "evaluation.json").read_text())
    assert data["before"]["what"] == "untrained"
    assert row["after"]["mAP"] == entry["mAP"]
    assert row["before"]["rank1"] == 0.125
    assert "12.5</td>" in text
    low, high = entry["mAP_interval"]
    assert f"{100 * low:.1f}–{100 * high:.1f}" in text


def test_it_can_be_read_without_seeing_and_without_a_mouse(made):
    page = Page(made[0])
    images = page.of("img")
    assert len(images) > PERSONS
    assert all(image["alt"] for image in images)
    assert all(a["aria-label"] for a in page.of("svg") if a.get("role") == "img")
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert {a["href"].removeprefix("#") for a in page.of("a")} <= ids
    scrollers = [a for _, a in page.elements if a.get("class") in ("scroll", "list")]
    assert scrollers
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrollers)
    (html,) = page.of("html")
    assert html["lang"] == "en"
    assert "prefers-color-scheme: dark" in made[0]
    assert "@media print" in made[0]


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_is_read_in_a_browser(made, run_folder, open_page, width, dark):
    """What is wide scrolls in its own frame; every picture is drawn, every text is legible."""
    page = open_page((run_folder / "report.html").as_uri(), width=width, dark=dark)
    assert wider_than_the_screen(page) == []
    assert hard_to_read(page) == []
    assert without_words(page) == []
    scrollers = page.locator(".scroll, .list").evaluate_all(
        "parts => parts.filter(part => part.scrollWidth > part.clientWidth).length"
    )
    assert scrollers > 0 or width > 360
    drawn = page.locator("img").evaluate_all(
        "images => images.filter(image => image.getBoundingClientRect().width > 30).length"
    )
    assert drawn == len(Page(made[0]).of("img"))
    assert page.evaluate("getComputedStyle(document.body).fontSize") == "16px"


@pytest.mark.browser
def test_the_keyboard_reaches_all_of_it(made, run_folder, open_page):
    page = open_page((run_folder / "report.html").as_uri(), width=360)
    reached = tabbed_through(page)
    assert reached[0] == "Skip to the results"
    wide = page.locator(".scroll, .list").evaluate_all(
        "parts => parts.filter(p => p.checkVisibility() && !p.dataset.tabbed).length"
    )
    assert wide == 0
    page.locator(".list").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".list").first.evaluate(
        """(list) => new Promise((done) => {
            let left = 200;  // frames
            const look = () => (list.scrollLeft > 0 || !left-- ? done(left > 0)
                : requestAnimationFrame(look));
            look();
        })"""
    )


def test_the_numbers_are_those_of_the_run(made, run_folder):
    text, data = made
    (entry,) = json.loads((run_folder / "evaluation.json").read_text())
    assert data["evaluation"] == [entry]
    (search,) = data["searches"]
    assert search["mAP"] == pytest.approx(entry["mAP"])
    assert search["cmc"][0] == pytest.approx(entry["rank1"])
    assert f"<b>{100 * entry['mAP']:.1f}</b>" in text
    assert data["run"]["epochs"] == 3
    assert data["run"]["seconds"] == 30
    assert search["has_probability"]
    for pair in search["pairs"]:
        parts = pair["probe_part"] + pair["gallery_part"] + pair["bias"]
        assert pair["score"] == pytest.approx(parts)
        assert f"score {pair['score']:.2f}" in text
    precisions = [ranked["average_precision"] for ranked in search["lists"]]
    assert precisions == sorted(precisions)
    changed = {row["key"] for row in data["settings"] if row["changed"]}
    assert {"model.height", "loss.kind"} <= changed
    assert data["provenance"]["torch"] == torch.__version__


def test_without_images_none_is_read(run_folder, tmp_path, monkeypatch):
    from qaconv_reid.recipes import report as recipe

    monkeypatch.setattr(recipe, "restore_run", None)
    out, numbers = tmp_path / "a.html", tmp_path / "a.json"
    argv = ("--no-images", "--out", str(out), "--json", str(numbers))
    assert cli.main(["report", str(run_folder), *argv]) == 0
    assert json.loads(numbers.read_text())["searches"] == []
    page = Page(out.read_text(encoding="utf-8"))
    assert page.of("img") == []
    assert len(page.of("svg")) >= 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json"]


def test_a_data_set_that_is_not_there_is_told(run_folder, tmp_path):
    out = tmp_path / "a.html"
    assert cli.main(["report", str(run_folder), "--data", "/no/<where>", "--out", str(out)]) == 0
    assert "/no/&lt;where&gt;: there is no such file" in out.read_text(encoding="utf-8")


def test_one_epoch_is_told_in_numbers(run_folder, tmp_path):
    """A curve of one point says less than the number."""
    run = tmp_path / "one"
    run.mkdir()
    (run / "config.toml").write_text((run_folder / "config.toml").read_text())
    lines = (run_folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text(lines[0])
    assert cli.main(["report", str(run), "--no-images"]) == 0
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "<b>2.5</b>" in text
    assert "<polyline" not in text


def test_a_run_that_has_not_finished_an_epoch(run_folder, tmp_path):
    young = tmp_path / "young"
    young.mkdir()
    (young / "config.toml").write_text((run_folder / "config.toml").read_text())
    assert cli.main(["report", str(young), "--no-images"]) == 0
    words = "".join(Page((young / "report.html").read_text(encoding="utf-8")).words)
    assert re.search(r"has not been evaluated yet", words)


def test_mistakes_are_said_at_once(run_folder, tmp_path, capsys, monkeypatch):
    assert cli.main(["report", "tiny", "name=never"]) == cli.USER_ERROR
    assert "there is no run in this folder" in capsys.readouterr().err
    bad = tmp_path / "no" / "a.html"
    assert cli.main(["report", str(run_folder), "--out", str(bad)]) == cli.USER_ERROR
    assert f"--out: got {bad}, wanted a file in a folder" in capsys.readouterr().err
    for content in ("no JSON", '{"results": [{"dataset": "a"}]}'):
        (tmp_path / "b.json").write_text(content)
        argv = ["report", str(run_folder), "--before", str(tmp_path / "b.json")]
        assert cli.main(argv) == cli.USER_ERROR
        assert "wanted a file that qaconv evaluate --json wrote" in capsys.readouterr().err
    for name in [*sys.modules]:
        if name.startswith("qaconv_reid.re") and ("html" in name or name.endswith("s.report")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert cli.main(["report", str(run_folder)]) == cli.USER_ERROR
    said = capsys.readouterr().err
    assert said == "qaconv: error: this needs jinja2: pip install 'qaconv-ext[report]'\n"


@pytest.mark.browser
def test_the_screenshots_of_the_docs_are_taken(made, run_folder, chromium):
    root = Path(__file__).resolve().parents[3]
    script = load_script(root / "benchmarks" / "screenshots.py")
    images = script.of_report(chromium, run_folder / "report.html", None)
    assert all((root / "docs" / "images" / name).is_file() for name in images)
    widths = {name: image.width for name, image in images.items()}
    assert widths["report.jpg"] > widths["report_graph.jpg"] > 900
    assert all(len(image.getcolors(10**6)) > 50 for image in images.values())
