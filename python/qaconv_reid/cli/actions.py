"""What each command does with its arguments: import its recipe, and call it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qaconv_reid.config import RunConfig
    from qaconv_reid.data import Views
    from qaconv_reid.restore import Foreign


def _views(arguments: argparse.Namespace) -> Views:
    from qaconv_reid.data import Views

    return Views.parse(arguments.variants, every_crop=arguments.every_crop)


def _parts(arguments: argparse.Namespace) -> tuple[str | None, list[str]]:
    """The source of the settings, and the single settings over it."""
    from qaconv_reid.config import ConfigError

    # A path may hold an equals sign.
    single = [text for text in arguments.settings if "=" in text and not os.path.exists(text)]
    sources = [text for text in arguments.settings if text not in single]
    if len(sources) > 1:
        raise ConfigError(
            f"{sources[1]}: got a second source of settings, wanted one, and then key=value"
        )
    return sources[0] if sources else None, single


def _settings(arguments: argparse.Namespace) -> RunConfig:
    from qaconv_reid import config

    return config.load(*_parts(arguments))


def train(arguments: argparse.Namespace) -> int:
    """``qaconv train``."""
    settings = _settings(arguments)

    from rich.console import Console

    from qaconv_reid.recipes.leave_one_out import leave_one_out
    from qaconv_reid.recipes.train import train

    chosen = leave_one_out if arguments.leave_one_out else train
    chosen(settings, resume=arguments.resume, console=Console())
    return 0


def _models(arguments: argparse.Namespace) -> tuple[RunConfig, Foreign | None]:
    """The settings, and the checkpoint of another program where the source is one."""
    source, single = _parts(arguments)
    foreign = None
    # Every file that is no TOML is taken for a checkpoint.
    if source is not None and os.path.isfile(source) and not source.endswith(".toml"):
        from qaconv_reid.config import ConfigError
        from qaconv_reid.restore import Foreign

        if arguments.untrained:
            raise ConfigError(
                f"--untrained: got it with the checkpoint {source}, wanted one of them; "
                "model.weights takes its backbone alone"
            )
        foreign = Foreign.read(Path(source), single)
    return (_settings(arguments) if foreign is None else foreign.config), foreign


def _with_test_sets(settings: RunConfig, specs: Sequence[str]) -> RunConfig:
    """The settings with these data sets to search, where there are any."""
    if not specs:
        return settings
    data = settings.data.model_copy(update={"test": tuple(specs)})
    return settings.model_copy(update={"data": data})


def evaluate(arguments: argparse.Namespace) -> int:
    """``qaconv evaluate``."""
    for name, value in (
        ("average_precision", arguments.area),
        ("precision", arguments.precision),
        ("shortlist", arguments.shortlist),
    ):
        if value is not None:
            arguments.settings.append(f"evaluation.{name}={value}")
    settings, foreign = _models(arguments)
    settings = _with_test_sets(settings, arguments.data)

    from rich.console import Console

    from qaconv_reid.recipes.evaluate import evaluate, parse_measures
    from qaconv_reid.recipes.outputs import Outputs

    evaluate(
        settings,
        console=Console(),
        untrained=arguments.untrained,
        foreign=foreign,
        measures=parse_measures(
            arguments.protocol,
            settings.evaluation.average_precision,
            rerank=arguments.rerank,
            tlift=arguments.tlift,
            views=_views(arguments),
        ),
        outputs=Outputs(
            ranked=_path(arguments.ranked),
            features=_path(arguments.features),
            npz=arguments.npz,
            json=_path(arguments.json),
            csv=_path(arguments.csv),
        ),
        fresh=arguments.fresh,
    )
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """``qaconv compare``."""
    from rich.console import Console

    from qaconv_reid.recipes.compare import compare

    compare(
        arguments.first,
        arguments.second,
        specs=arguments.data,
        changed=arguments.changed,
        file=_path(arguments.json),
        console=Console(),
    )
    return 0


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def match(arguments: argparse.Namespace) -> int:
    """``qaconv match``."""
    settings, foreign = _models(arguments)

    from rich.console import Console

    from qaconv_reid.recipes.match import Drawing, match

    match(
        Path(arguments.probe),
        Path(arguments.gallery),
        settings,
        console=Console(),
        untrained=arguments.untrained,
        foreign=foreign,
        drawing=Drawing(
            Path(arguments.draw) if arguments.draw else None,
            arguments.top,
            arguments.threshold,
            arguments.base,
        ),
    )
    return 0


def report(arguments: argparse.Namespace) -> int:
    """``qaconv report``."""
    settings = _with_test_sets(_settings(arguments), arguments.data)

    from rich.console import Console

    from qaconv_reid.recipes.report import report

    report(
        settings,
        console=Console(),
        out=Path(arguments.out) if arguments.out else None,
        json_file=Path(arguments.json) if arguments.json else None,
        images=not arguments.no_images,
        before=_path(arguments.before),
    )
    return 0


def calibrate(arguments: argparse.Namespace) -> int:
    """``qaconv calibrate``."""
    from rich.console import Console

    from qaconv_reid.recipes.calibrate import calibrate

    calibrate(
        arguments.source,
        arguments.data,
        by_camera=arguments.by_camera,
        device=arguments.device,
        console=Console(),
    )
    return 0


def export(arguments: argparse.Namespace) -> int:
    """``qaconv export``."""
    from rich.console import Console

    from qaconv_reid.recipes.export import export

    export(arguments.source, Path(arguments.out), opset=arguments.opset, console=Console())
    return 0


def gallery_add(arguments: argparse.Namespace) -> int:
    """``qaconv gallery add``."""
    from rich.console import Console

    from qaconv_reid.recipes.gallery import add

    add(
        arguments.source,
        arguments.gallery,
        arguments.paths,
        batch_size=arguments.batch_size,
        device=arguments.device,
        console=Console(),
    )
    return 0


def gallery_info(arguments: argparse.Namespace) -> int:
    """``qaconv gallery info``."""
    from rich.console import Console

    from qaconv_reid.recipes.gallery import info

    info(arguments.gallery, queries=arguments.queries, console=Console())
    return 0


def gallery_remove(arguments: argparse.Namespace) -> int:
    """``qaconv gallery remove``."""
    from rich.console import Console

    from qaconv_reid.recipes.gallery import remove

    remove(arguments.gallery, arguments.where, console=Console())
    return 0


def search(arguments: argparse.Namespace) -> int:
    """``qaconv search``."""
    from rich.console import Console

    from qaconv_reid.config import ConfigError

    many = arguments.queries is not None
    if many == bool(arguments.images) or many != (arguments.out is not None):
        raise ConfigError(
            "search: wanted images to search with, or --queries SOURCE with --out FILE"
        )
    how: dict[str, Any] = {
        "k": arguments.k,
        "where": arguments.where,
        "exact": arguments.exact,
        "engine": arguments.engine,
        "device": arguments.device,
        "console": Console(),
    }
    run, place = arguments.source, arguments.gallery
    if many:
        from qaconv_reid.recipes.answers import search_file

        out = Path(arguments.out)
        unread = search_file(run, place, arguments.queries, out, fresh=arguments.fresh, **how)
        return 1 if unread else 0

    from qaconv_reid.recipes.search import search

    search(run, place, arguments.images, camera=arguments.camera, as_json=arguments.json, **how)
    return 0


def serve(arguments: argparse.Namespace) -> int:
    """``qaconv serve``."""
    from rich.console import Console

    from qaconv_reid.recipes.serve import serve

    serve(
        arguments.source,
        arguments.gallery,
        host=arguments.host,
        port=arguments.port,
        device=arguments.device,
        console=Console(),
    )
    return 0


def check(arguments: argparse.Namespace) -> int:
    """``qaconv data check``."""
    from rich.console import Console

    from qaconv_reid import data
    from qaconv_reid.reports import ProgressBars

    console = Console()
    path, layout = data.parse_spec(arguments.path)
    layout = arguments.layout or layout
    if arguments.pattern is not None:
        if layout not in (None, "pattern"):
            raise data.DataError(f"--pattern: got it with the layout {layout}, wanted one of them")
        shown = data.preview(path, data.compile_pattern(arguments.pattern))
        if shown:
            console.print(data.render_preview(shown))
    with ProgressBars() as progress:
        report = data.check(
            path,
            layout,
            pattern=arguments.pattern,
            inspection=data.Inspection(decode=arguments.all, progress=progress),
        )
    console.print(data.render(report))
    return 0 if report.ok else 1


def study(arguments: argparse.Namespace) -> int:
    """``qaconv study``."""
    identities, seeds = (_numbers(arguments, name) for name in ("identities", "seeds"))

    from rich.console import Console

    from qaconv_reid.recipes.study import study

    study(
        arguments.study,
        arguments.overrides,
        folder=None if arguments.out is None else Path(arguments.out),
        arms=() if arguments.arms is None else arguments.arms.split(","),
        identities=identities,
        seeds=seeds,
        images=arguments.images,
        jobs=arguments.jobs,
        console=Console(),
    )
    return 0


def _numbers(arguments: argparse.Namespace, name: str) -> list[int]:
    """Whole numbers with commas between them."""
    text = getattr(arguments, name)
    try:
        numbers = [] if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [-1]
    if any(number < 0 for number in numbers):
        from qaconv_reid.config import ConfigError

        raise ConfigError(f"--{name}: got {text!r}, wanted whole numbers, as 0,1,2")
    return numbers


def probe(arguments: argparse.Namespace) -> int:
    """``qaconv data probe``."""
    from rich.console import Console

    from qaconv_reid.recipes.probe import probe

    probe(
        arguments.source,
        arguments.run_folder,
        images=arguments.images_at_most,
        device=arguments.device,
        console=Console(),
    )
    return 0


def make(arguments: argparse.Namespace) -> int:
    """``qaconv data make``."""
    from rich.console import Console

    from qaconv_reid.recipes.people import Request, make

    domains = arguments.domains
    request = Request(
        arguments.size,
        arguments.seed,
        arguments.naming,
        domains=None if domains is None else tuple(domains.split(",")),
        train=arguments.train,
        test=arguments.test,
        visits=arguments.visits,
        shots=arguments.shots,
        families=arguments.families,
    )
    make(
        request,
        arguments.out,
        packed=arguments.packed,
        workers=arguments.workers,
        console=Console(),
    )
    return 0


def measure(arguments: argparse.Namespace) -> int:
    """``qaconv data measure``."""
    settings = _settings(arguments)

    from rich.console import Console

    from qaconv_reid.recipes.measure import measure

    measure(
        arguments.path,
        settings,
        views=_views(arguments),
        said=arguments.settings,
        runs=arguments.runs,
        file=arguments.json,
        console=Console(),
    )
    return 0


def config(arguments: argparse.Namespace) -> int:
    """``qaconv config``."""
    from qaconv_reid import config

    settings = _settings(arguments)
    if arguments.toml:
        print(config.to_toml(settings), end="")
        return 0
    if arguments.json_schema:
        print(config.json_schema())
        return 0

    from rich.console import Console

    from qaconv_reid.reports import settings_lines, settings_table

    console = Console()
    if console.is_terminal:
        console.print(settings_table(settings))
    else:
        print("\n".join(settings_lines(settings)))
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """``qaconv doctor``."""
    from qaconv_ext.doctor import main as doctor

    return doctor()
