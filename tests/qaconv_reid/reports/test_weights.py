import io
from pathlib import Path

from rich.console import Console

from qaconv_reid.models import LoadReport
from qaconv_reid.reports import weights_table


def test_a_row_each_for_what_was_loaded_renamed_and_left_out():
    report = LoadReport(
        Path("somewhere/best.pth"),
        "fast-reid",
        ("conv1.weight", "layer1.0.conv1.weight", "layer1.1.conv1.weight"),
        (("backbone.conv1.weight", "conv1.weight"), ("backbone.layer1.0", "layer1.0")),
        ("backbone.layer4.0.conv1.weight", "heads.weight", "heads.bias"),
    )
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(weights_table(report))
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert lines[0] == "best.pth, a file of fast-reid"
    assert "loaded 3 conv1, layer1" in lines
    assert "renamed 2 backbone.conv1.weight → conv1.weight" in lines
    assert "left out 3 backbone.layer4, heads" in lines
