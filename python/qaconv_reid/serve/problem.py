"""What goes wrong: before serving, and with a request."""

from __future__ import annotations

__all__ = ["Refused", "ServeError"]


class ServeError(ValueError):
    """Nothing can be served so; the message says why."""


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        sentence: what was got, what was wanted.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
