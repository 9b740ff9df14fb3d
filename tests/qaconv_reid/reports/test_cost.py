from types import SimpleNamespace

import pytest

from qaconv_reid.reports import cost_line
from qaconv_reid.reports.cost import duration, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (99, "99 s"), (99.6, "2 min"), (5900, "98 min"), (9000, "2.5 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 KiB"), (700 << 10, "700 KiB"), (3 << 19, "1.5 MiB"), (5 << 29, "2.5 GiB")],
)
def test_sizes(count, text):
    assert size(count) == text


def test_the_line_of_an_evaluation():
    cost = SimpleNamespace(
        dataset="mall",
        queries=2_000,
        gallery=30_000,
        pairs=60_000_000,
        feature_seconds=1200.0,
        matching_seconds=600.0,
        maps=3 << 30,
        scores=1 << 20,
        neighbors=0,
    )
    assert cost_line(cost) == (
        "mall: 2,000 queries, 30,000 gallery images, 60,000,000 pairs to match: about 30 min "
        "(maps 20 min, matching 10 min); maps 3.0 GiB, scores 1.0 MiB"
    )
