"""What is wrong with a setting."""

from __future__ import annotations

__all__ = ["ConfigError"]


class ConfigError(ValueError):
    """A setting is unknown, of the wrong type or out of range; the message names it."""
