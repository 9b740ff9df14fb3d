"""``qaconv search --queries``: the answers of many queries, in a file, by parts that are kept.

Beside the file lies the folder ``<file>.parts`` while a search goes on, or was interrupted: what is
asked, and a file for each part that is done. The same command goes on with the parts that lack.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from qaconv_reid import matcher
from qaconv_reid.files import check_replaceable, replaced
from qaconv_reid.gallery import Answer, Engine, GalleryError, Row, list_rows, open_table
from qaconv_reid.reports import ProgressBars, say

__all__ = ["search_file"]

#: Queries of a part: what is lost at most, and what a worker of Ray gets at a time.
_PART = 32
_HIT = ("path", "box", "identity", "camera", "time", "score", "probability")
_COLUMNS = ("query", "query_box", "rank", *_HIT, "error")


def search_file(
    run: str,
    place: str,
    source: str,
    out: Path,
    *,
    k: int,
    where: str | None,
    exact: bool,
    engine: Engine,
    device: str,
    fresh: bool,
    console: Console,
) -> int:
    """Search a gallery with every image of a source, and write what was found.

    Args:
        run: as `qaconv_reid.load` takes it.
        place: of the gallery.
        source: a folder, an image or a CSV, as what is added to a gallery.
        out: ``NAME.csv``, a line a hit, or ``NAME.jsonl``, a line a query; replaced whole at the
            end.
        k: hits for each.
        where: a condition on what may be found.
        exact: score every row.
        engine: ``ray`` gives parts to Ray's workers.
        device: where the network runs.
        fresh: begin anew, where an interrupted search would be gone on with.
        console: for what is told.

    Returns:
        How many images could not be read; their lines say why.

    Raises:
        ConfigError, CheckpointError, GalleryError, DataError: what cannot be used.
    """
    if out.suffix not in (".csv", ".jsonl"):
        raise GalleryError(f"--out: got {out}, wanted a name ending in .csv or .jsonl")
    try:
        check_replaceable(out)
    except OSError as error:
        raise GalleryError(
            f"--out: got {out}, wanted a file that can be written: {error.strerror}"
        ) from None
    table = open_table(place)
    rows = list_rows(source)
    loaded = matcher.load(run, device=device)
    gallery = loaded.gallery(place)
    asked = {
        "model": loaded.checksum,
        "calibration": None if loaded.calibration is None else loaded.calibration.digest,
        "gallery": place,
        "version": table.version,
        "queries": _digest(rows),
        "k": k,
        "where": where,
        "exact": exact,
        "part": _PART,
    }
    folder = _begun(out, asked, fresh=fresh)
    parts = [rows[start : start + _PART] for start in range(0, len(rows), _PART)]
    files = [folder / f"{number:06}.jsonl" for number in range(len(parts))]
    lacking = [number for number, file in enumerate(files) if not file.exists()]
    if len(lacking) < len(parts):
        say(console, f"going on: {len(parts) - len(lacking)} of {len(parts)} parts are done")
    answers = gallery.search_parts(
        [parts[number] for number in lacking], k, where=where, exact=exact, engine=engine
    )
    done = len(rows) - sum(len(parts[number]) for number in lacking)
    with ProgressBars() as progress:
        for number, part in zip(lacking, answers, strict=True):
            with replaced(files[number], sync=True) as temporary:
                lines = "".join(f"{json.dumps(_entry(answer))}\n" for answer in part)
                temporary.write_text(lines, encoding="utf-8")
            done += len(part)
            progress("searching", done, len(rows))
    unread = _write(out, files)
    shutil.rmtree(folder)
    say(console, f"{out}: the answers of {len(rows):,} queries")
    if unread:
        say(console, f"{unread:,} of them could not be read: see error in {out}")
    if not loaded.calibrated:
        say(console, "probabilities are not calibrated: qaconv calibrate RUN")
    return unread


def _digest(rows: Sequence[Row]) -> str:
    found = hashlib.sha256()
    for row in rows:
        found.update(json.dumps(asdict(row)).encode())
    return found.hexdigest()[:16]


def _begun(out: Path, asked: dict[str, Any], *, fresh: bool) -> Path:
    """The folder of the parts, with what they answer."""
    folder = out.with_name(f"{out.name}.parts")
    about = folder / "search.json"
    if fresh and folder.exists():
        shutil.rmtree(folder)
    if about.exists():
        before = json.loads(about.read_text(encoding="utf-8"))
        other = [name for name in asked if before.get(name) != json.loads(json.dumps(asked[name]))]
        if other:
            raise GalleryError(
                f"{folder}: holds parts of a search with another {', '.join(other)}, wanted the "
                "same one, or --fresh"
            )
    folder.mkdir(exist_ok=True)
    with replaced(about, sync=True) as temporary:
        temporary.write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    return folder


def _entry(answer: Answer) -> dict[str, Any]:
    return {
        "query": answer.query.path,
        "box": answer.query.box,
        "hits": [asdict(hit) for hit in answer.hits],
        "error": answer.error,
    }


def _write(out: Path, files: Sequence[Path]) -> int:
    """All parts as one file; how many of the queries have an error."""
    unread = 0
    with replaced(out, sync=True) as temporary, temporary.open("w", newline="") as file:
        table = csv.DictWriter(file, _COLUMNS, restval="") if out.suffix == ".csv" else None
        if table is not None:
            table.writeheader()
        for part in files:
            for line in part.read_text(encoding="utf-8").splitlines(keepends=True):
                entry = json.loads(line)
                unread += entry["error"] is not None
                if table is None:
                    file.write(line)
                else:
                    table.writerows(_lines(entry))
    return unread


def _lines(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of a query, as a CSV has them: one for each hit, or one that says why there is none."""
    start = {"query": entry["query"], "query_box": _box(entry["box"])}
    if not entry["hits"]:
        yield {**start, "error": entry["error"] or ""}
    for rank, hit in enumerate(entry["hits"], start=1):
        facts = {name: "" if hit[name] is None else hit[name] for name in _HIT}
        yield {**start, "rank": rank, **facts, "box": _box(hit["box"])}


def _box(box: Sequence[int] | None) -> str:
    return "" if box is None else " ".join(map(str, box))
