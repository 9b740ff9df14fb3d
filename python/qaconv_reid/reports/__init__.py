"""What a run shows and keeps: tables, progress bars, pictures, the log."""

from qaconv_reid.reports.cost import cost_line
from qaconv_reid.reports.metrics import Metrics
from qaconv_reid.reports.progress import ProgressBars
from qaconv_reid.reports.ranked import RankedList, ranked_picture
from qaconv_reid.reports.runlog import RunLog, read_run_log
from qaconv_reid.reports.settings import settings_lines, settings_table
from qaconv_reid.reports.tables import results_table
from qaconv_reid.reports.weights import weights_table

__all__ = [
    "Metrics",
    "ProgressBars",
    "RankedList",
    "RunLog",
    "cost_line",
    "ranked_picture",
    "read_run_log",
    "results_table",
    "settings_lines",
    "settings_table",
    "weights_table",
]
