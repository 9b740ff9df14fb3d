"""What a shortlist keeps, a probe tells, a calibration by camera gains: where the truth is known.

    python benchmarks/search_study.py --runs RUN... --data SPEC... [--variants KIND...]
        [--json FILE]

Every run is tried on every data set that it was not trained on, as its images are and made worse.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qaconv_ext.benchmark.provenance import provenance
from qaconv_reid import data
from qaconv_reid.build import extraction, find_hardware
from qaconv_reid.calibration import Calibration
from qaconv_reid.config import load
from qaconv_reid.data import Record, Views
from qaconv_reid.evaluation import (
    agreements,
    domain_distance,
    evaluate_ranking,
    extract,
    score_blocks,
)
from qaconv_reid.gallery import Maker, Row, open_table
from qaconv_reid.gallery.search import find
from qaconv_reid.gallery.shortlist import on_grid
from qaconv_reid.models import evaluation_mode
from qaconv_reid.recipes.probe import sample
from qaconv_reid.restore import restore_run

VARIANTS = ["plain", "shaken=0.15", "hidden=0.4"]
#: Of the rows, that a shortlist keeps.
SHARES = (0.02, 0.05, 0.1, 0.2)
#: Images of a probe, and training images that its distance is measured from.
PROBED, TRAINING = 600, 300


class Trained:
    """A run, ready for records."""

    def __init__(self, folder: str) -> None:
        self.config = load(folder)
        hardware = find_hardware(self.config.runtime)
        self.models = restore_run(Path(folder), self.config, hardware.device)
        self.how = extraction(self.config, hardware)
        self.trained_on = [Path(data.parse_spec(spec)[0]) for spec in self.config.data.train]
        records = [record for place in self.trained_on for record in data.load(place).train]
        chosen = np.linspace(0, len(records) - 1, TRAINING).astype(int)
        self.training = pooled(self.maps([records[place] for place in chosen]))

    def maps(self, records: list[Record]) -> torch.Tensor:
        """``[N, C, h, w]``."""
        return extract(self.models.network, records, **self.how).maps

    def scores(self, query: torch.Tensor, gallery: torch.Tensor) -> np.ndarray[Any, Any]:
        """``[Q, G]``."""
        with evaluation_mode(self.models.matcher), torch.no_grad():
            blocks = score_blocks(self.models.matcher, query, gallery)
            return np.concatenate([np.asarray(block) for block in blocks])


def pooled(maps: torch.Tensor) -> np.ndarray[Any, Any]:
    """``[N, C]``."""
    return maps.float().mean((2, 3)).numpy()


def study(
    run: Trained, spec: str, variants: list[str], found: dict[str, list[dict[str, Any]]]
) -> None:
    """One run on one data set."""
    whole = data.load(*data.parse_spec(spec))
    for word in variants:
        view = Views.parse([word])
        seen = view.seen(whole, view.variants[0])
        query, gallery = list(seen.query), list(seen.gallery)
        maps = run.maps(query), run.maps(gallery)
        scores = run.scores(*maps)
        labels = [
            [getattr(record, name) for record in side]
            for side in (query, gallery)
            for name in ("person", "camera")
        ]
        mean = float(evaluate_ranking([scores], *labels).mAP)
        rows = [Row(str(record.path), None, record.camera, record.time) for record in gallery]
        where = {row.path: place for place, row in enumerate(rows)}
        places = [where[row.path] for row in sample(rows, PROBED)]
        taken = maps[1][places]
        cameras = np.array([gallery[place].camera for place in places])
        shares = agreements(run.scores(taken, taken), cameras)
        about = {"run": run.config.name, "data": Path(spec).name, "variant": word}
        found["probe"].append(
            {
                **about,
                "images": len(places),
                "agreement": float(shares.mean()),
                "distance": domain_distance(pooled(taken), run.training),
                "mAP": mean,
            }
        )
        print(found["probe"][-1], flush=True)
        if word == "plain":
            found["shortlist"].append({**about, **recall(run, maps)})
            found["calibration"] += by_camera(about, run.scores(maps[1], maps[1]), gallery)


def recall(run: Trained, maps: tuple[torch.Tensor, torch.Tensor]) -> dict[str, Any]:
    """Of the exact best ten, and of the best one, what shortlists keep."""
    weight, bias = (part.detach() for part in run.models.matcher.folded())
    shape = tuple(maps[1].shape[1:])
    maker = Maker("study", "0" * 16, shape, tuple(weight.tolist()), float(bias))  # type: ignore[arg-type]
    table = open_table(None, maker)
    rows = maps[1].half()
    table.append([Row(str(number)) for number in range(len(rows))], rows, on_grid(rows))
    queries = maps[0].half()
    exact = find(table, queries, 10, length=len(rows))
    kept = {}
    for share in SHARES:
        short = find(table, queries, 10, length=max(10, int(share * len(rows))))
        both = list(zip(short, exact, strict=True))
        kept[str(share)] = {
            "ten": float(
                np.mean([len(np.intersect1d(s.numbers, e.numbers)) / 10 for s, e in both])
            ),
            "first": float(np.mean([e.numbers[0] in s.numbers for s, e in both])),
        }
    return {"queries": len(queries), "rows": len(rows), "kept": kept}


def by_camera(
    about: dict[str, str], scores: np.ndarray[Any, Any], gallery: list[Record]
) -> list[dict[str, Any]]:
    """Log loss at even odds on a third of the identities, fitted on the others, three times."""
    persons, cameras = (
        np.array([getattr(record, name) for record in gallery]) for name in ("person", "camera")
    )
    first, second = np.triu_indices(len(gallery), 1)
    # As a calibration takes them: those of one identity by one camera are too easy.
    counts = (persons[first] != persons[second]) | (cameras[first] != cameras[second])
    first, second = first[counts], second[counts]
    pairs, same = scores[first, second], persons[first] == persons[second]
    lines = []
    for seed in range(3):
        names = np.random.default_rng(seed).permutation(np.unique(persons))
        known = np.isin(persons, names[: 2 * len(names) // 3])
        fit, rest = known[first] & known[second], ~known[first] & ~known[second]
        fitted = Calibration.fit(
            pairs[fit],
            same[fit],
            cameras=(cameras[first[fit]], cameras[second[fit]]),
            identities=persons[first[fit]],
        )
        sides = cameras[first[rest]], cameras[second[rest]]
        lines.append(
            {
                **about,
                "seed": seed,
                "same": int(same[fit].sum()),
                "own": len(fitted.cameras),
                "log_loss": loss(fitted.probability(pairs[rest]), same[rest]),
                "log_loss_by_camera": loss(
                    fitted.probability(pairs[rest], cameras=sides), same[rest]
                ),
            }
        )
    return lines


def loss(chance: np.ndarray[Any, Any], same: np.ndarray[Any, Any]) -> float:
    """Both kinds of pairs weigh alike."""
    chance = chance.clip(1e-9, 1 - 1e-9)
    return float(-(np.log(chance[same]).mean() + np.log(1 - chance[~same]).mean()) / 2)


def main() -> None:
    """Every run on every data set it was not trained on."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", nargs="+", required=True)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    # The commit is that of the beginning, whatever becomes of the checkout meanwhile.
    origin = provenance(f"benchmarks/search_study.py {' '.join(sys.argv[1:])}", "cpu")
    found: dict[str, list[dict[str, Any]]] = {"probe": [], "shortlist": [], "calibration": []}
    for folder in arguments.runs:
        run = Trained(folder)
        names = {place.name for place in run.trained_on}
        for spec in arguments.data:
            # A domain of virtual people that it was trained on is none to try, whatever the seed.
            if Path(spec).name not in names:
                study(run, spec, arguments.variants, found)
        if arguments.json:
            arguments.json.write_text(json.dumps({**origin, **found}, indent=1) + "\n")
    print(Counter(entry["own"] for entry in found["calibration"]))


if __name__ == "__main__":
    main()
