import io
from types import SimpleNamespace

from rich.console import Console

from qaconv_reid.reports import results_table


def measured(name, counted, rank1=0.45912):
    shares = {1: rank1, 5: 0.6, 10: 1.0}
    return SimpleNamespace(
        name=name,
        ranking=SimpleNamespace(
            mAP=0.172, mINP=0.0, queries=3368, counted=counted, rank=shares.__getitem__
        ),
        rank1_interval=(0.44, 0.474),
        mAP_interval=(0.16, 0.185),
    )


def result(dataset, counted, notes=(), others=(), protocol="market"):
    return SimpleNamespace(
        dataset=dataset,
        measured=(measured("plain", counted), *others),
        gallery=15913,
        feature_seconds=1.25,
        matching_seconds=2.0,
        area="plain",
        protocol=protocol,
        notes=notes,
    )


def shown(results, width=120, **options):
    console = Console(file=io.StringIO(), width=width)
    console.print(results_table(results, **options))
    return console.file.getvalue().splitlines()


def test_names_are_shown_and_not_obeyed():
    lines = shown([result("a\x1b[2J\nb", 3368, notes=("c\u202ed.jpg",))])
    assert any(r"a\x1b[2J\nb" in line for line in lines)
    assert lines[-1].strip() == r"a\x1b[2J\nb: c\u202ed.jpg"
    assert not any(set("\x1b\u202e") & set(line) for line in lines)


def test_a_row_per_data_set_in_per_cent_with_notes_below():
    lines = shown(
        [result("Market-1501", 3368), result("mine [x]", 3000, notes=("no cameras",))],
        title="Evaluation",
    )
    market = next(line for line in lines if "Market-1501" in line)
    measures = ("45.9", "1.7", "60.0", "100.0", "17.2", "1.2", "0.0")
    assert tuple(market.split()) == ("Market-1501", *measures, "3,368", "15,913", "3.2")
    assert any("mine [x]" in line and "3,000 of 3,368" in line for line in lines)
    assert lines[-1].strip() == "mine [x]: no cameras"
    assert lines[-2].startswith("±: half of the 95 % interval")
    assert lines[-2].rstrip().endswith("average precision: plain")
    assert "Evaluation" in lines[0]


def test_other_ways_of_scoring_stand_below_the_plain_one():
    others = (measured("re-ranked", 3368, rank1=0.5), measured("re-ranked + TLift", 3368))
    lines = shown([result("Market-1501", 3368, others=others)])
    at = next(number for number, line in enumerate(lines) if "Market-1501" in line)
    assert lines[at + 1].split()[:3] == ["re-ranked", "50.0", "1.7"]
    assert lines[at + 2].strip().startswith("re-ranked + TLift")


def test_another_protocol_is_said():
    assert shown([result("mine", 1, protocol="cuhk03")])[-1] == "mine: protocol cuhk03"


def test_headings_are_whole_on_a_terminal_of_80_columns():
    lines = shown([result("CUHK03-NP (detected)", 3368)], width=80)
    for heading in ("Rank-10", "Queries", "Gallery", "Seconds"):
        assert any(heading in line for line in lines)


def test_a_name_is_never_broken_in_a_terminal_of_80_columns():
    names = ["plaza", "randperson_subset_of_market", "n" * 78]
    lines = shown([result(name, 3300) for name in names], width=80, title="a run (%)")
    assert max(map(len, lines)) <= 80
    for name in names:
        (row,) = [number for number, line in enumerate(lines) if line.rstrip() == name]
        assert lines[row + 1].split()[:2] == ["45.9", "1.7"]
    # Side by side where there is room.
    (line,) = [line for line in shown([result(names[1], 3300)], width=100) if names[1] in line]
    assert "45.9" in line
