"""``qaconv report``: one page that holds all of a run, and asks for nothing from elsewhere."""

from __future__ import annotations

import csv
import json
import re
import sys
from html.parser import HTMLParser

import pytest

from qaconv_reid import cli
from qaconv_reid.build import build_models
from qaconv_reid.config import load
from qaconv_reid.recipes.runs import RunFolder
from qaconv_reid.text import printable
from qaconv_reid.training import checkpoint
from support.browser import measure_in_browser
from support.images import draw_person

torch = pytest.importorskip("torch")
pytest.importorskip("jinja2")

PERSONS = 6
#: A name that would break a page which took it for HTML, and turn its lines around.
NAME = "<b onload='x'>&\"set\u202e\x1b[31m\n"
VOID = {"meta", "img", "br", "line", "circle", "rect", "polyline"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A CSV data set of drawn persons, all its files with unkind names."""
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


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(made, width, tmp_path):
    """What is wide scrolls in its own frame; every picture is drawn."""
    found = measure_in_browser(
        made[0],
        """({
            width: document.documentElement.scrollWidth,
            scrollers: [...document.querySelectorAll(".scroll, .list")]
                .filter(part => part.scrollWidth > part.clientWidth).length,
            pictures: [...document.querySelectorAll("img")]
                .filter(image => image.getBoundingClientRect().width > 30).length,
            size: getComputedStyle(document.body).fontSize,
        })""",
        width=width,
        folder=tmp_path,
    )
    assert found["width"] <= width
    assert found["scrollers"] > 0 or width > 360
    assert found["pictures"] == len(Page(made[0]).of("img"))
    assert found["size"] == "16px"


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
    for name in [*sys.modules]:
        if name.startswith("qaconv_reid.re") and ("html" in name or name.endswith("s.report")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert cli.main(["report", str(run_folder)]) == cli.USER_ERROR
    said = capsys.readouterr().err
    assert said == "qaconv: error: this needs jinja2: pip install 'qaconv-ext[report]'\n"
