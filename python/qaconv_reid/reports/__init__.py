"""What a run shows and keeps: tables, progress bars, pictures, the log."""

from qaconv_reid.reports.confusions import Confusion, confusions, confusions_table
from qaconv_reid.reports.cost import cost_line
from qaconv_reid.reports.metrics import Metrics
from qaconv_reid.reports.pictures import (
    Found,
    MatchPicture,
    RankedList,
    Sighting,
    correspondence_panel,
    correspondence_picture,
    picture_format,
    ranked_picture,
    save_picture,
)
from qaconv_reid.reports.progress import ProgressBars
from qaconv_reid.reports.runlog import RunLog, read_run_log
from qaconv_reid.reports.settings import settings_lines, settings_records, settings_table
from qaconv_reid.reports.tables import results_table
from qaconv_reid.reports.terminal import say
from qaconv_reid.reports.weights import weights_table

__all__ = [
    "Confusion",
    "Found",
    "MatchPicture",
    "Metrics",
    "ProgressBars",
    "RankedList",
    "RunLog",
    "Sighting",
    "confusions",
    "confusions_table",
    "correspondence_panel",
    "correspondence_picture",
    "cost_line",
    "picture_format",
    "ranked_picture",
    "read_run_log",
    "results_table",
    "save_picture",
    "say",
    "settings_lines",
    "settings_records",
    "settings_table",
    "weights_table",
]
