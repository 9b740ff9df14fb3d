"""Re-ranking and lifting of scores that stream from a matcher: what the matrices say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from qaconv_ext.qaconv import QAConv
from qaconv_reid.evaluation import (
    FeatureSet,
    Measures,
    evaluate_ranking,
    kept_neighbors,
    rerank,
    rerank_matches,
    reranked,
    score_blocks,
    temporal_lifting,
)
from qaconv_reid.evaluation.k_reciprocal import Settings
from qaconv_reid.evaluation.kept_neighbors import KeptNeighbors
from qaconv_reid.evaluation.refinement import refinements
from qaconv_reid.evaluation.stored_scores import StoredScores
from support.dense_rerank import dense_rerank
from support.devices import on_every_device

PLACES = (3, 2)


def people(images, seed, persons=9, times=True):
    """Maps of noisy people with who, where and when."""
    random = torch.Generator().manual_seed(seed)
    looks = torch.randn(persons, 8, *PLACES, generator=torch.Generator().manual_seed(0))
    who = torch.randint(persons, (images,), generator=random)
    maps = looks[who] + 1.2 * torch.randn(images, 8, *PLACES, generator=random)
    cameras = torch.randint(3, (images,), generator=random)
    # People 3n, 3n+1 and 3n+2 walk together.
    clock = 400 * (who // 3) + 50 * torch.rand(images, generator=random)
    return FeatureSet(
        normalize(maps, dim=1),
        tuple(who.tolist()),
        tuple(cameras.tolist()),
        tuple(clock.tolist()) if times else (None,) * images,
    )


@pytest.fixture
def matcher():
    """With a head of which no two weights are alike, some of them negative."""
    torch.manual_seed(0)
    matcher = QAConv(8, *PLACES)
    torch.nn.init.normal_(matcher.fc.weight, mean=0.6, std=0.5)
    return matcher


def dense(matcher, query, gallery):
    """The three matrices of distances in float64."""
    matcher.eval()
    with torch.no_grad():
        return [
            torch.sigmoid(-matcher(left, right).double()).numpy()
            for left, right in ((query, gallery), (query, query), (gallery, gallery))
        ]


@on_every_device
@pytest.mark.parametrize("block", [1000, 7])
def test_streamed_re_ranking_is_the_dense_one(matcher, device, block):
    query, gallery = people(25, 1).maps, people(70, 2).maps
    wanted = dense_rerank(*dense(matcher, query, gallery))
    matcher = matcher.to(device)
    across = list(score_blocks(matcher, query, gallery, query_block=6, device=device))
    found = rerank_matches(matcher, query, gallery, across, block=block, device=device)
    result = 1 - torch.cat(list(reranked(found, across)))
    np.testing.assert_allclose(result.cpu().numpy(), wanted, rtol=0, atol=1e-5)


class Stopped(Exception):
    """What stops a matcher."""


class Counted(torch.nn.Module):
    """A matcher that counts its calls, and stops at one of them."""

    def __init__(self, matcher, stop=None):
        super().__init__()
        self.matcher, self.calls, self.stop = matcher, 0, stop

    def forward(self, probe, gallery):
        if self.calls == self.stop:
            raise Stopped
        self.calls += 1
        return self.matcher(probe, gallery)


def test_neighbors_found_before_a_stop_are_not_searched_again(matcher, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_neighbors, "_NOTE_SECONDS", 0.0)
    query, gallery = people(25, 1).maps, people(70, 2).maps
    across = list(score_blocks(matcher, query, gallery, query_block=6))

    def search(matcher, kept):
        return rerank_matches(matcher, query, gallery, across, block=10, kept=kept)

    whole = Counted(matcher)
    wanted = torch.cat(list(reranked(search(whole, None), across)))
    for stop in (2, 9, 20):
        file = tmp_path / f"{stop}.safetensors"
        with pytest.raises(Stopped):
            search(Counted(matcher, stop), KeptNeighbors(file))
        again = Counted(matcher)
        found = torch.cat(list(reranked(search(again, KeptNeighbors(file)), across)))
        assert torch.equal(found, wanted)
        assert again.calls == whole.calls - stop
        # Finished: none is searched for, and another division into blocks uses nothing of it.
        last = Counted(matcher)
        assert torch.equal(
            torch.cat(list(reranked(search(last, KeptNeighbors(file)), across))), wanted
        )
        assert last.calls == whole.calls - 34
    other = Counted(matcher)
    rerank_matches(other, query, gallery, across, block=35, kept=KeptNeighbors(file))
    assert other.calls > 4
    file.write_bytes(b"torn")
    assert torch.equal(
        torch.cat(list(reranked(search(matcher, KeptNeighbors(file)), across))), wanted
    )


def test_other_settings_and_progress(matcher):
    query, gallery = people(10, 3).maps, people(30, 4).maps
    steps = []
    across = list(score_blocks(matcher, query, gallery))
    found = rerank_matches(
        matcher,
        query,
        gallery,
        across,
        settings=Settings(5, 2, 0.5),
        block=16,
        progress=lambda *step: steps.append(step),
    )
    result = 1 - torch.cat(list(reranked(found, across))).numpy()
    wanted = dense_rerank(*dense(matcher, query, gallery), k1=5, k2=2, weight=0.5)
    np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-5)
    assert [what for what, _, _ in steps] == ["re-ranking"] * 5
    done = [step[1] for step in steps]
    assert done == sorted(done)
    assert steps[-1][1] == steps[-1][2]


def test_scores_so_high_that_their_distances_are_zero(matcher):
    """The nearest are chosen by scores, which are told apart where distances are not."""
    query, gallery = people(10, 3).maps, people(30, 4).maps
    torch.nn.init.constant_(matcher.logit_bn.bias, -60.0)  # every distance rounds to 1
    across = list(score_blocks(matcher, query, gallery))
    found = rerank_matches(matcher, query, gallery, across, settings=Settings(5, 2, 0.0))
    result = 1 - torch.cat(list(reranked(found, across))).numpy()
    assert len(np.unique(result)) > 20
    truth = [1 + matrix for matrix in dense(matcher, query, gallery)]
    torch.nn.init.constant_(matcher.logit_bn.bias, 0.0)
    order = dense(matcher, query, gallery)
    # Of the same order, and all but alike: the encodings are those of equal weights.
    near = [1 + 1e-9 * matrix for matrix in order]
    assert np.ptp(truth[0]) < 1e-9
    np.testing.assert_allclose(
        result, dense_rerank(*near, k1=5, k2=2, weight=0.0), rtol=0, atol=1e-5
    )


def test_every_way_is_that_of_the_matrices(matcher):
    query, gallery = people(25, 5), people(70, 6)
    across, *rest = dense(matcher, query.maps, gallery.maps)
    labels = (query.cameras, gallery.cameras, query.times, gallery.times)
    final = 1 - rerank(across, *rest)
    scores = np.log(1 / across - 1)
    likeness = 1 / (1 + np.exp(4 - 2 * (scores - scores.mean()) / scores.std()))
    wanted = {
        "TLift": temporal_lifting(likeness, *labels),
        "re-ranked": final,
        "re-ranked + TLift": temporal_lifting(final, *labels),
    }
    with StoredScores(70) as stored:
        list(stored.keeping(score_blocks(matcher, query.maps, gallery.maps, query_block=8)))
        ways = refinements(
            matcher, query, gallery, stored, Measures(rerank=True, tlift=True), block=32
        )
        found = {name: torch.cat(list(blocks)).numpy() for name, blocks in ways}
    assert list(found) == list(wanted)
    for name, scores in wanted.items():
        np.testing.assert_allclose(found[name], scores, rtol=0, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.01, 5.0), (8.0, -20.0)])
def test_both_raise_the_precision_of_people_who_walk_together(matcher, scale, shift):
    """Wherever the scores of the matcher lie."""
    torch.nn.init.constant_(matcher.logit_bn.weight, scale)
    torch.nn.init.constant_(matcher.logit_bn.bias, shift)
    query, gallery = people(40, 7), people(120, 8)
    ids = (query.persons, query.cameras, gallery.persons, gallery.cameras)
    with StoredScores(120) as stored:
        plain = evaluate_ranking(
            stored.keeping(score_blocks(matcher, query.maps, gallery.maps)), *ids
        )
        ways = refinements(matcher, query, gallery, stored, Measures(rerank=True, tlift=True))
        better = {name: evaluate_ranking(blocks, *ids).mAP for name, blocks in ways}
    assert better["TLift"] > plain.mAP + 0.05
    assert better["re-ranked"] > plain.mAP + 0.05
    assert better["re-ranked + TLift"] > max(better["TLift"], better["re-ranked"])


def test_without_times_nothing_is_lifted(matcher):
    query, gallery = people(5, 1, times=False), people(9, 2)
    scores = list(score_blocks(matcher, query.maps, gallery.maps))
    ways = refinements(matcher, query, gallery, scores, Measures(tlift=True))
    assert list(ways) == []


@pytest.mark.parametrize("most", [1, 1 << 20])
def test_stored_scores_come_again_as_they_were(monkeypatch, most):
    monkeypatch.setattr("qaconv_reid.evaluation.stored_scores._MOST_IN_MEMORY", most)
    blocks = [torch.rand(rows, 6) for rows in (3, 0, 4)]
    with StoredScores(6) as stored:
        assert all(torch.equal(a, b) for a, b in zip(stored.keeping(blocks), blocks, strict=True))
        for _ in range(2):
            assert [block.tolist() for block in stored] == [block.tolist() for block in blocks]
