"""The command ``qaconv``.

Nothing beyond the standard library is imported before a command is known: ``--help`` is quick, and
``qaconv doctor`` works where only the library's own dependencies are installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qaconv_reid.config import RunConfig

__all__ = ["main"]

#: Exit codes beside 0.
USER_ERROR = 2
INTERRUPTED = 130

#: Import names of what the extra ``reid`` installs.
_EXTRA = frozenset({"torchvision", "PIL", "pydantic", "rich", "safetensors", "tomli_w"})

#: What a user can put right; all else is a fault of the program and keeps its traceback.
_USER_ERRORS = (
    ("qaconv_reid.config", "ConfigError"),
    ("qaconv_reid.data.records", "DataError"),
    ("qaconv_reid.people.dataset", "PeopleError"),
    ("qaconv_reid.training.checkpoint", "CheckpointError"),
    ("qaconv_reid.training.watch", "CollapsedError"),
)
_INTERRUPTIONS = (("qaconv_reid.recipes.train", "Interrupted"),)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments after the command's name; None takes those of the process.

    Returns:
        0, or 1 where a check found a problem, or 2 after an error of the user's making, which is
        said without a traceback, or 130 after an interruption.
    """
    # Read when the OpenMP runtime is loaded, which comes with torch: threads that wait sleep. Where
    # others use the machine too, threads that wait busily take from those that they wait for.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        arguments = _parse(argv)
        code: int = arguments.run(arguments)
        return code
    except BrokenPipeError:  # `qaconv ... | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        return _complain(f"this needs {error.name}: pip install 'qaconv-ext[reid]'", USER_ERROR)
    except Exception as error:
        if isinstance(error, _loaded(_INTERRUPTIONS)):
            return _complain(str(error), INTERRUPTED)
        if isinstance(error, (OSError, *_loaded(_USER_ERRORS))):
            return _complain(str(error), USER_ERROR)
        raise


def _loaded(names: Sequence[tuple[str, str]]) -> tuple[type[BaseException], ...]:
    """The classes of those modules that are loaded: the others cannot have raised theirs."""
    return tuple(
        getattr(sys.modules[module], name) for module, name in names if module in sys.modules
    )


def _complain(message: str, code: int) -> int:
    print(f"qaconv: {'error: ' if code == USER_ERROR else ''}{message}", file=sys.stderr)
    return code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    # argparse takes "*" once only: settings behind an option would be refused.
    arguments, rest = parser.parse_known_args(argv)
    if any(text.startswith("-") for text in rest) or (rest and "settings" not in arguments):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.settings += rest
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qaconv", description="Person re-identification with QAConv and graph sampling."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    train = commands.add_parser(
        "train", help="train a network, then evaluate it", description="Train, then evaluate."
    )
    _add_settings(train, "a TOML file, the name of a preset, or the folder of a run")
    train.add_argument("--resume", action="store_true", help="go on with the run of this name")
    train.add_argument(
        "--leave-one-out",
        action="store_true",
        help="of the data sets of data.train leave out each in turn, and search in it",
    )
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        "evaluate", help="evaluate a run", description="Evaluate a run on its or other data sets."
    )
    _add_settings(
        evaluate,
        "the folder of a run or a checkpoint.pth.tar of QAConv's authors (with --untrained a TOML "
        "file or a preset)",
    )
    evaluate.add_argument(
        "--data",
        action="append",
        metavar="SPEC",
        help="a data set, PATH or LAYOUT:PATH, instead of data.test; may be given several times",
    )
    evaluate.add_argument(
        "--untrained",
        action="store_true",
        help="the matcher as it is before training, on the weights that training starts from",
    )
    evaluate.add_argument(
        "--ranked", metavar="FOLDER", help="write a picture of ranked lists of each data set there"
    )
    evaluate.add_argument(
        "--protocol",
        default="market",
        help="market (default): a query's images by its own camera are left out; cross-camera: all "
        "images by its camera; cuhk03: one gallery image a person, ten times; none: nothing",
    )
    evaluate.add_argument(
        "--rerank", action="store_true", help="also after k-reciprocal re-ranking"
    )
    evaluate.add_argument(
        "--tlift", action="store_true", help="also after temporal lifting, where times are known"
    )
    evaluate.add_argument(
        "--area",
        default="plain",
        help="average precision: plain (default) or trapezoid, as the MATLAB code of Market-1501",
    )
    evaluate.add_argument("--json", metavar="FILE", help="write the measures there")
    evaluate.add_argument(
        "--csv", metavar="FILE", help="write there what each query's image was taken for"
    )
    evaluate.add_argument(
        "--features",
        metavar="FOLDER",
        help="write the feature maps of query and gallery there, with persons, cameras, times and "
        "paths, as safetensors",
    )
    evaluate.add_argument("--npz", action="store_true", help="write features as .npz instead")
    evaluate.add_argument(
        "--fresh",
        action="store_true",
        help="begin anew, where an interrupted evaluation would be gone on with",
    )
    evaluate.set_defaults(run=_evaluate)

    compare = commands.add_parser(
        "compare",
        help="compare two evaluated runs, query by query",
        description="The differences in Rank-1 and mAP of two runs on the queries that both were "
        "evaluated on, whether they are chance, and which queries changed most.",
    )
    for name in ("first", "second"):
        compare.add_argument(
            name, metavar="RUN", help="the folder of a run, or a file of evaluate --csv"
        )
    compare.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="SPEC",
        help="a data set by name or place, instead of all; may be given several times",
    )
    compare.add_argument(
        "--changed", type=int, default=10, metavar="N", help="queries to show (default: 10)"
    )
    compare.set_defaults(run=_compare)

    data = commands.add_parser("data", help="look at data sets, make one")
    data_commands = data.add_subparsers(metavar="COMMAND", required=True)
    check = data_commands.add_parser(
        "check", help="count a data set's persons and images, compare with the published counts"
    )
    check.add_argument("path", metavar="PATH", help="the data set, PATH or LAYOUT:PATH")
    check.add_argument("--layout", help="its layout, where it is not to be recognised")
    check.set_defaults(run=_check)
    make = data_commands.add_parser(
        "make",
        help="draw virtual people: a data set of four domains, from a seed, with no download",
        description="Draw virtual people (synthetic): what an interrupted run has drawn is kept.",
    )
    make.add_argument("size", metavar="SIZE", help="tiny, small, base or large")
    make.add_argument("--out", metavar="FOLDER", help="where to (default: the user's cache)")
    make.add_argument("--seed", type=int, default=0, help="another seed, other people (default: 0)")
    make.add_argument(
        "--naming",
        default="market",
        help="market (default): a data set for each domain; randperson: one training set",
    )
    make.add_argument("--workers", type=int, help="processes (default: one for each core)")
    make.set_defaults(run=_make)
    measure = data_commands.add_parser(
        "measure",
        help="how hard a data set is, within its domains and across them",
        description="Rank-1 and mAP of a colour histogram, a pooled embedding, the untrained "
        "matcher and trained runs, within domains and across them.",
    )
    measure.add_argument("path", metavar="PATH", help="a folder of data sets, or a data set")
    _add_settings(measure, "a TOML file or a preset: its model is what untrained methods take")
    measure.add_argument(
        "--run",
        action="append",
        default=[],
        dest="runs",
        metavar="RUN",
        help="a trained run, several times",
    )
    measure.add_argument("--json", metavar="FILE", help="write the figures there")
    measure.set_defaults(run=_measure)

    config = commands.add_parser(
        "config",
        help="every setting with its type, value and meaning",
        description="Print the resolved settings; piped, as TOML with a comment each.",
    )
    _add_settings(config, "a TOML file, the name of a preset, or the folder of a run")
    form = config.add_mutually_exclusive_group()
    form.add_argument("--json-schema", action="store_true", help="the JSON Schema of all settings")
    form.add_argument("--toml", action="store_true", help="the settings as TOML")
    config.set_defaults(run=_config)

    doctor = commands.add_parser("doctor", help="what is installed and what will run here")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_settings(parser: argparse.ArgumentParser, source: str) -> None:
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="CONFIG | key=value",
        help=f"first {source}; then single settings over it, such as sampler.batch_size=32",
    )


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


def _train(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)

    from rich.console import Console

    from qaconv_reid.recipes.train import leave_one_out, train

    chosen = leave_one_out if arguments.leave_one_out else train
    chosen(settings, resume=arguments.resume, console=Console())
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    source, single = _parts(arguments)
    foreign = None
    # Every file that is no TOML is taken for a checkpoint.
    if source is not None and os.path.isfile(source) and not source.endswith(".toml"):
        from qaconv_reid.config import ConfigError
        from qaconv_reid.recipes.restore import Foreign

        if arguments.untrained:
            raise ConfigError(
                f"--untrained: got it with the checkpoint {source}, wanted one of them; "
                "model.weights takes its backbone alone"
            )
        foreign = Foreign.read(Path(source), single)
    settings = _settings(arguments) if foreign is None else foreign.config
    if arguments.data:
        data = settings.data.model_copy(update={"test": tuple(arguments.data)})
        settings = settings.model_copy(update={"data": data})

    from rich.console import Console

    from qaconv_reid.recipes.evaluate import evaluate, parse_measures
    from qaconv_reid.recipes.outputs import Outputs

    evaluate(
        settings,
        console=Console(),
        untrained=arguments.untrained,
        foreign=foreign,
        measures=parse_measures(
            arguments.protocol, arguments.area, rerank=arguments.rerank, tlift=arguments.tlift
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


def _compare(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from qaconv_reid.recipes.compare import compare

    compare(
        arguments.first,
        arguments.second,
        specs=arguments.data,
        changed=arguments.changed,
        console=Console(),
    )
    return 0


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _check(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from qaconv_reid import data

    path, layout = data.parse_spec(arguments.path)
    report = data.check(path, arguments.layout or layout)
    Console().print(data.render(report))
    return 0 if report.ok else 1


def _make(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from qaconv_reid.recipes.people import make

    make(
        arguments.size,
        arguments.out,
        seed=arguments.seed,
        naming=arguments.naming,
        workers=arguments.workers,
        console=Console(),
    )
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)

    from rich.console import Console

    from qaconv_reid.recipes.measure import measure

    measure(
        arguments.path,
        settings,
        said=arguments.settings,
        runs=arguments.runs,
        file=arguments.json,
        console=Console(),
    )
    return 0


def _config(arguments: argparse.Namespace) -> int:
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


def _doctor(arguments: argparse.Namespace) -> int:
    from qaconv_ext.doctor import main as doctor

    return doctor()


if __name__ == "__main__":
    sys.exit(main())
