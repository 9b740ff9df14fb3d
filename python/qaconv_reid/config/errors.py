"""What is wrong with a setting."""

from __future__ import annotations

from qaconv_reid.text import SaidError

__all__ = ["ConfigError"]


class ConfigError(SaidError):
    """A setting is unknown, of the wrong type or out of range; the message names it."""
