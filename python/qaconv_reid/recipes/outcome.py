"""What an evaluation leaves in a file: its measures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from qaconv_ext import __version__
from qaconv_reid.config import RunConfig
from qaconv_reid.evaluation import EvaluationResult
from qaconv_reid.files import replaced

__all__ = ["write_json"]


def write_json(
    path: Path, results: Sequence[EvaluationResult], config: RunConfig, *, epochs: int | None
) -> None:
    """Write the measures of every data set, with what they are of.

    Args:
        path: the file; replaced whole.
        results: of the evaluation.
        config: of the run.
        epochs: that the network was trained for; None for an untrained matcher.
    """
    content = {
        "version": __version__,
        "run": config.name,
        "epochs": epochs,
        "model": config.model.model_dump(mode="json"),
        "results": [result.as_dict() for result in results],
    }
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
