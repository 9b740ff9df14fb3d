import io
from types import SimpleNamespace

from rich.console import Console

from qaconv_reid.reports import results_table


def result(dataset, counted, notes=()):
    return SimpleNamespace(
        dataset=dataset,
        rank1=0.45912,
        rank5=0.6,
        rank10=1.0,
        mAP=0.172,
        mINP=0.0,
        ranking=SimpleNamespace(queries=3368, counted=counted),
        gallery=15913,
        feature_seconds=1.25,
        matching_seconds=2.0,
        notes=notes,
    )


def test_a_row_per_data_set_in_per_cent_with_notes_below():
    console = Console(file=io.StringIO(), width=120)
    console.print(
        results_table(
            [result("Market-1501", 3368), result("mine [x]", 3000, notes=("no cameras",))],
            title="Evaluation",
        )
    )
    lines = console.file.getvalue().splitlines()
    market = next(line for line in lines if "Market-1501" in line)
    wanted = ("Market-1501", "45.9", "60.0", "100.0", "17.2", "0.0", "3,368", "15,913", "3.2")
    assert tuple(market.split()) == wanted
    assert any("mine [x]" in line and "3,000 of 3,368" in line for line in lines)
    assert lines[-1].strip() == "mine [x]: no cameras"
    assert "Evaluation" in lines[0]


def test_headings_are_whole_on_a_terminal_of_80_columns():
    console = Console(file=io.StringIO(), width=80)
    console.print(results_table([result("CUHK03-NP (detected)", 3368)]))
    for heading in ("Rank-10", "Queries", "Gallery", "Seconds"):
        assert heading in console.file.getvalue()
