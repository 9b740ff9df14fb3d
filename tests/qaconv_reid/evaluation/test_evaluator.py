from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import distributed, nn
from torch.nn.functional import avg_pool2d, normalize

from qaconv_ext.qaconv import QAConv
from qaconv_reid.data import Record, ReidDataset, Views
from qaconv_reid.evaluation import Measures, evaluate, extract, score_blocks
from qaconv_reid.ranks import Ranks
from support.processes import in_processes

HEIGHT, WIDTH = 16, 8
COLORS = {1: (220, 30, 30), 2: (30, 220, 30), 3: (30, 30, 220), 4: (200, 200, 20)}


class ColorNetwork(nn.Module):
    """Mean colors of 4 × 4 fields, normalized: people here differ in nothing else."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.9)  # wrecks everything unless evaluation mode is on

    def forward(self, images):
        return normalize(avg_pool2d(self.dropout(images), 4), dim=1)


class MeanCorrelation(nn.Module):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.9)
        self.blocks = []

    def forward(self, probe, gallery):
        self.blocks.append((len(probe), len(gallery)))
        places = probe.shape[2] * probe.shape[3]
        return self.dropout(torch.einsum("pchw,gchw->pg", probe.float(), gallery.float())) / places


@pytest.fixture
def make(tmp_path):
    """A data set of plain colored images from lists of (person, camera)."""

    def record(part, number, person, camera):
        path = tmp_path / f"{part}_{number}.png"
        Image.new("RGB", (WIDTH, HEIGHT), COLORS[person]).save(path)
        return Record(path=path, person=person, camera=camera, time=float(number))

    def build(query, gallery, notes=()):
        parts = {
            name: tuple(record(name, n, *who) for n, who in enumerate(listed))
            for name, listed in (("query", query), ("gallery", gallery))
        }
        return ReidDataset(
            name="colors", layout="folder", root=tmp_path, train=(), notes=notes, **parts
        )

    return build


QUERY = [(1, 1), (2, 1), (3, 2)]
GALLERY = [(4, 1), (3, 1), (2, 2), (1, 2), (1, 1), (2, 3), (4, 2)]


def run(dataset, **options):
    network, matcher = ColorNetwork(), MeanCorrelation()
    result = evaluate(network, matcher, dataset, HEIGHT, WIDTH, **options)
    assert network.training
    assert network.dropout.training
    assert matcher.dropout.training
    return result, matcher


def test_persons_of_their_own_color_are_all_found(make):
    result, _ = run(make(QUERY, GALLERY, notes=("a note",)))
    assert (result.rank1, result.rank5, result.rank10, result.mAP, result.mINP) == (1, 1, 1, 1, 1)
    assert (result.ranking.queries, result.ranking.counted, result.gallery) == (3, 3, 7)
    assert result.ranking.left_out == 1
    assert result.notes == ("a note",)
    assert result.feature_seconds > 0
    assert result.matching_seconds > 0
    assert result.as_dict()["mAP"] == 1
    assert result.as_dict()["queries_counted"] == 3


def test_block_sizes_change_nothing_and_bound_the_matchers_work(make):
    dataset = make(QUERY, GALLERY)
    whole, _ = run(dataset)
    blocked, matcher = run(dataset, query_block=2, gallery_block=3, batch=2)
    assert blocked.ranking.average_precision.tolist() == whole.ranking.average_precision.tolist()
    # After one rehearsal: two blocks of queries, each with three of the gallery.
    assert matcher.blocks == [(1, 1), (2, 3), (2, 3), (2, 1), (1, 3), (1, 3), (1, 1)]


def divided(dataset):
    ranks = Ranks(distributed.get_rank(), distributed.get_world_size())
    result, matcher = run(dataset, query_block=1, gallery_block=3, batch=2, ranks=ranks)
    return result.ranking.average_precision.tolist(), result.as_dict()["mAP"], matcher.blocks


@pytest.mark.parametrize("size", [2, 3])
def test_processes_divide_the_work_and_get_the_same_result(make, size):
    dataset = make(QUERY, GALLERY)
    whole, _ = run(dataset)
    answers = in_processes(size, divided, dataset)
    for precision, mean, _ in answers:
        assert precision == whole.ranking.average_precision.tolist()
        assert mean == whole.mAP
    # After one rehearsal each: three queries, each with three blocks of the gallery.
    assert sum(len(blocks) - 1 for _, _, blocks in answers) == 9
    assert all(len(blocks) - 1 in (3, 6) for _, _, blocks in answers)


def test_half_precision_maps(make):
    result, _ = run(make(QUERY, GALLERY), dtype=torch.float16)
    assert result.mAP == 1


def test_unknown_cameras_are_noted(make):
    nowhere, _ = run(make([(1, None)], [(1, None), (2, None)]))
    assert nowhere.notes == ("no cameras: same-camera rule off",)
    one_side, _ = run(make([(1, 1)], [(1, None), (2, None)]))
    assert one_side.notes == ("no cameras: same-camera rule off",)
    some, _ = run(make([(1, 1)], [(1, None), (1, 1), (2, 2)]))
    assert some.notes == ("1 of 4 images have no camera: same-camera rule off for them",)


def test_queries_without_a_match_are_noted(make):
    result, _ = run(make([(1, 1), (2, 1)], [(1, 2), (2, 1), (3, 1)]))
    assert result.notes == ("1 of 2 queries have no match: not counted",)
    assert result.ranking.counted == 1


def test_progress_is_told(make):
    steps = []
    run(make(QUERY, GALLERY), query_block=2, batch=4, progress=lambda *step: steps.append(step))
    assert steps == [
        ("colors: query features", 3, 3),
        ("colors: gallery features", 4, 7),
        ("colors: gallery features", 7, 7),
        ("colors: matching", 2, 3),
        ("colors: matching", 3, 3),
    ]


def test_with_the_real_matcher(make):
    matcher = QAConv(3, HEIGHT // 4, WIDTH // 4)
    result = evaluate(ColorNetwork(), matcher, make(QUERY, GALLERY), HEIGHT, WIDTH)
    assert result.mAP == 1
    assert matcher.training


class Untouchable:
    """Records whose images must not be read."""

    @staticmethod
    def dataset(query, gallery):
        def records(part):
            return tuple(Record(Path("/nowhere"), person, camera, None) for person, camera in part)

        return ReidDataset(
            name="colors",
            layout="folder",
            root=Path("/nowhere"),
            train=(),
            query=records(query),
            gallery=records(gallery),
            notes=(),
        )


@pytest.mark.parametrize(
    ("message", "query", "gallery", "options"),
    [
        ("colors: got no query images", [], [(1, 1)], {}),
        ("colors: got no gallery images", [(1, 1)], [], {}),
        ("colors: got no query with a match", [(1, 1)], [(2, 1), (1, 1)], {}),
        ("query_block: got 0, wanted at least 1", [(1, 1)], [(1, 2)], {"query_block": 0}),
        ("gallery_block: got -1", [(1, 1)], [(1, 2)], {"gallery_block": -1}),
    ],
)
def test_what_cannot_be_evaluated_is_said_before_any_image_is_read(
    message, query, gallery, options
):
    with pytest.raises(ValueError, match=message):
        run(Untouchable.dataset(query, gallery), **options)


def test_a_matcher_of_another_size_is_said_before_any_image_is_read():
    dataset = Untouchable.dataset([(1, 1)], [(1, 2)])
    with pytest.raises(ValueError, match="as the matcher was made for"):
        evaluate(ColorNetwork(), QAConv(3, 2, 2), dataset, HEIGHT, WIDTH)


def test_score_blocks_carry_no_gradient_and_restore_the_mode_between_steps():
    matcher = MeanCorrelation()
    maps = torch.rand(5, 3, 2, 2, requires_grad=True)
    sizes = []
    for block in score_blocks(matcher, maps, maps, query_block=2):
        assert matcher.dropout.training
        assert torch.is_grad_enabled()
        assert not block.requires_grad
        sizes.append(tuple(block.shape))
    assert sizes == [(2, 5), (2, 5), (1, 5)]


def test_extract_keeps_the_order_and_the_labels(make):
    records = make(QUERY, GALLERY).gallery
    features = extract(ColorNetwork(), records, HEIGHT, WIDTH, batch=3)
    assert features.maps.shape == (7, 3, 4, 2)
    assert features.persons == tuple(person for person, _ in GALLERY)
    assert features.cameras == tuple(camera for _, camera in GALLERY)
    assert features.times == tuple(range(7))
    assert len(features) == 7
    for map_, person in zip(features.maps, features.persons, strict=True):
        color = torch.tensor(COLORS[person], dtype=torch.float32)
        torch.testing.assert_close(
            map_, (color / color.norm())[:, None, None].expand(3, 4, 2), rtol=0, atol=1e-5
        )


def test_extract_without_records_is_an_error():
    with pytest.raises(ValueError, match="records: got none, wanted at least one image"):
        extract(ColorNetwork(), [], HEIGHT, WIDTH)


def test_rows_beside_the_plain_one(make):
    result, _ = run(make(QUERY, GALLERY), measures=Measures(rerank=True, tlift=True))
    names = [measured.name for measured in result.measured]
    assert names == ["plain", "TLift", "re-ranked", "re-ranked + TLift"]
    assert [measured.ranking.mAP for measured in result.measured] == [1, 1, 1, 1]
    assert result.measured[0].ranking is result.ranking
    assert result.measured[0].rank1_interval == (1, 1)
    kept = result.as_dict()
    assert list(kept["refined"]) == names[1:]
    assert kept["refined"]["TLift"]["mAP"] == 1
    assert kept["protocol"] == "market"
    assert "refined" not in run(make(QUERY, GALLERY))[0].as_dict()


@pytest.mark.parametrize(
    ("protocol", "counted", "left_out"),
    [("market", 3, 1), ("cross-camera", 3, 9), ("cuhk03", 3, 9), ("none", 3, 0)],
)
def test_protocols(make, protocol, counted, left_out):
    result, _ = run(make(QUERY, GALLERY), measures=Measures(protocol=protocol))
    assert result.protocol == protocol
    assert (result.ranking.counted, result.ranking.left_out) == (counted, left_out)
    assert result.rank1 == 1
    assert (result.notes != ()) == (protocol == "none")


def test_a_shortlist_is_held_to_exact_scores(make):
    whole, _ = run(make(QUERY, GALLERY))
    result, matcher = run(make(QUERY, GALLERY), shortlist=0.5, query_block=2)
    assert result.notes[-1].startswith("shortlist 0.5: of 3 queries ")
    assert "of the exact best 7 are in it, mAP " in result.notes[-1]
    assert matcher.blocks[1:4] == [(1, 4)] * 3  # after the rehearsal: half of seven each
    assert result.rank1 == whole.rank1
    with pytest.raises(ValueError, match=r"shortlist: got 0\.5 with rerank, wanted 1"):
        run(make(QUERY, GALLERY), shortlist=0.5, measures=Measures(rerank=True))


def test_another_area_is_said(make):
    result, _ = run(make(QUERY, GALLERY), measures=Measures(area="trapezoid"))
    assert result.notes == ("average precision by the trapezoid",)
    assert result.as_dict()["area"] == "trapezoid"


def test_a_protocol_decides_whether_there_is_anything_to_find(make):
    dataset = make([(1, 1)], [(1, 1), (2, 2)])
    with pytest.raises(ValueError, match="got no query with a match"):
        run(dataset)
    assert run(dataset, measures=Measures(protocol="none"))[0].rank1 == 1


@pytest.mark.parametrize(
    ("protocol", "left_out"),
    # 3 + 7 images: themselves, and those of the person (market) or of all by the camera.
    [("market", 12), ("cross-camera", 42), ("none", 10)],
)
def test_every_crop_is_searched_in_all_others(make, protocol, left_out):
    dataset = Views(every_crop=True).seen(make(QUERY, GALLERY), None)
    assert len(dataset.query) == len(dataset.gallery) == 10
    result, _ = run(dataset, measures=Measures(protocol=protocol))
    assert (result.ranking.queries, result.ranking.left_out) == (10, left_out)
    assert result.rank1 == result.mAP == 1
    assert result.as_dict()["every_crop"] is True
    assert result.as_dict()["protocol"] == protocol
    assert "every image is a query against all others" in result.notes
    assert [a != b for a, b in enumerate(result.ranking.taken_for)] == [True] * 10


def test_without_cameras_an_image_is_left_out_of_its_own_ranking_alone(make):
    dataset = make([(1, None), (2, None)], [(2, None), (1, 3), (3, None)])
    result, _ = run(Views(every_crop=True).seen(dataset, None))
    assert (result.ranking.left_out, result.ranking.counted) == (5, 4)
    assert result.mAP == 1
    assert "4 of 5 images have no camera: same-camera rule off for them" in result.notes


def test_no_image_is_mapped_twice(make):
    seen = []

    class Counting(ColorNetwork):
        def forward(self, images):
            seen.append(len(images))
            return super().forward(images)

    dataset = Views(every_crop=True).seen(make(QUERY, GALLERY), None)
    evaluate(Counting(), MeanCorrelation(), dataset, HEIGHT, WIDTH)
    assert seen == [1, 10]  # the rehearsal, then all


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rerank": True, "views": Views(every_crop=True)}, "rerank: got it with every crop"),
        ({"tlift": True, "views": Views(every_crop=True)}, "tlift: got it with every crop"),
        ({"protocol": "duke"}, "protocol: got 'duke', wanted one of market, cuhk03"),
        ({"area": "round"}, "area: got 'round', wanted one of plain, trapezoid"),
        ({"protocol": "cuhk03", "area": "trapezoid"}, "with the protocol cuhk03, wanted plain"),
    ],
)
def test_measures_that_do_not_exist(options, message):
    with pytest.raises(ValueError, match=message):
        Measures(**options)
