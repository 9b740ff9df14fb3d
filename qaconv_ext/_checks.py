"""The rules that public functions' arguments obey, whether tensors or arrays hold the maps.

Each complaint is one sentence that names the argument, what it got and what it wants. Imports
neither torch nor numpy; what is said of a tensor alone is in `_arguments`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Sequence
from typing import Any

#: Positions are stored in int16 above 256 locations.
MAX_LOCATIONS = 32767


def shown(value: object) -> str:
    """A value as it stands in a complaint: itself where it is short, else what it is."""
    text = repr(value)
    plain = value is None or isinstance(value, (str, int, float, complex)) or _is_scalar(value)
    return text if plain and len(text) <= 60 else type(value).__name__


def whole_number(
    name: str, value: object, least: int | None = None, most: int | None = None
) -> int:
    """``value`` as an int, of whatever type a whole number has; True is none.

    Args:
        name: of the argument.
        value: what was given for it.
        least: the smallest that will do.
        most: the greatest that will do; needs ``least``.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is out of its range.
    """
    try:
        number = None if _is_truth(value) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):  # of an array or a tensor of several
        number = None
    if number is None:
        raise TypeError(f"{name}: got {shown(value)}, wanted a whole number")
    if (least is not None and number < least) or (most is not None and number > most):
        wanted = f"{least} or more" if most is None else f"{least}..{most}"
        raise ValueError(f"{name}: got {number}, wanted {wanted}")
    return number


def whole_numbers(name: str, values: Any, what: str) -> list[int]:
    """Whole numbers as a list, from a list, an array or a tensor of them.

    Raises:
        TypeError: they are something else; ``what`` says what each stands for.
    """
    try:
        # A tensor or an array is read at once, and not element by element.
        read = getattr(values, "tolist", None)
        found: list[Any] = list(values if read is None else read())
    except (TypeError, RuntimeError):  # nothing to go through; a tensor without numbers
        raise TypeError(f"{name}: got {shown(values)}, wanted whole numbers, {what}") from None
    if all(type(value) is int for value in found):
        return found
    try:
        return [whole_number(name, value) for value in found]
    except TypeError as error:
        raise TypeError(f"{str(error).rsplit(',', 1)[0]}, wanted whole numbers, {what}") from None


def table(name: str, rows: object) -> list[list[int]]:
    """Lists of whole numbers, from lists of them.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(rows, (list, tuple)):
        raise TypeError(f"{name}: got {shown(rows)}, wanted lists of whole numbers")
    return [whole_numbers(name, row, "a list of them in each place") for row in rows]


def number(name: str, value: object, least: float | None = None, *, finite: bool = False) -> float:
    """``value`` as a float, of whatever type a number has; True and texts are none.

    Raises:
        TypeError: it is no number.
        ValueError: it is below ``least``, or no finite number where one is wanted.
    """
    try:
        text = _is_truth(value) or isinstance(value, (str, bytes))
        given = None if text else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        given = None
    except OverflowError:
        raise ValueError(
            f"{name}: got {shown(value)}, wanted a number that a float holds"
        ) from None
    if given is None:
        raise TypeError(f"{name}: got {shown(value)}, wanted a number")
    if (finite and not math.isfinite(given)) or (least is not None and not given >= least):
        wanted = "a finite number" if finite else "a number"
        bound = "" if least is None else f", {least:g} or more"
        raise ValueError(f"{name}: got {given!r}, wanted {wanted}{bound}")
    return given


def truth(name: str, value: object) -> bool:
    """``value`` as a bool; nothing else counts as one.

    Raises:
        TypeError: it is none.
    """
    if not (_is_truth(value) and (isinstance(value, bool) or _is_scalar(value))):
        raise TypeError(f"{name}: got {shown(value)}, wanted True or False")
    return bool(value)


def choice(name: str, value: object, choices: Collection[str]) -> Any:
    """``value``, which must be one of some words.

    Raises:
        ValueError: it is not.
    """
    if not (isinstance(value, str) and value in choices):
        raise ValueError(
            f"{name}: got {shown(value)}, wanted one of {', '.join(choices) or 'none'}"
        )
    return value


def instance(name: str, value: Any, kind: Any, wanted: str) -> Any:
    """``value``, which must be of a kind.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: got {shown(value)}, wanted {wanted}")
    return value


def function(name: str, value: object, wanted: str) -> None:
    """That ``value`` can be called.

    Raises:
        TypeError: it cannot.
    """
    if not callable(value):
        raise TypeError(f"{name}: got {shown(value)}, wanted {wanted}")


def map_shape(name: str, shape: Sequence[int]) -> None:
    """That maps are ``[N, C, locations]`` or ``[N, C, h, w]``, and no map is empty."""
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{name}: got shape {list(shape)}, wanted [N, C, locations] or [N, C, h, w]"
        )
    locations = math.prod(shape[2:])
    if shape[1] == 0 or locations == 0:
        raise ValueError(
            f"{name}: got shape {list(shape)}, wanted at least one channel and one location"
        )
    if locations > MAX_LOCATIONS:
        raise ValueError(f"{name}: got {locations} locations a map, wanted at most {MAX_LOCATIONS}")


def matching(probe: Any, gallery: Any) -> None:
    """That two sets of maps can be correlated: same channels, same dtype."""
    if probe.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"gallery: got {gallery.shape[1]} channels, wanted {probe.shape[1]} as probe has"
        )
    if probe.dtype != gallery.dtype:
        raise TypeError(f"gallery: got dtype {gallery.dtype}, wanted {probe.dtype} as probe has")


def one_weight(probe: Sequence[int], gallery: Sequence[int]) -> None:
    """That one weight for each location serves maps of both shapes, ``gallery_weight`` being None.

    Maps of 4 × 2 and of 2 × 4 locations have as many, but not the same ones.
    """
    ours, theirs = probe[2:], gallery[2:]
    alike = ours == theirs if len(ours) == len(theirs) else math.prod(ours) == math.prod(theirs)
    if not alike:
        sizes = (" × ".join(map(str, sides)) for sides in (theirs, ours))
        raise ValueError(
            f"gallery_weight: got None, wanted {math.prod(theirs)} numbers: the maps differ in "
            f"size ({' and '.join(sizes)} locations), so weight cannot serve both"
        )


def self_match(gallery_weight: object) -> None:
    """That a self match, which has one weight, was given no other."""
    if gallery_weight is not None:
        raise ValueError(
            f"gallery_weight: got {shown(gallery_weight)}, wanted None in a self match"
        )


def length(name: str, shape: Sequence[int], wanted: int) -> None:
    """That a vector, of whatever shape, has so many numbers."""
    if math.prod(shape) != wanted:
        raise ValueError(f"{name}: got shape {list(shape)}, wanted {wanted} numbers")


def too_large(shapes: Sequence[Sequence[int]]) -> MemoryError:
    """The complaint of maps whose result no memory holds."""
    return MemoryError(
        f"maps: got shapes {', '.join(str(list(shape)) for shape in shapes)}, whose result no "
        "memory here holds, wanted fewer at a time (nearest_matches keeps the best of any number)"
    )


def nearest(k: object, block: object, rows: int, columns: int | None) -> tuple[int, int]:
    """``k`` and ``block`` of `nearest_matches`; ``columns`` None: the rows among themselves."""
    block = whole_number("block", block, 1)
    return whole_number("k", k, 0, max(rows - 1, 0) if columns is None else columns), block


def _is_truth(value: object) -> bool:
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")


def _is_scalar(value: object) -> bool:
    """Of numpy or torch: one number, short to show."""
    return getattr(value, "shape", None) == () and hasattr(value, "dtype")
