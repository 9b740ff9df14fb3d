"""Settings: defaults, files, overrides, and what is said of wrong ones."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from qaconv_reid import config
from qaconv_reid.config import ConfigError, RunConfig


def test_defaults_are_the_papers_setting():
    run = config.load()

    assert (run.model.height, run.model.width, run.model.neck_features) == (384, 128, 128)
    assert (run.model.backbone, run.model.stage) == ("resnet50_ibn_b", "layer3")
    assert (run.sampler.kind, run.sampler.batch_size, run.sampler.num_instances) == ("graph", 64, 2)
    assert (run.loss.kind, run.loss.margin) == ("triplet", 16.0)
    optimizer = run.optimizer
    assert (optimizer.learning_rate, optimizer.backbone_factor) == (5e-3, 0.1)
    assert (optimizer.momentum, optimizer.weight_decay, optimizer.clip_norm) == (0.9, 5e-4, 8.0)
    schedule = run.schedule
    assert (schedule.max_epochs, schedule.loss_factor, schedule.stretch) == (60, 0.7, 1.5)


def test_the_paper_preset_is_the_defaults():
    assert config.load("paper") == RunConfig()


@pytest.mark.parametrize("name", config.presets())
def test_every_preset_loads_and_is_named_as_its_file(name):
    assert config.load(name).name == name


def test_a_file_holds_only_differences(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\n[sampler]\nbatch_size = 32\n')

    run = config.load(file)

    assert run.sampler.batch_size == 32
    assert config.differences(RunConfig(), run) == ["name", "sampler.batch_size"]


@pytest.mark.parametrize(
    ("override", "key", "wanted"),
    [
        ("sampler.batch_size=32", "sampler.batch_size", 32),
        ("optimizer.learning_rate=1e-3", "optimizer.learning_rate", 1e-3),
        ("loss.margin=8", "loss.margin", 8.0),
        ("runtime.precision=bfloat16", "runtime.precision", "bfloat16"),
        ("model.weights=/data/a=b c.pth", "model.weights", "/data/a=b c.pth"),
        ('model.weights="x.pth"', "model.weights", "x.pth"),
        ("data.train=market:/data/m", "data.train", ("market:/data/m",)),
        ('data.test=["a", "b"]', "data.test", ("a", "b")),
        ("name=2026-01-02", "name", "2026-01-02"),
    ],
)
def test_overrides(override, key, wanted):
    section, _, leaf = key.rpartition(".")
    run = config.load("tiny", [override])

    assert getattr(getattr(run, section) if section else run, leaf) == wanted


def test_an_override_wins_over_the_file(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text("[sampler]\nbatch_size = 32\nnum_instances = 4\n")

    run = config.load(file, ["sampler.batch_size=16"])

    assert (run.sampler.batch_size, run.sampler.num_instances) == (16, 4)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sampler.batchsize=3", "unknown key sampler.batchsize (did you mean sampler.batch_size?)"),
        ("batch_size=3", "(did you mean evaluation.batch_size or sampler.batch_size?)"),
        ("margin=3", "unknown key margin (did you mean loss.margin?)"),
        (
            "optimiser.momentum=0",
            "unknown key optimiser.momentum (did you mean optimizer.momentum?)",
        ),
        ("qqqqqqqq=3", "unknown key qqqqqqqq"),
        ("sampler=3", "sampler: got 3, wanted a section"),
        ("name.part=3", "unknown key name.part"),
        ("sampler.batch_size=many", "sampler.batch_size: got 'many'"),
        ("sampler.batch_size=0", "sampler.batch_size: got 0, wanted greater than 0"),
        (
            "sampler.batch_size=63",
            "sampler.batch_size: got 63 with num_instances=2, wanted a multiple",
        ),
        ("sampler.kind=best", "sampler.kind: got 'best', wanted 'graph', 'pk' or 'shuffle'"),
        ("loss.margin=-1", "loss.margin: got -1"),
        ("schedule.loss_factor=1.0", "schedule.loss_factor: got 1.0"),
        ("name=a/b", "name: got 'a/b'"),
        ("name=..", "name: got '..'"),
        ("sampler.batch_size", "sampler.batch_size: wanted key=value"),
    ],
)
def test_a_wrong_setting_is_named(override, said):
    with pytest.raises(ConfigError) as caught:
        config.load(None, [override])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("data.balanced=true", "sampler.one_set: got true with data.balanced=true"),
        ("data.persons=joined", "sampler.one_set: got true with data.persons=joined"),
    ],
)
@pytest.mark.parametrize("kind", ["pk", "graph"])
def test_batches_of_one_set_are_not_of_all_sets(kind, more, said):
    settings = [f"sampler.kind={kind}", "sampler.one_set=true", more, 'data.train=["a", "b"]']
    with pytest.raises(ConfigError, match=re.escape(said)):
        config.load(None, [*settings, "sampler.warm_start=1"])
    if more == "data.balanced=true":
        config.load(None, [*settings, "sampler.warm_start=1", "data.train=a"])  # the only one
        if kind == "graph":  # no batch is of PK
            config.load(None, settings)


def test_an_unknown_key_of_a_file_names_the_file(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text("[model]\nhieght = 3\n")

    with pytest.raises(ConfigError, match=r"mine.toml: unknown key model.hieght .*model.height"):
        config.load(file)


@pytest.mark.parametrize("of_a_run", [True, False])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model]\nheight = -1\n", "model.height: got -1, wanted greater than 0"),
        ("[model]\nhieght = 3\n", "unknown key model.hieght (did you mean model.height?)"),
        ("model = 3\n", "model: got 3, wanted a section; model has parts"),
        ("[sampler]\nbatch_size = 63\n", "sampler.batch_size: got 63 with num_instances=2"),
        ('[data]\ntrain = ""\n', "data.train: got '', wanted PATH or LAYOUT:PATH"),
        ("[schedule]\npatience = 3\n", "schedule.patience needs evaluation.every"),
        ("a." * 3000 + "a = 1\n", "settings: got parts nested too deep, wanted section.key"),
    ],
)
def test_what_is_wrong_in_a_file_names_the_file(tmp_path: Path, text, said, of_a_run):
    """Whatever is changed beside it, and whether the file or the folder of its run is given."""
    file = tmp_path / config.CONFIG_FILE
    file.write_text(text)
    for overrides in ([], ["loss.margin=8"]):
        with pytest.raises(ConfigError) as caught:
            config.load(tmp_path if of_a_run else file, overrides)
        assert str(caught.value).startswith(f"{file}: {said}")


def test_what_is_wrong_in_an_override_does_not_name_the_file(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text("[sampler]\nbatch_size = 62\n[loss]\nmargin = 8\n")
    for override, said in [
        ("loss.margin=-1", "loss.margin: got -1"),
        ("loss.marge=1", "unknown key loss.marge (did you mean loss.margin?)"),
        ("sampler.num_instances=4", "sampler.batch_size: got 62 with num_instances=4"),
    ]:
        with pytest.raises(ConfigError) as caught:
            config.load(file, [override])
        assert str(caught.value).startswith(said)
    file.write_text("[loss]\nmargin = -1\n")
    assert config.load(file, ["loss.margin=4"]).loss.margin == 4


@pytest.mark.parametrize("source", ["tinny", "no/such/file.toml"])
def test_a_missing_source_lists_the_presets(source):
    with pytest.raises(ConfigError, match=r"there are bot, paper, people, pk-2"):
        config.load(source)


def test_a_file_that_is_no_toml(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text("name: mine\n")
    with pytest.raises(ConfigError, match=r"mine.toml: not valid TOML"):
        config.load(file)


def test_the_resolved_settings_come_back_from_the_folder_of_the_run(tmp_path: Path):
    run = config.load("tiny", ["data.test=[]", "data.train=a b", "runtime.seed=7"])
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / config.CONFIG_FILE).write_text(config.to_toml(run))

    back = config.load(moved)

    assert config.differences(run, back) == ["name", "output"]
    assert back.directory == moved


def test_the_resolved_settings_name_every_key_that_is_set():
    text = config.to_toml(config.load("tiny", ["model.weights=w.pth"]))
    written = tomllib.loads(text)
    assert written["schedule"]["loss_factor"] == 0.7
    assert set(written) == set(RunConfig.model_fields)


def test_settings_are_frozen_and_sections_small():
    run = RunConfig()
    with pytest.raises(ValueError, match="frozen"):
        run.name = "other"
    for name in RunConfig.model_fields:
        assert len(getattr(type(getattr(run, name)), "model_fields", ())) <= 12


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimizer.learning_rate=inf", "got inf, wanted a finite number"),
        ("optimizer.learning_rate=1e30", "got 1e+30, wanted less than or equal to 1000"),
        ("loss.margin=inf", "got inf, wanted a finite number"),
        ("data.validation=nan", "got nan, wanted a finite number"),
        ("model.height=1000000000", "got 1000000000, wanted less than or equal to 8192"),
        ("model.neck_features=1000000000", "wanted less than or equal to 8192"),
        (f"runtime.seed={2**70}", f"got {2**70}, wanted less than {2**63}"),
        ("runtime.device=meta", "got 'meta', wanted auto, cpu, cuda or cuda:NUMBER"),
        ("runtime.device=mps", "got 'mps', wanted auto, cpu, cuda or cuda:NUMBER"),
        ("sampler.batch_size=true", "got True, wanted a value of its type, not true or false"),
        ("optimizer.momentum=true", "got True, wanted a value of its type, not true or false"),
        ("schedule.epoch_images=true", "got True, wanted a value of its type"),
        ("schedule.epoch_images=some", "got 'some', wanted 'graph' or 'data' or a valid integer"),
        ("name=a b", "got 'a b', wanted a name of letters, digits and _.+-, not ending in a dot"),
        (f"name={'a' * 300}", "of at most 200 bytes"),
        (f"name={'é' * 150}", "of at most 200 bytes"),
        ("output=", "got '', wanted a folder"),
        ("data.cache_folder=", "got '', wanted a folder"),
        ("data.train=", "got '', wanted PATH or LAYOUT:PATH, or several in a list"),
        ("data.test=", "got '', wanted PATH or LAYOUT:PATH, or several in a list"),
        ('data.train=["a", ""]', "got ['a', ''], wanted PATH or LAYOUT:PATH"),
        (r'data.train="a\u0000b"', r"got 'a\x00b', wanted PATH or LAYOUT:PATH"),
        ("data.pattern=", "got '', wanted a text, not empty and without a NUL byte"),
        ("model.weights=", "got '', wanted a text, not empty and without a NUL byte"),
        ("model.backbone=", "got '', wanted a text, not empty and without a NUL byte"),
    ],
)
def test_a_setting_is_within_its_bounds(override, said):
    with pytest.raises(ConfigError) as caught:
        config.load(None, [override])
    assert str(caught.value).startswith(f"{override.partition('=')[0]}: got ")
    assert said in str(caught.value)
    assert len(str(caught.value)) <= 600


def test_every_number_has_both_bounds():
    """One without would let a slip of the hand reach the memory or the weights."""

    def numbers(schema, sections, path=""):
        for name, field in schema["properties"].items():
            if "$ref" in field:
                section = sections[field["$ref"].rpartition("/")[2]]
                yield from numbers(section, sections, f"{path}{name}.")
            for choice in field.get("anyOf", [field]):
                if choice.get("type") in ("integer", "number"):
                    yield f"{path}{name}", choice

    schema = RunConfig.model_json_schema()
    found = dict(numbers(schema, schema["$defs"]))
    assert len(found) > 40
    open_ended = [
        name
        for name, field in found.items()
        if not {"minimum", "exclusiveMinimum"} & field.keys()
        or not {"maximum", "exclusiveMaximum"} & field.keys()
    ]
    assert open_ended == []


@pytest.mark.parametrize("text", ["[" * 5000, "a = " + "[" * 5000, "\udcff", "x" * 5000])
def test_no_file_of_settings_is_too_odd_for_a_sentence(tmp_path: Path, text):
    file = tmp_path / "mine.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"mine\.toml: (not valid TOML|cannot be read as sett)"):
        config.load(file)


@pytest.mark.parametrize("source", ["a" * 5000, "a\0b", "x/" * 3000, ""])
def test_no_name_of_settings_is_too_odd_for_a_sentence(source):
    with pytest.raises(ConfigError) as caught:
        config.load(source)
    assert len(str(caught.value)) <= 600


def test_a_folder_that_is_no_run_does_not_hide_a_preset(tmp_path: Path, monkeypatch):
    """Such as one with data in it; one that is a run is meant, whatever it is called."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "mine").mkdir()
    assert config.load("tiny").name == "tiny"
    with pytest.raises(
        ConfigError, match=r"mine: got a folder without config\.toml, .*data\.train"
    ):
        config.load("mine")
    (tmp_path / "tiny" / config.CONFIG_FILE).write_text("[sampler]\nbatch_size = 34\n")
    assert config.load("tiny").sampler.batch_size == 34
