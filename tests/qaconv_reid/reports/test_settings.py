import io
import json
import tomllib

import pytest
from pydantic import BaseModel
from rich.console import Console

from qaconv_reid import cli, config
from qaconv_reid.config import RunConfig
from qaconv_reid.reports import settings_lines, settings_table


def leaves(model=RunConfig, prefix=""):
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            assert kind.__doc__, kind
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


@pytest.mark.parametrize(("key", "field"), list(leaves()), ids=[key for key, _ in leaves()])
def test_every_setting_says_what_it_means(key, field):
    assert field.description, f"{key}: a docstring below the field"
    assert "\n\n" not in field.description


@pytest.mark.parametrize("name", config.presets())
def test_the_lines_are_the_settings_in_toml(name):
    run = config.load(name, ["data.test=['a b', 'c#d']", "model.weights=w.pth"])
    lines = settings_lines(run)
    assert tomllib.loads("\n".join(lines)) == tomllib.loads(config.to_toml(run))
    assert len(lines) == len(list(leaves()))


def test_a_line_says_type_default_and_meaning():
    lines = settings_lines(config.load("tiny"))
    (height,) = [line for line in lines if line.startswith("model.height")]
    assert height.startswith(
        "model.height = 128  # integer > 0, ≤ 8192; default 384; Pixels of the"
    )
    (weights,) = [line for line in lines if "model.weights" in line]
    assert weights.startswith("# model.weights is not set  # string or nothing; Pretrained weights")
    (kind,) = [line for line in lines if line.startswith("loss.kind")]
    kinds = "triplet | pairwise | class_memory | softmax | softmax+triplet"
    assert f'loss.kind = "pairwise"  # {kinds}; default "triplet"' in kind
    (sets,) = [line for line in lines if line.startswith("data.test")]
    assert sets.startswith("data.test = []  # list of strings; ")


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_holds_every_setting(width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(settings_table(config.load("tiny")))
    text = console.export_text()
    for key, _ in leaves():
        assert key in text
    assert "default: 384" in text
    assert max(map(len, text.splitlines())) <= width


def test_the_command_is_plain_where_nobody_looks(capsys):
    assert cli.main(["config", "tiny", "model.height=64"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == settings_lines(config.load("tiny", ["model.height=64"]))


def test_the_command_gives_toml_and_the_schema(capsys):
    assert cli.main(["config", "tiny", "--toml", "model.height=64"]) == 0
    given = tomllib.loads(capsys.readouterr().out)
    assert given == tomllib.loads(config.to_toml(config.load("tiny", ["model.height=64"])))

    assert cli.main(["config", "--json-schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"].keys() == RunConfig.model_fields.keys()
    model = schema["$defs"]["ModelConfig"]["properties"]
    assert model["height"]["exclusiveMinimum"] == 0
    assert model["height"]["description"].startswith("Pixels of the input image")
    assert not schema["additionalProperties"]
