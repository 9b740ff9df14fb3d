"""Charts: well-formed, told in words, and their points where the numbers are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from qaconv_reid.reports.html.charts import Series, line_chart, stacked_chart


def points(svg):
    (text,) = re.findall(r'points="([^"]*)"', svg)
    return [tuple(map(float, pair.split(","))) for pair in text.split()]


def test_lines_go_where_the_numbers_go():
    svg = line_chart("loss", [1, 2, 3], [Series("a", [4.0, 2.0, 3.0])], x_label="epoch")
    ET.fromstring(svg)
    (x1, y1), (x2, y2), (x3, y3) = points(svg)
    assert x2 - x1 == pytest.approx(x3 - x2)
    assert y1 < y3 < y2  # upwards is less
    assert y2 - y1 == pytest.approx(2 * (y3 - y1), abs=0.2)


def test_a_gap_a_point_and_nothing():
    svg = line_chart("x", [1, 2, 3], [Series("a", [1.0, None, 3.0])], x_label="epoch")
    assert len(points(svg)) == 2
    svg = line_chart("x", [1], [Series("a", [5.0])], x_label="epoch")
    assert "<polyline" not in svg
    assert svg.count("<circle") == 1
    ET.fromstring(line_chart("x", [1], [Series("a", [None])], x_label="epoch"))


def test_texts_are_escaped():
    svg = line_chart('<b>"&', [1, 2], [Series("a", [1.0, 2.0])], x_label="<i>")
    root = ET.fromstring(svg)
    assert root.attrib["aria-label"] == '<b>"&'
    assert "<i>" not in svg


@pytest.mark.parametrize("scale", [1e-6, 1, 3e8])
def test_axes_have_a_few_round_numbers(scale):
    svg = line_chart("x", [1, 2], [Series("a", [0.0, 7 * scale])], x_label="epoch")
    numbers = [float(text) for text in re.findall(r'text-anchor="end">([^<]+)<', svg)]
    assert 4 <= len(numbers) <= 9
    assert numbers[0] == 0
    assert numbers[-1] >= 7 * scale


def test_bars_stand_on_each_other():
    svg = stacked_chart(
        "time", [1, 2], [Series("a", [25.0, 50.0]), Series("b", [75.0, None])], x_label="epoch"
    )
    bars = [
        {key: float(bar.attrib[key]) for key in ("x", "y", "width", "height")}
        for bar in ET.fromstring(svg)
        if bar.tag == "rect"
    ]
    assert len(bars) == 4
    assert bars[0]["y"] == pytest.approx(bars[1]["y"] + bars[1]["height"], abs=0.15)
    assert bars[1]["height"] == pytest.approx(3 * bars[0]["height"], abs=0.3)
    assert bars[3]["height"] == 0
    assert bars[0]["x"] + bars[0]["width"] < bars[2]["x"]
