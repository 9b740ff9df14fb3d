"""Every setting with its type, value and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import tomli_w
from pydantic import BaseModel
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from qaconv_reid.config import RunConfig

__all__ = ["settings_lines", "settings_records", "settings_table"]


@dataclass(frozen=True, slots=True)
class _Setting:
    key: str
    type: str
    """What it may be, such as ``integer > 0``."""
    value: str | None
    """In TOML; None where it is not set, which TOML cannot say."""
    default: str | None
    meaning: str


def settings_table(config: RunConfig) -> RenderableType:
    """A row per setting; what differs from the defaults is set off, with the default below."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("Setting", no_wrap=True)
    table.add_column("Type", overflow="fold", ratio=2)
    table.add_column("Value", overflow="fold", ratio=2)
    table.add_column("Meaning", ratio=4)
    section = None
    for setting in _settings(config):
        if section not in (None, setting.key.rpartition(".")[0]):
            table.add_section()
        section = setting.key.rpartition(".")[0]
        value = Text(_shown(setting.value))
        if setting.value != setting.default:
            value.stylize("bold")
            value.append(f"\ndefault: {_shown(setting.default)}", style="not bold dim")
        # As Text: square brackets of a list are not markup.
        table.add_row(Text(setting.key), Text(setting.type), value, Text(setting.meaning))
    return table


def settings_lines(config: RunConfig) -> list[str]:
    """A line per setting, ``key = value  # type; meaning``; together they are TOML."""
    lines = []
    for setting in _settings(config):
        told = [setting.type, setting.meaning]
        if setting.value != setting.default:
            told.insert(1, f"default {_shown(setting.default)}")
        given = f"{setting.key} = {setting.value}"
        if setting.value is None:
            given = f"# {setting.key} is not set"
        lines.append(f"{given}  # {'; '.join(told)}")
    return lines


def settings_records(config: RunConfig) -> list[dict[str, str | None]]:
    """A record per setting: ``key``, ``type``, ``value``, ``default``, ``meaning``."""
    return [asdict(setting) for setting in _settings(config)]


def _settings(config: RunConfig) -> Iterator[_Setting]:
    yield from _section(config, RunConfig(), "")


def _section(section: BaseModel, defaults: BaseModel, prefix: str) -> Iterator[_Setting]:
    schema = type(section).model_json_schema()["properties"]
    values = section.model_dump(mode="json")
    before = defaults.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _section(value, getattr(defaults, name), f"{prefix}{name}.")
            continue
        meaning = " ".join((field.description or "").replace("``", "").split())
        yield _Setting(
            f"{prefix}{name}",
            _type(schema[name]),
            _toml(values[name]),
            _toml(before[name]),
            meaning,
        )


#: Bounds of JSON Schema, as they are written.
_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}


def _type(schema: Mapping[str, Any]) -> str:
    """A type of JSON Schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}s"
    if "const" in schema:
        return str(schema["const"])
    name = schema.get("type", "value").replace("null", "nothing")
    bounds = [f"{sign} {schema[bound]}" for bound, sign in _BOUNDS.items() if bound in schema]
    return f"{name} {', '.join(bounds)}" if bounds else name


def _toml(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, list | tuple):  # tomli_w takes a line for each
        return f"[{', '.join(str(_toml(item)) for item in value)}]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").replace("\n", "").strip()


def _shown(value: str | None) -> str:
    return "not set" if value is None else value
