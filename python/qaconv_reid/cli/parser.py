"""The command line: every command with its arguments, and the function that does it."""

from __future__ import annotations

import argparse

from qaconv_ext import __version__
from qaconv_reid.cli import actions

__all__ = ["build_parser"]


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; ``run`` of its result is the function to call."""
    parser = argparse.ArgumentParser(
        prog="qaconv", description="Person re-identification with QAConv and graph sampling."
    )
    parser.add_argument("--version", action="version", version=f"qaconv {__version__}")
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
    train.set_defaults(run=actions.train)

    evaluate = commands.add_parser(
        "evaluate", help="evaluate a run", description="Evaluate a run on its or other data sets."
    )
    _add_settings(
        evaluate,
        "the folder of a run or a checkpoint.pth.tar of QAConv's authors (with --untrained a TOML "
        "file or a preset)",
    )
    _add_data(evaluate, "to search, instead of data.test")
    evaluate.add_argument(
        "--untrained",
        action="store_true",
        help="the matcher as it is before training, on the weights that training starts from",
    )
    evaluate.add_argument(
        "--ranked", metavar="FOLDER", help="write an image of ranked lists of each data set there"
    )
    evaluate.add_argument(
        "--protocol",
        default="market",
        help="market (default): a query's images by its own camera are left out; cross-camera: all "
        "images by its camera; cuhk03: one gallery image of an identity, ten times; none: nothing",
    )
    _add_views(evaluate)
    evaluate.add_argument(
        "--rerank", action="store_true", help="also after k-reciprocal re-ranking"
    )
    evaluate.add_argument(
        "--tlift", action="store_true", help="also after temporal lifting, where times are known"
    )
    evaluate.add_argument(
        "--area",
        help="average precision: plain or trapezoid, as the MATLAB code of Market-1501 (default: "
        "evaluation.average_precision)",
    )
    evaluate.add_argument(
        "--shortlist",
        metavar="SHARE",
        help="of the gallery, such as 0.1, that is scored exactly for a query, the rest below by "
        "row stripes (default: evaluation.shortlist)",
    )
    evaluate.add_argument(
        "--precision",
        help="of the products that find winners: float32, bfloat16 or int8 (default: "
        "evaluation.precision)",
    )
    evaluate.add_argument("--json", metavar="FILE", help="write the measures there")
    evaluate.add_argument(
        "--csv", metavar="FILE", help="write there what each query's image was taken for"
    )
    evaluate.add_argument(
        "--features",
        metavar="FOLDER",
        help="write the feature maps of query and gallery there, with identities, cameras, times "
        "and paths, as safetensors",
    )
    evaluate.add_argument("--npz", action="store_true", help="write features as .npz instead")
    evaluate.add_argument(
        "--fresh",
        action="store_true",
        help="begin anew, where an interrupted evaluation would be gone on with",
    )
    evaluate.set_defaults(run=actions.evaluate)

    match = commands.add_parser(
        "match",
        help="match two images, and draw why they match",
        description="The score of two images, and an image of the locations that make it.",
    )
    match.add_argument("probe", metavar="A", help="an image of a person")
    match.add_argument("gallery", metavar="B", help="another")
    _add_settings(
        match,
        "the folder of a run or a checkpoint.pth.tar of QAConv's authors (with --untrained a TOML "
        "file or a preset)",
    )
    match.add_argument(
        "--untrained",
        action="store_true",
        help="the matcher as it is before training, on the weights that training starts from",
    )
    match.add_argument("--draw", metavar="FILE", help="an image: .png, .jpg or .webp")
    match.add_argument(
        "--top", type=int, default=20, metavar="N", help="draw at most N lines (default: 20)"
    )
    match.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        metavar="PART",
        help="draw no line for less than this part of the score (default: 0)",
    )
    match.add_argument(
        "--base",
        type=float,
        metavar="MAXIMUM",
        help="the correlation that says nothing: 0 shows weight × maximum (default: the mean of "
        "training)",
    )
    match.set_defaults(run=actions.match)

    report = commands.add_parser(
        "report",
        help="write the page of a run: curves, tables, ranked lists, why images match",
        description="Write one HTML file that holds all of a run and needs nothing else.",
    )
    _add_settings(report, "the folder of a run")
    _add_data(report, "to search, instead of data.test")
    report.add_argument("--out", metavar="FILE", help="the page (default: report.html in the run)")
    report.add_argument("--json", metavar="FILE", help="write every number of the page there")
    report.add_argument(
        "--before",
        metavar="FILE",
        help="set results of evaluate --json beside those of the run, as of the untrained matcher",
    )
    report.add_argument(
        "--no-images", action="store_true", help="read no image: curves and tables only"
    )
    report.set_defaults(run=actions.report)

    calibrate = commands.add_parser(
        "calibrate",
        help="what a run's scores mean: probabilities and thresholds",
        description="Fit probabilities and thresholds on labeled images; kept with the run.",
    )
    calibrate.add_argument("source", metavar="RUN", help=_RUN)
    _add_data(calibrate, "of identities that were not trained on", required=True)
    calibrate.add_argument(
        "--by-camera",
        action="store_true",
        help="two cameras with enough identities get their own: where it is used, the same numbers "
        "have to mean the same cameras",
    )
    _add_device(calibrate)
    calibrate.set_defaults(run=actions.calibrate)

    export = commands.add_parser(
        "export",
        help="network and matcher as ONNX, for a program without torch",
        description="Write network and matcher as ONNX, compared with torch (the extra export).",
    )
    export.add_argument("source", metavar="RUN", help=_RUN)
    export.add_argument("--out", required=True, metavar="FOLDER", help="where to")
    export.add_argument(
        "--opset", type=int, help="version of ONNX's operators, 18 to 23 (default: 18)"
    )
    export.set_defaults(run=actions.export)

    _add_gallery(commands.add_parser("gallery", help="images that can be searched: add, look"))
    search = commands.add_parser(
        "search", help="search a gallery with images", description="The best matches of images."
    )
    search.add_argument("source", metavar="RUN", help=_RUN)
    search.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
    search.add_argument("images", nargs="*", metavar="IMAGE", help="files")
    search.add_argument(
        "--queries",
        metavar="SOURCE",
        help="a folder or a CSV instead, for any number of images; an interrupted search goes on "
        "when it is given again",
    )
    search.add_argument(
        "--out", metavar="FILE", help="with --queries: the answers, NAME.csv or NAME.jsonl"
    )
    search.add_argument(
        "--fresh", action="store_true", help="with --queries: begin anew where it would go on"
    )
    search.add_argument("-k", type=int, default=10, help="hits for each image (default: 10)")
    search.add_argument("--where", help=_WHERE)
    search.add_argument(
        "--camera",
        type=int,
        metavar="N",
        help="that took the images, where probabilities are calibrated by camera (queries of a "
        "folder or a CSV have their own)",
    )
    search.add_argument("--exact", action="store_true", help="score every image, however many")
    search.add_argument(
        "--engine",
        choices=("here", "ray"),
        default="here",
        help="here (default), or ray: shards in Ray's workers (the extra cluster)",
    )
    search.add_argument("--json", action="store_true", help="print JSON")
    _add_device(search)
    search.set_defaults(run=actions.search)

    serve = commands.add_parser(
        "serve",
        help="search a gallery in the browser, and see why images match",
        description="A page on this machine to search a gallery with; nothing is written.",
    )
    serve.add_argument("source", metavar="RUN", help=_RUN)
    serve.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="to listen on (default: 127.0.0.1, this machine alone); on another, whoever reaches "
        "this machine sees the images: there is no password",
    )
    serve.add_argument(
        "--port", type=int, default=8765, help="default: 8765; 0 for any that is free"
    )
    _add_device(serve)
    serve.set_defaults(run=actions.serve)

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
    _add_data(compare, "by its name or place, instead of all")
    compare.add_argument(
        "--changed", type=int, default=10, metavar="N", help="queries to show (default: 10)"
    )
    compare.add_argument("--json", metavar="FILE", help="write the figures, of each query too")
    compare.set_defaults(run=actions.compare)

    study = commands.add_parser(
        "study",
        help="a grid of runs at an equal number of images: sampling, or a TOML file",
        description="Run every arm of a study at every size with every seed, each an ordinary run "
        "that is resumed where it was stopped, and compare them with the baseline.",
    )
    study.add_argument("study", metavar="STUDY", help="sampling, or a TOML file")
    study.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="of all runs: data.train, data.test, …"
    )
    study.add_argument("--out", metavar="FOLDER", help="of the study (default: studies/NAME)")
    study.add_argument("--arms", metavar="A,B", help="make the runs of these only")
    study.add_argument(
        "--identities", metavar="N,M", help="training identities, instead of its own"
    )
    study.add_argument("--seeds", metavar="N,M", help="instead of its own")
    study.add_argument(
        "--images", type=int, metavar="N", help="that every run sees, instead of its own"
    )
    study.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    study.set_defaults(run=actions.study)

    data = commands.add_parser("data", help="look at data sets, make one")
    data_commands = data.add_subparsers(metavar="COMMAND", required=True)
    check = data_commands.add_parser(
        "check",
        help="count a data set's identities and images, compare with the published counts, look at "
        "every file",
    )
    check.add_argument("path", metavar="PATH", help="the data set, PATH or LAYOUT:PATH")
    check.add_argument("--layout", help="its layout, where it is not to be recognized")
    check.add_argument(
        "--pattern",
        metavar="REGEX",
        help="read any folders by a regular expression with the groups (?P<pid>…) and, where there "
        "are such, cam, time, frame, track; shows what it makes of the first paths (data.pattern)",
    )
    check.add_argument(
        "--all",
        action="store_true",
        help="decode every image; else headers and ends are looked at, and a few are decoded",
    )
    check.set_defaults(run=actions.check)
    make = data_commands.add_parser(
        "make",
        help="draw virtual people: a data set of four domains, from a seed, with no download",
        description="Draw virtual people (synthetic): what an interrupted run has drawn is kept.",
    )
    make.add_argument("size", metavar="SIZE", help="tiny, small, base, large or study")
    where = make.add_mutually_exclusive_group()
    where.add_argument("--out", metavar="FOLDER", help="where to (default: the user's cache)")
    where.add_argument(
        "--packed",
        metavar="FILE.zip",
        help="one file in place of a folder: FILE.zip/plaza is read as a folder is",
    )
    make.add_argument("--seed", type=int, default=0, help="another seed, other people (default: 0)")
    make.add_argument(
        "--naming",
        default="market",
        help="market (default): a data set for each domain; randperson: one training set",
    )
    make.add_argument("--workers", type=int, help="processes (default: one for each core)")
    counts = make.add_argument_group("other counts than the size has")
    counts.add_argument("--domains", metavar="A,B", help="of plaza, station, campus, corridor")
    counts.add_argument("--train", type=int, metavar="N", help="training identities of each domain")
    counts.add_argument("--test", type=int, metavar="N", help="test identities, in every domain")
    counts.add_argument("--visits", type=int, metavar="N", help="cameras that a person passes")
    counts.add_argument("--shots", type=float, metavar="N", help="images of a visit, on average")
    counts.add_argument(
        "--families", type=float, metavar="SHARE", help="of people with look-alikes (0.75)"
    )
    make.set_defaults(run=actions.make)
    measure = data_commands.add_parser(
        "measure",
        help="how hard a data set is, within its domains and across them",
        description="Rank-1 and mAP of a color histogram, of pooled embeddings and row stripes of "
        "feature maps, of the untrained matcher and of trained runs, within and across domains.",
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
    _add_views(measure)
    measure.add_argument("--json", metavar="FILE", help="write the figures there")
    measure.set_defaults(run=actions.measure)

    probe = data_commands.add_parser(
        "probe",
        help="whether a run will work on cameras of your own, from images without labels",
        description="How well a run's matches agree on images of several cameras, without labels.",
    )
    probe.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder or a CSV of crops; cameras from names as 0000_c1, or the column camera",
    )
    probe.add_argument("--run", required=True, dest="run_folder", metavar="RUN", help=_RUN)
    probe.add_argument(
        "--images",
        type=int,
        default=600,
        dest="images_at_most",
        metavar="N",
        help="take so many at most: the time grows with the square (default: 600)",
    )
    _add_device(probe)
    probe.set_defaults(run=actions.probe)

    config = commands.add_parser(
        "config",
        help="every setting with its type, value and meaning",
        description="Print the resolved settings; piped, as TOML with a comment each.",
    )
    _add_settings(config, "a TOML file, the name of a preset, or the folder of a run")
    form = config.add_mutually_exclusive_group()
    form.add_argument("--json-schema", action="store_true", help="the JSON Schema of all settings")
    form.add_argument("--toml", action="store_true", help="the settings as TOML")
    config.set_defaults(run=actions.config)

    doctor = commands.add_parser("doctor", help="what is installed and what will run here")
    doctor.set_defaults(run=actions.doctor)
    return parser


_RUN = "the folder of a run, a saved matcher or a checkpoint.pth.tar of QAConv's authors"
_GALLERY = "NAME.lance (any size; the extra search) or NAME.safetensors (held in memory)"
_WHERE = "a condition, such as \"camera != 3 AND identity = '7'\""


def _add_gallery(gallery: argparse.ArgumentParser) -> None:
    commands = gallery.add_subparsers(metavar="COMMAND", required=True)
    add = commands.add_parser(
        "add",
        help="add images, what is there already passed over",
        description="Add images; an interrupted add goes on when it is given again.",
    )
    add.add_argument("source", metavar="RUN", help=_RUN)
    add.add_argument("gallery", metavar="GALLERY", help=f"{_GALLERY}; made if it is not there")
    add.add_argument("paths", nargs="+", metavar="PATH", help="folders, images, CSV files")
    add.add_argument("--batch-size", type=int, default=64, help="images at a time (default: 64)")
    _add_device(add)
    add.set_defaults(run=actions.gallery_add)
    info = commands.add_parser("info", help="what a gallery holds, what its shortlist keeps")
    info.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
    info.add_argument(
        "--queries", type=int, help="that the recall is measured with; 0 does not measure it"
    )
    info.set_defaults(run=actions.gallery_info)
    remove = commands.add_parser("remove", help="remove images")
    remove.add_argument("gallery", metavar="GALLERY", help=_GALLERY)
    remove.add_argument("--where", required=True, help=_WHERE)
    remove.set_defaults(run=actions.gallery_remove)


def _add_data(parser: argparse.ArgumentParser, which: str, *, required: bool = False) -> None:
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        required=required,
        metavar="SPEC",
        help=f"a data set {which}: PATH or LAYOUT:PATH; may be given several times",
    )


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, …")


def _add_settings(parser: argparse.ArgumentParser, source: str) -> None:
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="CONFIG | key=value",
        help=f"first {source}; then single settings over it, such as sampler.batch_size=32 "
        "(qaconv config shows all)",
    )


def _add_views(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        dest="variants",
        metavar="KIND=SHARE",
        help="test images made worse as they are read, several times: shaken=0.1 moves each side "
        "of the box by up to that share, hidden=0.33 covers so much of the top, the bottom or a "
        "side, plain is as they are (default)",
    )
    parser.add_argument(
        "--every-crop",
        action="store_true",
        help="every test image is a query against all others",
    )
