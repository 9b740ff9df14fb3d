"""The CUDA launches neither synchronize nor allocate behind torch: they can be captured."""

from __future__ import annotations

import sys

import pytest
import torch

from qaconv_ext.qaconv import QAConv, correlation_max, match_scores

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.skipif("emulated_cuda" in sys.modules, reason="graphs are not emulated"),
]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
def test_a_captured_match_replays_on_new_contents(dtype):
    probe, gallery = (torch.randn(3, 20, 30, dtype=dtype, device="cuda") for _ in range(2))
    weight = torch.rand(30, device="cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):  # once outside: what is set up lazily is not captured
        match_scores(probe, gallery, weight)
        correlation_max(probe, gallery)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        scores = match_scores(probe, gallery, weight)
        maxima = correlation_max(probe, gallery)
    probe.copy_(torch.randn_like(probe))
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(scores, match_scores(probe, gallery, weight))
    for captured, fresh in zip(maxima, correlation_max(probe, gallery), strict=True):
        assert torch.equal(captured, fresh)


def test_a_captured_matcher_follows_its_parameters():
    maps = torch.nn.functional.normalize(torch.randn(3, 20, 6, 5, device="cuda"), dim=1)
    matcher = QAConv(20, 6, 5).cuda().eval()
    with torch.no_grad():
        with torch.cuda.stream(torch.cuda.Stream()):
            matcher(maps)
        torch.cuda.synchronize()
        matcher(maps)  # a fold is kept, and not for the graph
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            scores = matcher(maps)
        before = matcher(maps)  # nor is what was captured, but not yet computed, kept for others
        matcher.fc.weight.mul_(2)
        graph.replay()
        torch.cuda.synchronize()
        assert torch.equal(scores, matcher(maps))
        assert not torch.equal(scores, before)
