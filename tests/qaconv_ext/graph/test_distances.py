import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from qaconv_ext.graph import class_distances, nearest_classes
from qaconv_ext.qaconv import QAConv


def maps(number, dtype=torch.float32):
    g = torch.Generator().manual_seed(number)
    return nn.functional.normalize(torch.randn(number, 8, 3, 2, generator=g), dim=1).to(dtype)


def loop_nearest(distances, k):
    def key(row, j):
        return (math.isnan(row[j]), 0 if math.isnan(row[j]) else row[j], j)

    return [
        sorted((j for j in range(len(row)) if j != i), key=lambda j, row=row: key(row, j))[:k]
        for i, row in enumerate(distances)
    ]


class TestClassDistances:
    @pytest.mark.parametrize("block", [1, 2, 3, 7, 8, 1024])
    def test_minus_the_scores_whatever_the_block(self, block):
        matcher, features = QAConv(8, 3, 2).eval(), maps(7)
        distances = class_distances(features, matcher, block=block)
        torch.testing.assert_close(distances, -matcher(features, features).detach())
        assert torch.equal(distances, distances.T)
        assert distances.dtype == torch.float32
        assert not distances.requires_grad

    def test_blocks_bound_each_call_and_no_pair_of_blocks_is_matched_twice(self):
        calls = []

        def matcher(probe, gallery):
            calls.append((len(probe), None if gallery is None else len(gallery)))
            return probe @ (probe if gallery is None else gallery).T

        class_distances(torch.randn(5, 3), matcher, block=2)
        assert calls == [(2, None), (2, 2), (2, 1), (2, None), (2, 1), (1, None)]

    def test_any_embedding_serves(self):
        features = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))

        def matcher(probe, gallery):
            return -torch.cdist(probe, probe if gallery is None else gallery)

        expected = torch.cdist(features, features)
        torch.testing.assert_close(class_distances(features, matcher, block=4), expected)

    def test_the_matcher_runs_in_evaluation_mode_and_every_part_gets_its_mode_back(self):
        matcher = nn.Module()
        matcher.frozen, matcher.awake = nn.BatchNorm1d(1).eval(), nn.BatchNorm1d(1)
        seen = []

        def forward(probe, gallery):
            seen.append((matcher.training, matcher.frozen.training, matcher.awake.training))
            return probe @ (probe if gallery is None else gallery).T

        matcher.forward = forward
        class_distances(torch.randn(3, 2), matcher)
        assert seen == [(False, False, False)]
        modes = (matcher.training, matcher.frozen.training, matcher.awake.training)
        assert modes == (True, False, True)

    def test_the_mode_comes_back_after_an_error(self):
        matcher = QAConv(8, 3, 2).train()
        with pytest.raises(ValueError, match="wanted"):
            class_distances(torch.zeros(2, 5, 3, 2), matcher)
        assert matcher.bn.training

    def test_half_features_give_float32_distances(self):
        assert class_distances(maps(4, torch.float16), QAConv(8, 3, 2)).dtype == torch.float32

    def test_nothing_to_match(self):
        assert class_distances(maps(1)[:0], QAConv(8, 3, 2)).shape == (0, 0)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="block: got 0, wanted 1 or more"):
            class_distances(maps(2), QAConv(8, 3, 2), block=0)
        with pytest.raises(
            ValueError, match=r"matcher: got scores of shape \[3\], wanted \[3, 3\]"
        ):
            class_distances(torch.randn(3, 2), lambda probe, gallery: probe.sum(1))


class TestNearestClasses:
    @given(data=st.data(), number=st.integers(1, 9))
    def test_equals_the_loop_with_ties_infinities_and_nan(self, data, number):
        value = st.sampled_from([0.0, -0.0, 1.0, 2.0, -3e38, 3e38, math.inf, -math.inf, math.nan])
        rows = st.lists(value, min_size=number, max_size=number)
        distances = data.draw(st.lists(rows, min_size=number, max_size=number))
        k = data.draw(st.integers(0, number - 1))
        found = nearest_classes(torch.tensor(distances), k)
        assert found.dtype == torch.int64
        assert found.shape == (number, k)
        assert found.tolist() == loop_nearest(torch.tensor(distances).tolist(), k)

    def test_more_rows_than_are_sorted_at_a_time(self, monkeypatch):
        monkeypatch.setattr("qaconv_ext.graph.distances.SORTED_ROWS", 4)
        distances = torch.randint(0, 5, (11, 11), generator=torch.Generator().manual_seed(0)).half()
        assert nearest_classes(distances, 10).tolist() == loop_nearest(distances.tolist(), 10)

    def test_an_array_of_numpy(self):
        distances = np.array([[0.0, 2.0, 1.0], [2.0, 0.0, 2.0], [1.0, 3.0, 0.0]])
        assert nearest_classes(distances, 2).tolist() == [[2, 1], [0, 2], [0, 1]]

    def test_the_caller_keeps_its_distances(self):
        distances = torch.tensor([[0.0, math.nan], [-0.0, -math.nan]])
        before = distances.view(torch.int32).clone()
        nearest_classes(distances, 1)
        assert torch.equal(distances.view(torch.int32), before)

    @pytest.mark.parametrize(
        ("distances", "k", "text"),
        [
            (torch.zeros(3, 3), 3, r"k: got 3, wanted 0\.\.2"),
            (torch.zeros(3, 3), -1, "k: got -1"),
            (torch.zeros(2, 3), 1, r"distances: got shape \[2, 3\]"),
            (torch.zeros(3, 3).long(), 1, "distances: got dtype torch.int64"),
        ],
    )
    def test_bad_input_is_named(self, distances, k, text):
        with pytest.raises(ValueError, match=text):
            nearest_classes(distances, k)
