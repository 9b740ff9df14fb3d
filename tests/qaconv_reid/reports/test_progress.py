import io

from rich.console import Console

from qaconv_reid.reports import ProgressBars


def drive(console):
    with ProgressBars(console) as progress:
        for epoch in range(2):
            for step in range(1, 4):
                progress("[train]", step, 3)
            progress("features", epoch + 1, 2)
    return console.file.getvalue()


def test_nothing_is_written_where_no_terminal_is():
    assert drive(Console(file=io.StringIO(), force_terminal=False)) == ""


def test_bars_name_what_is_done_and_how_much():
    text = drive(Console(file=io.StringIO(), force_terminal=True, width=80))
    assert "[train]" in text
    assert "3/3" in text
    assert "features" in text


def test_a_bar_starts_again_with_the_next_epoch():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with ProgressBars(console) as progress:
        progress("train", 3, 3)
        progress("train", 1, 3)
        [task] = progress._bars.tasks
        assert task.completed == 1
        assert not task.finished


def test_without_a_terminal_a_line_a_minute_says_what_is_left(monkeypatch):
    clock = iter([0.0, 0.0, 30.0, 61.0, 61.0])
    monkeypatch.setattr("qaconv_reid.reports.progress.time.monotonic", lambda: next(clock))
    console = Console(file=io.StringIO(), force_terminal=False)
    progress = ProgressBars(console)
    # An earlier process did the first 400: they say nothing of this one's rate.
    for done in (400, 450, 522):
        progress("matching", done, 1000)
    assert console.file.getvalue() == "matching: 522 of 1,000, about 4 min left\n"
