"""A shortlist by stripes: exact scores in it, the rest below, a total order."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from qaconv_ext.qaconv import QAConv
from qaconv_reid.evaluation import Identities, Measures, score_blocks
from qaconv_reid.evaluation.protocols import measure
from qaconv_reid.evaluation.shortlist import Kept, Shortlist
from qaconv_reid.models import stripes

PLACES = (4, 2)


@pytest.fixture
def sides():
    """Noisy maps of eight people: five queries, forty gallery images, two of them the same."""
    random = torch.Generator().manual_seed(0)
    looks = torch.randn(8, 6, *PLACES, generator=random)

    def maps(count):
        noise = torch.randn(count, 6, *PLACES, generator=random)
        return normalize(looks[torch.arange(count) % 8] + 0.8 * noise, dim=1)

    query, gallery = maps(5), maps(40)
    gallery[31] = gallery[7]
    return query, gallery


@pytest.fixture
def matcher():
    torch.manual_seed(0)
    matcher = QAConv(6, *PLACES)
    torch.nn.init.normal_(matcher.fc.weight, mean=0.5, std=0.3)
    return matcher.eval()


@pytest.mark.parametrize("block", [3, 100])
def test_the_shortlist_is_exact_and_the_rest_below_it(sides, matcher, block):
    query, gallery = sides
    few = Shortlist(query, gallery, 0.2)
    assert few.count == 8
    (exact,) = score_blocks(matcher, query, gallery)
    blocks = score_blocks(
        matcher, query, gallery, query_block=2, gallery_block=block, shortlist=few
    )
    scores = torch.cat(list(blocks))
    likeness = stripes(query, 4) @ stripes(gallery, 4).T
    for row in range(5):
        order = likeness[row].argsort(descending=True, stable=True)
        chosen, others = order[:8], order[8:]
        assert torch.equal(scores[row, chosen], exact[row, chosen])
        below = scores[row, others]
        assert below.max() < scores[row, chosen].min()
        assert torch.equal(below, below.sort(descending=True).values)
        assert len(below.unique()) == len(below)  # total: none of them tie


def test_all_of_the_gallery_is_exact(sides, matcher):
    query, gallery = sides
    few = Shortlist(query, gallery, 1.0)
    (scores,) = score_blocks(matcher, query, gallery, shortlist=few)
    (exact,) = score_blocks(matcher, query, gallery)
    assert torch.equal(scores, exact)


def test_some_queries_are_measured_as_among_all(sides, matcher):
    query, gallery = sides
    people = tuple(n % 8 for n in range(40))
    identities = Identities(people[:5], (0,) * 5, people, tuple(1 + n % 2 for n in range(40)))
    (scores,) = score_blocks(matcher, query, gallery)
    whole = measure(Measures(), [scores], identities)
    some = measure(Measures(), [scores[[1, 4]]], identities, [1, 4])
    assert some.average_precision.tolist() == whole.average_precision[[1, 4]].tolist()


def test_what_it_is_worth_in_words():
    assert str(Kept(0.1, 64, 10, 0.987, -0.0012)) == (
        "shortlist 0.1: of 64 queries 98.7 % of the exact best 10 are in it, "
        "mAP -0.12 against exact scores"
    )


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_out_of_range_is_named(sides, share):
    with pytest.raises(ValueError, match=f"shortlist: got {share}, wanted above 0"):
        Shortlist(*sides, share)
