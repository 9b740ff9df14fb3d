"""Settings from TOML files, presets and runs' folders, over the defaults; and back."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from qaconv_reid.config.errors import ConfigError
from qaconv_reid.config.sections import RunConfig
from qaconv_reid.documents import complaint, shown
from qaconv_reid.text import shortened

__all__ = [
    "CONFIG_FILE",
    "PRESET_FOLDER",
    "differences",
    "json_schema",
    "load",
    "presets",
    "to_toml",
]

PRESET_FOLDER = Path(__file__).parents[1] / "configs"

#: The name of the resolved settings within a run's folder.
CONFIG_FILE = "config.toml"


def presets() -> list[str]:
    """The names of the settings that come with the package."""
    return sorted(path.stem for path in PRESET_FOLDER.glob("*.toml"))


def load(source: str | Path | None = None, overrides: Sequence[str] = ()) -> RunConfig:
    """Settings from a file, a preset or the folder of a run, over the defaults.

    Args:
        source: a TOML file, the folder of a run, or the name of a preset; None takes the defaults.
        overrides: ``key=value`` each, the key dotted (``sampler.batch_size=32``), the value as in
            TOML, where text may go without its quotes.

    Returns:
        The whole, checked settings.

    Raises:
        ConfigError: the source is not there or not TOML, a key is unknown (the message proposes the
            nearest), a value is of the wrong type or out of range. What is wrong in a file is named
            with the file.
    """
    file, place = (None, {}) if source is None else _find(source)
    tree = {} if file is None else {**_read(file), **place}
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"{override}: wanted key=value, for example sampler.batch_size=32")
        _set(tree, key.strip(), _parse_value(text.strip()))
    try:
        return _build(tree)
    except ConfigError as error:
        # A fault that the file has by itself is the file's, any other an override's.
        if file is not None and _fault(_read(file)) == str(error):
            raise ConfigError(f"{file}: {error}") from None
        raise


def to_toml(config: RunConfig) -> str:
    """The whole settings as TOML; `load` gives them back. Keys set to None are left out."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def json_schema() -> str:
    """The JSON Schema of the settings, with the meaning of each."""
    return json.dumps(RunConfig.model_json_schema(), indent=2)


def differences(left: RunConfig, right: RunConfig) -> list[str]:
    """The dotted keys in which two settings differ, in the order of their definition."""
    one, other = dict(_leaves(left.model_dump())), dict(_leaves(right.model_dump()))
    return [key for key in _known_keys() if one[key] != other[key]]


def _find(source: str | Path) -> tuple[Path, dict[str, str]]:
    """The file that is meant: of a run, with what its place says, of a preset, or the source."""
    if str(source) == "":
        raise ConfigError("settings: got an empty text, wanted a file, a run or a preset")
    path = Path(source)
    if os.path.isfile(path / CONFIG_FILE):
        return path / CONFIG_FILE, _place(path)
    # Before a folder of this name that is no run: data may lie in it.
    if str(source) in presets():
        return PRESET_FOLDER / f"{source}.toml", {}
    if os.path.isdir(path):
        raise ConfigError(
            f"{source}: got a folder without {CONFIG_FILE}, wanted the folder of a run, a TOML "
            f"file or a preset (there are {', '.join(presets())}); data goes to data.train=PATH"
        )
    return path, {}


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file or run, and no preset of this name "
            f"(there are {', '.join(presets())}){_proposal(str(path), presets())}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ConfigError(f"{path}: cannot be read as settings: {reason}") from None
    except ValueError:  # a path with a zero byte
        raise ConfigError(f"{path}: got what no path can be, wanted a file or a preset") from None
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a number of thousands of digits is none of TOML's own
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid TOML: nested too deep") from None


def _place(folder: Path) -> dict[str, str]:
    """Name and output of the run in a folder, which may have been moved since it was made."""
    # "." and ".." have no name of their own.
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    return {"name": folder.name, "output": str(folder.parent)}


def _parse_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none: paths need no quotes."""
    try:
        value = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    except RecursionError:
        raise ConfigError(f"{shortened(text, 60)}: nested too deep, wanted key=value") from None
    # More than one key means that the text held a line break and a second assignment.
    if set(value) != {"value"} or not isinstance(value["value"], str | int | float | list | dict):
        return text
    return value["value"]


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, leaf = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{key}: {section} is a single setting and has no parts")
    tree[leaf] = value


def _fault(tree: Mapping[str, Any]) -> str | None:
    """What is wrong first with these settings alone."""
    try:
        _build(tree)
    except ConfigError as error:
        return str(error)
    return None


def _build(tree: Mapping[str, Any]) -> RunConfig:
    known = set(_known_keys())
    sections = {key.rpartition(".")[0] for key in known} - {""}
    try:
        leaves = list(_leaves(tree))
    except RecursionError:  # a dotted key of thousands of parts
        raise ConfigError("settings: got parts nested too deep, wanted section.key") from None
    for key, value in leaves:
        if key in sections:
            got = shown(value)
            raise ConfigError(f"{key}: got {got}, wanted a section; {key} has parts")
        if key not in known:
            raise ConfigError(f"unknown key {key}{_proposal(key, known)}")
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(complaint(error)) from None


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested tables; an empty table that is no section is a leaf."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _known_keys() -> list[str]:
    return [key for key, _ in _leaves(RunConfig().model_dump())]


def _proposal(key: str, known: Iterable[str]) -> str:
    """`` (did you mean …?)``, or nothing where no known key is near."""
    names = sorted(known)
    # A key written without its section is nearest to the one with the same last part.
    leaf = key.rpartition(".")[2]
    by_leaf = [name for name in names if name.rpartition(".")[2] == leaf]
    nearest = by_leaf or difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return f" (did you mean {' or '.join(nearest)}?)" if nearest else ""
