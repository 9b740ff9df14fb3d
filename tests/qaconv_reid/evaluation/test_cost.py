from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from qaconv_reid.data import Record, ReidDataset
from qaconv_reid.evaluation import Cost, Measures, Rates


def dataset(queries, gallery):
    records = tuple(Record(Path(f"{n}.png"), n) for n in range(queries + gallery))
    return ReidDataset("mall", "folder", Path(), (), records[:queries], records[queries:])


RATES = Rates(image_seconds=0.5, pair_seconds=0.001, map_bytes=100)


def test_the_plain_ranking_holds_a_block_of_scores():
    cost = Cost.of(dataset(300, 1000), RATES, Measures())
    assert (cost.pairs, cost.maps, cost.scores, cost.neighbors) == (
        300_000,
        130_000,
        4 * 256 * 1000,
        0,
    )
    assert cost.feature_seconds == 650
    assert cost.matching_seconds == pytest.approx(300)


def test_re_ranking_matches_each_side_with_itself_and_keeps_neighbors():
    cost = Cost.of(dataset(300, 1000), RATES, Measures(rerank=True))
    assert cost.pairs == 300_000 + 45_000 + 500_000
    assert cost.scores == 4 * 300 * 1000
    assert cost.neighbors == 1300 * 21 * 12


def test_processes_divide_maps_and_pairs_but_not_what_re_ranking_adds():
    cost = Cost.of(dataset(300, 1000), RATES, Measures(rerank=True), processes=2)
    assert cost.feature_seconds == 325
    assert cost.matching_seconds == pytest.approx(150 + 545)


class Slow(nn.Module):
    """Takes a known time for each pair."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def forward(self, probe, gallery):
        self.clock[0] += 0.001 * len(probe) * len(gallery)
        return torch.zeros(len(probe), len(gallery))


class SlowNetwork(Slow):
    def forward(self, images):
        self.clock[0] += 0.25 * len(images)
        return images[:, :, ::4, ::4]


def test_rates_are_those_of_the_network_and_the_matcher(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("qaconv_reid.evaluation.cost.time.perf_counter", lambda: clock[0])
    records = []
    for number in range(6):
        records.append(Record(tmp_path / f"{number}.png", number))
        Image.new("RGB", (8, 16)).save(records[-1].path)
    rates = Rates.measured(SlowNetwork(clock), Slow(clock), records, 16, 8, dtype=torch.float16)
    assert rates.image_seconds == pytest.approx(0.25)
    assert rates.pair_seconds == pytest.approx(0.001)
    assert rates.map_bytes == 2 * 3 * 4 * 2
