import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from qaconv_reid.data import LAYOUTS, Record, ReidDataset, check, check_dataset, render
from qaconv_reid.data.counts import compare, is_published
from support.images import save_images, write_market, write_person_folders

# Published counts, as read in the papers and the data sets' own read-me files.
PUBLISHED = {
    "market": ["train 751 12936", "query 750 3368", "gallery 750 15913"],
    "cuhk03-np": ["train 767 7368", "query 700 1400", "gallery 700 5328"],
    "duke": ["train 702 16522", "query 702 2228", "gallery 1110 17661"],
    "msmt17": ["train 1041 32621", "query 3060 11659", "gallery 3060 82161", "all 4101 126441"],
}


def synthetic(layout: str, counts: dict[str, tuple[int, int]]) -> ReidDataset:
    """As many records as asked for, with no files behind them."""
    first = {"train": 5000, "query": 10000, "gallery": 10000}
    parts = {
        part: tuple(Record(Path("x.jpg"), first[part] + i % persons, 1) for i in range(images))
        for part, (persons, images) in counts.items()
    }
    empty = ReidDataset("x", layout, Path("."), (), (), ())
    return replace(empty, **parts)


@pytest.mark.parametrize("layout", PUBLISHED)
def test_the_published_counts_are_ok(layout):
    counts = {}
    for line in PUBLISHED[layout]:
        part, persons, images = line.split()
        counts[part] = int(persons), int(images)
    counts.pop("all", None)
    dataset = synthetic(layout, counts)
    _, rows = compare(dataset, LAYOUTS[layout])
    assert is_published(dataset, LAYOUTS[layout])
    assert [f"{r.part} {r.identities} {r.images}" for r in rows] == PUBLISHED[layout]
    assert {row.state for row in rows} == {"ok"}


def test_the_edition_that_fits_best_is_compared_with():
    detected = {"train": (767, 7365), "query": (700, 1400), "gallery": (700, 5332)}
    assert compare(synthetic("cuhk03-np", detected), LAYOUTS["cuhk03-np"])[0] == "detected"
    labeled = {**detected, "gallery": (700, 5328), "train": (767, 7368)}
    assert compare(synthetic("cuhk03-np", labeled), LAYOUTS["cuhk03-np"])[0] == "labeled"


def test_a_count_that_is_not_published_is_not_compared():
    dataset = synthetic("clonedperson", {"train": (4826, 5000)})
    _, rows = compare(dataset, LAYOUTS["clonedperson"])
    assert [(row.part, row.state) for row in rows] == [
        ("train", "ok"),
        ("query", "empty"),
        ("gallery", "empty"),
        ("all", "differs"),
    ]


def test_ones_own_market_folder_is_usable_with_a_warning(tmp_path):
    write_market(tmp_path, 2, 3, height=16, width=8)
    report = check(tmp_path)
    assert report.ok
    assert [(row.part, row.identities, row.images, row.cameras) for row in report.rows] == [
        ("train", 2, 12, 3),
        ("query", 3, 9, 3),
        ("gallery", 3, 9, 3),
    ]
    assert {row.state for row in report.rows} == {"differs"}
    assert report.rows[0].official_images == 12936
    assert "train, query, gallery differ from the published ones of Market-1501" in report.hints[0]


def test_distractors_are_no_persons(tmp_path):
    write_market(tmp_path, 2, 3, height=16, width=8)
    save_images(tmp_path / "bounding_box_test", ["0000_c1s1_000001_01.jpg"])
    report = check(tmp_path)
    assert (report.rows[2].identities, report.rows[2].images) == (3, 10)
    assert "1 gallery images are distractors (pid 0)" in report.hints


def test_nothing_is_compared_where_nothing_is_published(tmp_path):
    write_person_folders(tmp_path, 3, 1, height=16, width=8)
    report = check(tmp_path)
    assert [row.state for row in report.rows] == ["unknown", "empty", "empty"]
    assert not any("differ" in hint for hint in report.hints)
    assert any("cannot be evaluated" in h or "not evaluated on" in h for h in report.hints)
    assert "3 of 3 training identities have one image only: no positive pair" in report.hints


def test_broken_images_are_a_problem(tmp_path):
    write_market(tmp_path, 2, 3, height=16, width=8)
    image = next((tmp_path / "query").iterdir())
    image.write_bytes(image.read_bytes()[:200])
    report = check(tmp_path)
    assert not report.ok
    assert report.problems[0].startswith("query: 1 of 9 images cannot be read")
    assert image.name in report.problems[0]


def test_first_and_last_of_many_images_are_opened(tmp_path):
    write_person_folders(tmp_path, 30, 2, height=16, width=8)
    for name in ("0001/000.png", "0030/001.png"):
        (tmp_path / name).write_bytes(b"")
    assert "2 of 60 images cannot be read" in check(tmp_path).problems[0]


def test_queries_without_a_gallery_are_a_problem(tmp_path):
    save_images(tmp_path, ["query/ann/1.jpg", "train/bob/1.jpg"])
    assert check(tmp_path).problems == (
        "there are query images but no gallery images: nothing can be evaluated",
    )


def test_queries_that_nobody_in_the_gallery_answers(tmp_path):
    records = {
        "query": (Record(tmp_path, 1, 1), Record(tmp_path, 2, 1), Record(tmp_path, 3, None)),
        "gallery": (Record(tmp_path, 1, 1), Record(tmp_path, 2, 2), Record(tmp_path, 3, 1)),
    }
    dataset = replace(ReidDataset("x", "csv", tmp_path, (), (), ()), **records)
    hint = "1 of 3 queries have no match in the gallery from another camera: they are not counted"
    assert hint in check_dataset(dataset).hints


def test_the_report_on_a_terminal(tmp_path):
    write_market(tmp_path / "[a]", 2, 3, height=16, width=8)
    (tmp_path / "[a]/query/0003_c1s1_000300_01.jpg").write_bytes(b"")
    console = Console(file=io.StringIO(), width=300)
    console.print(render(check(tmp_path / "[a]")))
    text = console.file.getvalue()
    assert "[a] (layout market)" in text
    assert "12,936" in text
    assert "problem: query: 1 of 9 images cannot be read" in text
    assert "ready to use" not in text


@pytest.mark.parametrize(
    ("layout", "counts", "published"),
    [
        ("market", {"train": (751, 12936)}, False),
        ("market", {"train": (751, 12936), "query": (750, 3368), "gallery": (750, 99)}, False),
        ("market", {"query": (750, 3368), "gallery": (750, 15913)}, True),
        ("market", {"train": (9, 99), "query": (750, 3368), "gallery": (750, 15913)}, True),
        ("msmt17", {"train": (1041, 32621), "query": (3060, 11659)}, False),
        ("randperson", {"train": (8000, 132145)}, True),
        ("randperson", {"train": (8000, 132144)}, False),
        ("clonedperson", {"train": (4826, 5000)}, False),
        ("folder", {"train": (3, 9)}, True),  # it has no published name
    ],
)
def test_a_published_name_wants_whole_query_and_gallery(layout, counts, published):
    assert is_published(synthetic(layout, counts), LAYOUTS[layout]) == published


def test_an_edition_is_named_only_where_counts_or_the_folder_speak_for_it(tmp_path):
    # Six digits and cameras to 15: somebody's own, in names that CUHK03-NP's fit.
    for part in ("query", "bounding_box_test", "bounding_box_train"):
        save_images(tmp_path / "mine" / part, ["000102_c12_0034.jpg", "000102_c3_0035.jpg"])
    report = check(tmp_path / "mine")
    assert report.name == "mine"
    assert {row.official_images for row in report.rows} == {None}
    assert (
        "the names are those of cuhk03-np, the counts those of none of its published editions "
        "(detected, labeled)"
    ) in report.hints
    assert not any("differ from the published" in hint for hint in report.hints)
    (tmp_path / "mine").rename(tmp_path / "cuhk03_labeled")
    hints = check(tmp_path / "cuhk03_labeled").hints
    assert any("differ from the published ones of labeled" in hint for hint in hints)
