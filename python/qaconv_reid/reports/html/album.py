"""The images of a page, inside the page: small JPEGs, as many as there is room for."""

from __future__ import annotations

import base64
import io

from PIL import Image

__all__ = ["Album"]


class Album:
    """Images by name, as data URIs.

    Args:
        room: characters that all of them together may take.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._uris: dict[str, str] = {}
        self.left_out = 0
        """Images that there was no room for."""

    def __contains__(self, name: str) -> bool:
        return name in self._uris

    def add(self, name: str, image: Image.Image, *, quality: int = 80) -> None:
        """Take an image in, where there is room; a name that is there keeps its image."""
        if name in self._uris:
            return
        stream = io.BytesIO()
        image.convert("RGB").save(stream, format="JPEG", quality=quality, optimize=True)
        uri = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
        if len(uri) > self._room:
            self.left_out += 1
            return
        self._room -= len(uri)
        self._uris[name] = uri

    def uri(self, name: str) -> str | None:
        """An image, or None where it was left out."""
        return self._uris.get(name)
