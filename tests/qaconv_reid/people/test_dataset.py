"""The data set of virtual people: the same from its seed, whole, resumable, readable."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from qaconv_reid import data, people
from qaconv_reid.ownership import owned
from qaconv_reid.people import MANIFEST, SIZES, PeopleError, Request, dataset, make
from qaconv_reid.people.files import name_of, person_of
from qaconv_reid.people.shot import look_of
from qaconv_reid.people.sizes import FAMILY
from qaconv_reid.people.walks import TEST, TRAIN, Person, sightings

TINY = SIZES["tiny"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "tiny"
    people.make(Request("tiny"), folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_processes_draw_the_same_bytes(tiny, tmp_path):
    people.make(Request("tiny"), tmp_path / "other", workers=2)
    assert contents(tmp_path / "other") == contents(tiny)


def test_another_seed_draws_other_people(tiny):
    ours, others = (look_of(seed, Person("plaza", 0)) for seed in (0, 1))
    assert (ours.top, ours.bottom) != (others.top, others.bottom)


def test_an_interrupted_run_goes_on(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "resumed"
    take, drawn = dataset.take, []

    def some(seed, sighting, families):
        if len(drawn) == 30:
            raise KeyboardInterrupt
        drawn.append(sighting)
        return take(seed, sighting, families)

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "take", some)
        with pytest.raises(KeyboardInterrupt):
            people.make(Request("tiny"), folder)
    assert not folder.exists()

    def counted(seed, sighting, families):
        drawn.append(sighting)
        return take(seed, sighting, families)

    monkeypatch.setattr(dataset, "take", counted)
    people.make(Request("tiny"), folder)
    assert len(drawn) == TINY.images
    assert contents(folder) == contents(tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["resumed"]


def test_what_is_there_is_not_drawn_again(tiny, monkeypatch):
    monkeypatch.setattr(dataset, "take", None)
    assert people.make(Request("tiny"), tiny)["images"] == {"plaza": 96, "station": 96}


def test_other_things_are_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(PeopleError, match="got something else in it"):
        people.make(Request("tiny"), tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_people_of_another_generation_are_named(tmp_path):
    (tmp_path / MANIFEST).write_text(json.dumps(Request("tiny").facts() | {"generation": 2}))
    with pytest.raises(PeopleError, match="got virtual people of generation 2, wanted of 3"):
        people.make(Request("tiny"), tmp_path)


@pytest.mark.parametrize(
    ("request_", "workers", "said"),
    [
        (Request("huge"), 1, "size: got 'huge', wanted one of tiny, small, base, large, study"),
        (Request("tiny", naming="duke"), 1, "naming: got 'duke', wanted one of market, randperson"),
        (Request("tiny", seed=-1), 1, "seed: got -1, wanted 0 or more"),
        (Request("tiny", train=5001), 1, "train: got 5001, wanted 0 to 5000"),
        (Request("tiny", visits=1), 1, "visits: got 1, wanted 2 to 8"),
        (Request("tiny", families=1.5), 1, "families: got 1.5, wanted 0 to 1"),
        (
            Request("tiny", domains=("plaza", "moon")),
            1,
            "domains: got 'moon', wanted each of plaza, station, campus, corridor at most once",
        ),
        (
            Request("tiny", train=0, test=0),
            1,
            "domains, train, test: got none, wanted at least one identity",
        ),
        (Request("tiny"), 0, "workers: got 0, wanted at least 1"),
    ],
)
def test_a_wrong_request_is_named(request_, workers, said, tmp_path):
    with pytest.raises(PeopleError) as caught:
        people.make(request_, tmp_path / "x", workers=workers)
    assert str(caught.value) == said
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "_BYTES", 10**15)
    with pytest.raises(PeopleError, match="GB of free disk, wanted"):
        people.make(Request("tiny"), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_every_domain_is_a_data_set_in_market_layout(tiny):
    for domain in TINY.domains:
        loaded = data.load(tiny / domain)
        assert loaded.layout == "market"
        persons = {part: {r.person for r in records} for part, records in loaded.parts.items()}
        assert len(persons["train"]) == TINY.train
        assert persons["query"] == persons["gallery"]
        assert len(persons["query"]) == TINY.test
        assert not persons["train"] & persons["query"]
        # Each query's person was seen by another camera too.
        seen = {(r.person, r.camera) for r in loaded.gallery}
        for record in loaded.query:
            assert any((record.person, c) in seen for c in range(1, 9) if c != record.camera)
        assert data.check(tiny / domain).ok


def test_randpersons_naming_is_read_as_randperson(tmp_path):
    people.make(Request("tiny", naming="randperson"), tmp_path / "r")
    loaded = data.load(tmp_path / "r")
    assert loaded.layout == "randperson"
    assert len(loaded.train) == TINY.images
    assert len({r.person for r in loaded.train}) == TINY.identities


def test_other_counts_than_the_sizes(tiny, tmp_path):
    asked = Request("tiny", domains=("station",), train=4, test=0, shots=1)
    folder = people.default_folder(asked)
    assert folder.name == "tiny-domains-station-train-4-test-0-shots-1"
    manifest = people.make(asked, tmp_path / "t")
    assert manifest["identities"] == 4
    assert manifest["images"] == {"station": 8}
    assert manifest["domains"] == {"station": {"train": 4, "test": 0, "cameras": 8}}
    assert len(data.load(tmp_path / "t" / "station").train) == 8
    # What was made of the same request is there already; of another it is not.
    assert people.make(asked, tmp_path / "t") == manifest
    with pytest.raises(PeopleError, match="got something else in it"):
        people.make(Request("tiny", domains=("station",), train=4, test=0), tmp_path / "t")


def test_without_families_nobody_has_look_alikes():
    for families, alike in ((0.0, 0), (1.0, 4)):
        looks = [look_of(0, Person("plaza", number), families) for number in range(FAMILY)]
        assert sum(look.bottom == looks[0].bottom for look in looks[1:]) == alike


def test_the_manifest_says_what_made_it(tiny):
    manifest = json.loads((tiny / people.MANIFEST).read_text())
    assert manifest["synthetic"] is True
    assert (manifest["size"], manifest["seed"], manifest["naming"]) == ("tiny", 0, "market")
    assert manifest["identities"] == 32


@pytest.mark.parametrize(
    ("name", "identities", "images"), [("tiny", 32, 192), ("large", 8000, 132_000)]
)
def test_sizes(name, identities, images):
    assert (SIZES[name].identities, SIZES[name].images) == (identities, images)


@pytest.mark.parametrize("part", [TRAIN, TEST])
def test_the_pictures_are_as_many_as_the_size_says(part):
    for size in (TINY, SIZES["small"]):
        units = [unit for d in size.domains for unit in sightings(0, size, d, part)]
        count = size.train if part == TRAIN else size.test
        assert sum(map(len, units)) == len(size.domains) * count * size.visits * size.shots


def test_people_walk_from_camera_to_camera_in_groups():
    size = SIZES["small"]
    together = 0
    for unit in sightings(0, size, "plaza", TRAIN):
        times = [s.sequence * 3600 * 25 + s.frame for s in unit]
        assert times == sorted(times)
        assert len({s.spot for s in unit}) == size.visits
        companions = Counter(p.person.number for s in unit for p in s.others)
        together += any(count == len(unit) for count in companions.values())
    # Those who walk in groups of two or three are in all of each other's images.
    assert together > 25


def test_families_share_what_a_histogram_sees():
    alike = 0
    for family in range(10):
        looks = [look_of(0, Person("plaza", family * FAMILY + i)) for i in range(FAMILY)]
        alike += len({look.bottom.colors for look in looks}) == 1
        patterns = {(look.top.pattern, look.bag, look.hair, look.hat) for look in looks}
        assert len(patterns) > 1
    assert 4 <= alike < 10


@pytest.mark.parametrize("domain", SIZES["small"].domains)
def test_who_pass_a_camera_together_pass_the_next_together(domain):
    """What temporal lifting builds on: of those within 100 s of each other at one camera, how many
    are so at another, against those that are so by chance.
    """
    first: dict[int, dict[int, float]] = {}
    for unit in sightings(0, SIZES["small"], domain, TEST):
        for s in unit:
            seen = first.setdefault(s.spot, {})
            seen.setdefault(s.subject.person.number, s.sequence * 3600 + s.frame / 25)
    near_before, near_after = [], []
    for before, after in itertools.permutations(first.values(), 2):
        for one, other in itertools.permutations(before.keys() & after.keys(), 2):
            near_before.append(abs(before[one] - before[other]) < 100)
            near_after.append(abs(after[one] - after[other]) < 100)
    by_chance = np.mean(near_after)
    given_the_first = np.mean(np.array(near_after)[near_before])
    assert sum(near_before) > 100
    assert by_chance < 0.1
    assert given_the_first > 0.8


def test_families_are_known_from_the_folder(tiny, tmp_path):
    """Those of the looks that were drawn; of other folders nothing is known."""
    plaza = people.Families.of(tiny / "plaza")
    assert plaza is not None
    for first in (1, 5001):
        pool = "plaza" if first == 1 else TEST
        for number in range(2 * FAMILY):
            begin = number // FAMILY * FAMILY
            looks = [look_of(0, Person(pool, begin + i)) for i in range(FAMILY)]
            alike = all(look.bottom == looks[0].bottom for look in looks)
            assert plaza.family(first + number) == (first + begin if alike else None)
    assert people.Families.of(tmp_path) is None
    (tmp_path / people.MANIFEST).write_text('{"size": "tiny", "generation": 0}')
    assert people.Families.of(tmp_path / "plaza") is None


def test_names_lead_back_to_their_persons():
    for unit in sightings(0, TINY, "plaza", TRAIN), sightings(0, TINY, "plaza", TEST):
        for sighting in next(iter(unit)):
            name = name_of(sighting, TINY, "market").name
            assert person_of(int(name[:4]), "plaza") == sighting.subject.person


def test_of_two_that_make_the_same_one_is_told_who_the_other_is(tmp_path):
    said = rf"here\.partial: process {os.getpid()} .* has it: "
    with owned(tmp_path / ".here.partial", "x"), pytest.raises(PeopleError, match=said):
        make(Request("tiny"), tmp_path / "here")
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys
from pathlib import Path
from qaconv_reid.people import Request, make
if __name__ == "__main__":
    make(Request("small"), Path(sys.argv[1]), workers=2)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are listed in /proc")
def test_nothing_lives_on_of_one_that_is_killed(tmp_path):
    (tmp_path / "make.py").write_text(SCRIPT)
    partial = tmp_path / ".here.partial"
    parent = subprocess.Popen([sys.executable, tmp_path / "make.py", tmp_path / "here"])
    try:
        _wait_for(lambda: any(partial.rglob("*.jpg")))
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        workers = [Path(f"/proc/{number}") for number in children.read_text().split()]
        assert len(workers) >= 2
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    _wait_for(lambda: all(map(_ended, workers)))
    dead = f"0001_c1s1_000000_00.jpg.{parent.pid}.tmp"
    (partial / dead).touch()
    drawn = next(partial.rglob("*.jpg"))
    before = drawn.stat().st_mtime_ns
    # The next one goes on with what is there, and sweeps.
    facts = Request("small").facts()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qaconv_reid.people.dataset._draw", _stop)
        with pytest.raises(KeyboardInterrupt):
            make(Request("small"), tmp_path / "here")
    assert json.loads((partial / MANIFEST).read_text()) == facts
    assert drawn.stat().st_mtime_ns == before
    assert not (partial / dead).exists()


def _stop(*arguments):
    raise KeyboardInterrupt


def _wait_for(what):
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def _ended(process):
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(
    ("name", "said"),
    [("n" * 300, "cannot be made: File name too long"), ("file/here", "cannot be made: Not a dir")],
)
def test_a_place_where_no_folder_can_be(tmp_path, name, said):
    (tmp_path / "file").touch()
    with pytest.raises(PeopleError, match=said):
        make(Request("tiny"), tmp_path / name)
    with pytest.raises(PeopleError, match="got the root, wanted a folder to be made"):
        make(Request("tiny"), Path("/"))


def test_the_family_of_whoever_is_in_an_image(tiny, tmp_path, monkeypatch):
    kin, plaza = people.Kin(), people.Families.of(tiny / "plaza")
    image = tiny / "plaza" / "bounding_box_train" / "0001_c1s1_000001_00.jpg"
    assert kin.knows(image)
    for number in (1, 2, 5001):
        family = plaza.family(number)
        wanted = None if family is None else (tiny / "plaza", family)
        assert kin.family(image, number) == wanted
    monkeypatch.chdir(tmp_path)
    for stranger in (Path("a.jpg"), Path("/a.jpg"), tmp_path / "x" / "y" / "a.jpg"):
        assert not kin.knows(stranger)
        assert kin.family(stranger, 1) is None
