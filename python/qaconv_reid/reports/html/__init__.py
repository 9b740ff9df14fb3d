"""The page of a run: one HTML file that needs nothing else. Needs the extra ``report``."""

from qaconv_reid.reports.html.album import Album
from qaconv_reid.reports.html.page import render_page

__all__ = ["Album", "render_page"]
