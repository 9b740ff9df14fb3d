"""Test sets of one name."""

import shutil

import pytest
from PIL import Image

from qaconv_reid import data
from qaconv_reid.config import DataConfig, load
from qaconv_reid.data import DataError, check
from qaconv_reid.recipes.datasets import load_test_sets, load_training_images, training_records
from support.images import corrupt, draw_person, write_person_folders


@pytest.fixture
def make(tmp_path):
    """A data set at a place below an empty folder."""

    def build(place):
        for part, camera in (("query", 1), ("bounding_box_test", 2), ("bounding_box_train", 1)):
            folder = tmp_path / place / part
            folder.mkdir(parents=True)
            Image.new("RGB", (8, 16)).save(folder / f"0001_c{camera}s1_000001_00.png")
        return str(tmp_path / place)

    return build


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (("plaza", "mall"), ["plaza", "mall"]),
        (("one/plaza", "two/plaza"), ["plaza (one)", "plaza (two)"]),
        (("one/x/plaza", "two/x/plaza", "mall"), ["plaza (one)", "plaza (two)", "mall"]),
        (
            ("one/x/plaza", "two/x/plaza", "two/y/plaza"),
            ["plaza (1)", "plaza (2)", "plaza (3)"],
        ),
    ],
)
def test_test_sets_of_one_name_are_told_apart(make, places, names):
    datasets = load_test_sets([make(place) for place in places])
    assert [dataset.name for dataset in datasets] == names


def test_the_same_set_twice_is_refused(make, tmp_path):
    place = make("plaza")
    (tmp_path / "other").symlink_to(place)
    with pytest.raises(
        DataError, match=r"data\.test: got .*other twice, wanted each data set once"
    ):
        load_test_sets([place, str(tmp_path / "other")])


def settings(*overrides, **data):
    return load(
        "tiny",
        ["sampler.batch_size=4", "sampler.num_instances=2", *overrides],
    ).model_copy(update={"data": DataConfig(**data)})


def test_a_training_set_that_is_named_twice_is_refused(tmp_path):
    write_person_folders(tmp_path / "a", 4, 2, height=16, width=8)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(
        DataError, match=r"data\.train: got .*link twice, wanted each data set once"
    ):
        load_training_images(settings(train=(str(tmp_path / "a"), str(tmp_path / "link"))))


@pytest.mark.parametrize(
    ("how", "wanted"),
    [("data.balanced", "at least 4, its part"), ("sampler.one_set", "at least 7, for batches")],
)
def test_a_set_too_small_for_its_part_of_the_batches_is_named(tmp_path, how, wanted):
    write_person_folders(tmp_path / "many", 7, 2, height=16, width=8)
    write_person_folders(tmp_path / "few", 3, 2, height=24, width=8)
    config = load(
        "people",
        [
            f'data.train=["{tmp_path}/many", "{tmp_path}/few"]',
            "sampler.num_instances=2",
            "sampler.batch_size=14",
            "sampler.one_set=false",
            f"{how}=true",
        ],
    )
    with pytest.raises(DataError, match=rf"got 3 identities in .*/few, wanted {wanted}.*{how}"):
        load_training_images(config)


def test_a_copy_of_a_training_set_is_refused_where_it_would_be_other_persons(tmp_path):
    write_person_folders(tmp_path / "a", 4, 2, height=16, width=8)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    train = (str(tmp_path / "a"), str(tmp_path / "b"))
    with pytest.raises(DataError, match=r"/a: 8 of 8 images, or their bytes, stand under another"):
        load_training_images(settings(train=train))
    images, _ = load_training_images(settings(train=train, persons="joined"))
    assert images.classes == 4


def test_a_few_images_under_two_persons_are_said(tmp_path):
    write_person_folders(tmp_path / "a", 4, 2, height=16, width=8)
    shutil.copy(tmp_path / "a/0001/000.png", tmp_path / "a/0002/copy.png")
    told = []
    load_training_images(settings(train=(str(tmp_path / "a"),)), notice=told.append)
    (line,) = told
    assert line.startswith("note: 2 images, or their bytes, stand under two identities: '000.png'")


def test_check_and_training_have_one_rule_for_persons_of_one_image(tmp_path):
    write_person_folders(tmp_path / "a", 4, 1, height=16, width=8)
    said = check(tmp_path / "a").problems[0]
    with pytest.raises(DataError, match=said):
        load_training_images(settings(train=(str(tmp_path / "a"),)))
    shutil.copy(tmp_path / "a/0002/000.png", tmp_path / "a/0001/other.png")
    draw_person(9).save(tmp_path / "a/0001/other.png")
    told = []
    load_training_images(settings(train=(str(tmp_path / "a"),)), notice=told.append)
    line = "3 of 4 training identities have one image only: no positive pair"
    assert told == [f"note: {line}"]
    assert line in check(tmp_path / "a").hints


def test_broken_training_images_are_refused_or_said(tmp_path):
    write_person_folders(tmp_path / "a", 5, 2, height=16, width=8)
    for name in ("0001/000.png", "0005/000.png", "0005/001.png"):
        (tmp_path / "a" / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"train: 3 of 10 images cannot be read: '.*0001/000\.png"):
        load_training_images(settings(train=(str(tmp_path / "a"),)))
    told = []
    images, _ = load_training_images(
        settings(train=(str(tmp_path / "a"),), broken="skip"), notice=told.append
    )
    # A person keeps its broken images: others take their places. Without any there is no person.
    assert (images.classes, len(images.records)) == (4, 8)
    assert told[0].startswith("a: 3 of 10 training images cannot be read ('")
    assert (
        "the next image of the identity takes the place of each; 1 identities without any"
        in told[0]
    )


def test_broken_images_of_what_is_held_back_are_left_out(tmp_path):
    write_person_folders(tmp_path / "a", 6, 4, height=64, width=32)
    for person in range(1, 7):
        corrupt(tmp_path / f"a/{person:04d}/002.png")
    told = []
    _, validation = load_training_images(
        settings(train=(str(tmp_path / "a"),), broken="skip", validation=0.4), notice=told.append
    )
    assert [len(validation.query), len(validation.gallery)] == [2, 4]
    assert "validation: 2 of 6 gallery images cannot be read: left out (data.broken=skip)" in told


def test_broken_test_images_are_refused_or_left_out(make, tmp_path):
    place = make("plaza")
    draw_person(1).save(tmp_path / "plaza/query/0001_c1s1_000002_00.png")
    corrupt(tmp_path / "plaza/query/0001_c1s1_000002_00.png")
    with pytest.raises(DataError, match="query: 1 of 2 images cannot be read"):
        load_test_sets([place])
    (dataset,) = load_test_sets([place], settings=DataConfig(broken="skip"))
    assert len(dataset.query) == 1
    assert "1 of 2 query images cannot be read: left out (data.broken=skip)" in dataset.notes


def test_what_makes_results_too_good_stands_in_the_notes_of_a_set(make, tmp_path):
    place = make("plaza")  # its images are all alike
    trained = data.load(place).train
    (dataset,) = load_test_sets([place], trained=trained)
    assert "1 queries have their own file, or its bytes, in the gallery" in dataset.notes
    assert "2 of 2 test images, or their bytes, are training images" in dataset.notes


def test_the_pattern_reads_all_sets_without_a_layout(make, tmp_path):
    place = make("market")
    for part, camera in (("query", 1), ("test", 2)):
        folder = tmp_path / "veri" / f"image_{part}"
        folder.mkdir(parents=True)
        draw_person(3, camera).save(folder / f"0003_c{camera:03d}_1_0.png")
    how = DataConfig(pattern=r"(?P<pid>\d+)_c(?P<cam>\d+)_")
    datasets = load_test_sets([str(tmp_path / "veri"), f"market:{place}"], settings=how)
    assert [dataset.layout for dataset in datasets] == ["pattern", "market"]


def test_training_sets_that_are_gone_are_no_error(make, tmp_path):
    train = (make("plaza"), str(tmp_path / "gone"))
    assert len(training_records(DataConfig(train=train))) == 1


def test_training_sets_are_read_again_as_they_were_trained_on(make, tmp_path):
    """By the pattern, with query and gallery too; of one that is gone, all or none."""
    folder = tmp_path / "veri" / "image_train"
    folder.mkdir(parents=True)
    draw_person(3, 1).save(folder / "0003_c001_1_0.png")
    how = DataConfig(
        train=(str(tmp_path / "veri"), f"market:{make('plaza')}"),
        pattern=r"(?P<pid>\d+)_c(?P<cam>\d+)_",
    )
    assert len(training_records(how)) == 2
    everything = how.model_copy(update={"combine_all": True})
    assert len(training_records(everything, all_or_none=True)) > 2
    gone = how.model_copy(update={"train": (*how.train, str(tmp_path / "gone"))})
    assert len(training_records(gone)) == 2
    assert training_records(gone, all_or_none=True) == ()
