"""A gallery as a small page in the browser, and as a JSON API. Needs the extra ``serve``."""

from qaconv_reid.serve.app import make_app
from qaconv_reid.serve.desk import Desk, Model
from qaconv_reid.serve.problem import ServeError
from qaconv_reid.serve.server import listen, run

__all__ = ["Desk", "Model", "ServeError", "listen", "make_app", "run"]
