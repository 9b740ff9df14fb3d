"""The graph of an epoch."""

from __future__ import annotations

import copy

import pytest
import torch

from qaconv_ext.graph import class_distances
from qaconv_reid.data import ImageDataset
from qaconv_reid.evaluation import rerank_among
from qaconv_reid.training.graph_refresh import GraphRefresh
from support.runs import HEIGHT, WIDTH, small_images, small_models, small_source


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return small_images(tmp_path_factory.mktemp("persons"))


def refresh(images, models, **options):
    return GraphRefresh(
        *models,
        small_source(images),
        neighbors=2,
        batch_size=4,
        device=torch.device("cpu"),
        **options,
    )


CHOSEN = [0, 4, 6, 10, 14, 15]  # one image of each of the six persons


def test_the_nearest_are_those_of_the_highest_scores(images):
    network, matcher = models = small_models()
    nearest = refresh(images, models)(CHOSEN)

    dataset = ImageDataset(images.records, HEIGHT, WIDTH)
    pictures = torch.stack([dataset[i][0] for i in CHOSEN]) / 255
    network.eval()
    matcher.eval()
    with torch.no_grad():
        maps = network(pictures)
        scores = matcher(maps, maps).fill_diagonal_(-torch.inf)
    assert nearest.tolist() == scores.argsort(dim=1, descending=True)[:, :2].tolist()


def test_a_graph_of_re_ranked_distances(images):
    _, matcher = models = small_models()
    graph = refresh(images, models, rerank=True)
    distances = class_distances(graph._maps(CHOSEN), matcher)
    wanted = rerank_among(torch.sigmoid(distances)).fill_diagonal_(torch.inf)
    assert graph(CHOSEN).tolist() == wanted.argsort(dim=1, stable=True)[:, :2].tolist()


def test_it_leaves_no_trace_and_says_the_same_again(images):
    network, matcher = models = small_models()
    network.train()
    matcher.train()
    before = copy.deepcopy([network.state_dict(), matcher.state_dict()])
    generator = torch.get_rng_state()
    told = []
    graph = refresh(images, models, progress=lambda *step: told.append(step))

    first, second = graph(CHOSEN), graph(CHOSEN)

    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), generator)
    assert network.neck.training
    assert matcher.bn.training
    for old, module in zip(before, models, strict=True):
        assert all(torch.equal(old[name], value) for name, value in module.state_dict().items())
    assert told[-1] == ("graph: features", 6, 6)
