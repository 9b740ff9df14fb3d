"""JSON files that a program wrote and anybody may have changed: read by a type, or refused.

Every refusal names the file, the entry in it, what it got and what it wants.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from qaconv_reid.text import SaidError, shortened

__all__ = ["DocumentError", "check", "complaint", "parse", "read", "shown"]

T = TypeVar("T")

#: How pydantic names one of several types in the place of an error.
_CHOICE = re.compile(r"[\[(]|^(int|float|str|none|constrained-\w+)$")


class DocumentError(SaidError):
    """A file is not what it has to be; the message names it, the entry, got and wanted."""


def read(path: Path, wanted: str) -> Any:
    """What a JSON file holds.

    Args:
        path: the file.
        wanted: what it has to be, for people.

    Raises:
        FileNotFoundError: it is not there.
        DocumentError: it cannot be read, or is no JSON.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited at for ever
        raise DocumentError(f"{path}: got something else than a file, wanted {wanted}")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read: {error.strerror}") from None
    return parse(content, str(path), wanted)


def parse(content: bytes, where: str, wanted: str) -> Any:
    """What JSON says.

    Args:
        content: its bytes.
        where: they stand, for people.
        wanted: what it has to be.

    Raises:
        DocumentError: it is no JSON.
    """
    try:
        return json.loads(content)
    except RecursionError:
        reason = "nested too deep"
    except ValueError as error:  # also bytes that are no UTF-8
        reason = shortened(str(error).partition("\n")[0], 120)
    raise DocumentError(f"{where}: got no JSON ({reason}), wanted {wanted}")


def check(adapter: TypeAdapter[T], value: object, where: str) -> T:
    """A value as its type has it.

    Args:
        adapter: of the type.
        value: as `read` gave it.
        where: it stands, for people.

    Raises:
        DocumentError: it is of another shape.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise DocumentError(f"{where}: {complaint(error)}") from None
    except RecursionError:
        raise DocumentError(f"{where}: got too many things in each other") from None


def complaint(error: ValidationError) -> str:
    """What pydantic found first, as ``entry: got …, wanted …``."""
    errors = error.errors()
    first, place = errors[0], _place(errors[0]["loc"])
    key = ".".join(map(str, place))
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{key}.{reason}" if key else reason
    if first["type"] == "missing":
        return f"{key}: got nothing, wanted a value"
    # Of what may be one thing or another, an error for each.
    messages = dict.fromkeys(it["msg"] for it in errors if _place(it["loc"]) == place)
    # Nearly all of pydantic's messages begin so; after "wanted" stands what it should be.
    wanted = " or ".join(message.removeprefix("Input should be ") for message in messages)
    got = shown(first["input"])
    return f"{key}: got {got}, wanted {wanted}" if key else f"got {got}, wanted {wanted}"


def shown(value: object) -> str:
    """A value in a message."""
    try:
        return shortened(repr(value), 200)
    except (ValueError, RecursionError):  # a number of thousands of digits; too many things
        return f"{type(value).__name__} too large to be shown"


def _place(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without pydantic's own names for the choices of a union."""
    return tuple(itertools.takewhile(lambda part: not _CHOICE.search(str(part)), location))
