"""The command ``qaconv``.

Nothing beyond the standard library is imported before a command is known: ``--help`` is fast, and
``qaconv doctor`` works where only the library's own dependencies are installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from qaconv_reid.cli.parser import build_parser
from qaconv_reid.text import printable, shortened

__all__ = ["main"]

#: Exit codes beside 0.
USER_ERROR = 2
INTERRUPTED = 130

#: Import names, and the extra that installs them.
_EXTRAS = {
    **dict.fromkeys(("torchvision", "PIL", "pydantic", "rich", "safetensors", "tomli_w"), "reid"),
    "jinja2": "report",
    **dict.fromkeys(("fastapi", "starlette", "uvicorn"), "serve"),
}

#: What a user can put right; all else is a fault of the program and keeps its traceback.
_USER_ERRORS = (
    ("qaconv_reid.config", "ConfigError"),
    ("qaconv_reid.data.records", "DataError"),
    ("qaconv_reid.documents", "DocumentError"),
    ("qaconv_reid.ownership", "OwnedError"),
    ("qaconv_reid.people.dataset", "PeopleError"),
    ("qaconv_reid.calibration", "CalibrationError"),
    ("qaconv_reid.export", "ExportError"),
    ("qaconv_reid.gallery.table", "GalleryError"),
    ("qaconv_reid.serve.problem", "ServeError"),
    ("qaconv_reid.training.checkpoint", "CheckpointError"),
    ("qaconv_reid.hub", "HubError"),
    ("qaconv_reid.training.watch", "CollapsedError"),
)
_INTERRUPTIONS = (("qaconv_reid.recipes.interrupt", "Interrupted"),)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments after the command's name; None takes those of the process.

    Returns:
        0, or 1 where a check found a problem or an image of many could not be read, or 2 after an
        error of the user's making, which is said without a traceback, or 130 after an interruption.
    """
    # Read when the OpenMP runtime is loaded, which comes with torch: threads that wait sleep. Where
    # others use the machine too, threads that wait busily take from those that they wait for.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        arguments = _parse(argv)
        for name, value in vars(arguments).items():
            if value == "":  # a path, mostly: it would be taken for none, or for the folder here
                return _complain(f"{_option(name, argv)}: got an empty text", USER_ERROR)
        code: int = arguments.run(arguments)
        return code
    except BrokenPipeError:  # `qaconv ... | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _complain(f"this needs {error.name}: pip install 'qaconv-ext[{extra}]'", USER_ERROR)
    except Exception as error:
        if isinstance(error, _loaded(_INTERRUPTIONS)):
            return _complain(str(error), INTERRUPTED)
        if isinstance(error, _loaded(_USER_ERRORS)):
            return _complain(str(error), USER_ERROR)
        if isinstance(error, OSError):
            return _complain(_said(error), USER_ERROR)
        raise


def _option(name: str, argv: Sequence[str] | None) -> str:
    option = f"--{name.replace('_', '-')}"
    given = (text.partition("=")[0] for text in (sys.argv if argv is None else argv))
    return option if option in given else name


def _said(error: OSError) -> str:
    """Without the system's number."""
    if error.filename is None or error.strerror is None:
        return error.strerror or str(error)
    return f"{error.filename}: {error.strerror}"


def _loaded(names: Sequence[tuple[str, str]]) -> tuple[type[BaseException], ...]:
    """The classes of those modules that are loaded: the others cannot have raised theirs."""
    return tuple(
        getattr(sys.modules[module], name) for module, name in names if module in sys.modules
    )


def _complain(message: str, code: int) -> int:
    # Line ends of a message are its own: those in names were made printable where it was made.
    shown = "\n".join(shortened(printable(line)) for line in message.split("\n"))
    print(f"qaconv: {'error: ' if code == USER_ERROR else ''}{shown}", file=sys.stderr)
    return code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = build_parser()
    # argparse takes "*" once only: settings or images behind an option would be refused.
    arguments, rest = parser.parse_known_args(argv)
    listed = [
        name for name in ("settings", "images") if isinstance(vars(arguments).get(name), list)
    ]
    if any(text.startswith("-") for text in rest) or (rest and not listed):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        getattr(arguments, listed[0]).extend(rest)
    return arguments
