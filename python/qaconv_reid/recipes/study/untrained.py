"""What the matcher finds before any training: what every arm has to leave behind."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter

from qaconv_reid import documents
from qaconv_reid.build import build_models, find_hardware, seed_everything
from qaconv_reid.config import MatcherConfig, RunConfig
from qaconv_reid.data import Inspection
from qaconv_reid.files import replaced
from qaconv_reid.recipes.datasets import load_test_sets
from qaconv_reid.recipes.evaluate import evaluate_sets
from qaconv_reid.reports import ProgressBars

__all__ = ["untrained"]

Figures = dict[str, dict[str, float]]
"""For each test set ``mAP`` and ``rank1``."""

_FIGURES = TypeAdapter(Figures)


def untrained(config: RunConfig, file: Path, inspection: Inspection) -> Figures:
    """The plain matcher on the pretrained network, without the neck, which would be random.

    Args:
        config: of a run of the study: its network, image size and test sets.
        file: what was found, which is read where it is there.
        inspection: what has looked at the files.
    """
    if file.is_file():
        read = documents.read(file, "the figures of the untrained matcher")
        return documents.check(_FIGURES, read, str(file))
    model = config.model.model_copy(update={"neck_features": 0, "neck_norm": False})
    plain = config.model_copy(update={"model": model, "matcher": MatcherConfig()})
    hardware = find_hardware(config.runtime)
    seed_everything(config.runtime.seed)
    network, matcher = build_models(plain, hardware.device)
    test_sets = load_test_sets(config.data.test, settings=config.data, inspection=inspection)
    with ProgressBars() as progress:
        results = evaluate_sets(network, matcher, test_sets, plain, hardware, progress)
    found = {it.dataset: {"mAP": it.mAP, "rank1": it.rank1} for it in results}
    file.parent.mkdir(parents=True, exist_ok=True)
    with replaced(file) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found
