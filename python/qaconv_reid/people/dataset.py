"""Writes the data set: in parallel, whole or not at all, and on from where it was interrupted."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL

from qaconv_reid.files import replaced, sweep, user_cache, why
from qaconv_reid.ownership import OWNER_FILE, OwnedError, Owner, owned
from qaconv_reid.people.files import NAMINGS, folders, name_of
from qaconv_reid.people.scenes import DOMAINS, spots
from qaconv_reid.people.sheet import contact_sheet
from qaconv_reid.people.shot import take
from qaconv_reid.people.sizes import SIZES, Size
from qaconv_reid.people.store import Folder, OneFile, Store
from qaconv_reid.people.walks import TEST, TRAIN, Sighting, sightings
from qaconv_reid.processes import end_with_parent
from qaconv_reid.text import SaidError

__all__ = ["GENERATION", "MANIFEST", "PeopleError", "Request", "default_folder", "make"]

#: Grows whenever the same seed gives other images.
GENERATION = 3
MANIFEST = "manifest.json"

#: Bytes that an image takes on a disk, blocks of 4 KiB and its share of the folder included;
#: measured on `small`, rounded up.
_BYTES = 9_000
#: Identities that wait for a process at a time, for each process.
_AHEAD = 4

#: The counts that a request may change, and from where to where: an identity has four
#: digits in file names, and those of the test part begin at 5001.
_RANGES = (
    ("train", 0, 5000),
    ("test", 0, 4999),
    ("visits", 2, 8),
    ("shots", 1, 50),
    ("families", 0, 1),
)

Progress = Callable[[str, int, int], None]


class PeopleError(SaidError):
    """The data set cannot be made as it was asked for; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be made: a named size, of which some counts may be others."""

    size: str
    seed: int = 0
    naming: str = "market"
    domains: tuple[str, ...] | None = None
    train: int | None = None
    test: int | None = None
    visits: int | None = None
    shots: float | None = None
    families: float | None = None

    def check(self) -> Size:
        """The size that is meant.

        Raises:
            PeopleError: there is no such size, naming or domain, or a number is out of range.
        """
        if self.size not in SIZES:
            raise PeopleError(f"size: got {self.size!r}, wanted one of {', '.join(SIZES)}")
        if self.naming not in NAMINGS:
            raise PeopleError(f"naming: got {self.naming!r}, wanted one of {', '.join(NAMINGS)}")
        if self.seed < 0:
            raise PeopleError(f"seed: got {self.seed}, wanted 0 or more")
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise PeopleError(f"{name}: got {value}, wanted {least} to {most}")
        for domain in self.domains or ():
            if domain not in DOMAINS or (self.domains or ()).count(domain) > 1:
                raise PeopleError(
                    f"domains: got {domain!r}, wanted each of {', '.join(DOMAINS)} at most once"
                )
        size = replace(SIZES[self.size], **self.changes())
        if not size.domains or size.train + size.test == 0:
            raise PeopleError("domains, train, test: got none, wanted at least one identity")
        return size

    def changes(self) -> dict[str, Any]:
        """The counts that are not those of the named size."""
        names = ("domains", *(name for name, _, _ in _RANGES))
        asked = {name: getattr(self, name) for name in names}
        return {name: value for name, value in asked.items() if value is not None}

    def facts(self) -> dict[str, Any]:
        """What makes the images what they are: the same facts, the same images."""
        kit = Path(__file__).parent / "assets" / "kit.npz"
        return {
            "synthetic": True,
            "generation": GENERATION,
            "kit": hashlib.sha256(kit.read_bytes()).hexdigest()[:16],
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "size": self.size,
            "seed": self.seed,
            "naming": self.naming,
            # As JSON gives them back.
            "counts": json.loads(json.dumps(self.changes())),
        }

    def bytes_needed(self) -> int:
        """About how much of the disk it takes."""
        return self.check().images * _BYTES


def default_folder(request: Request) -> Path:
    """Where it lies unless somebody says otherwise: below QACONV_DATA, or the user's cache."""
    base = os.environ.get("QACONV_DATA") or user_cache()
    suffix = "" if request.naming == "market" else f"-{request.naming}"
    for name, value in request.changes().items():
        shown = "+".join(value) if isinstance(value, tuple) else f"{value:g}"
        suffix += f"-{name}-{shown}"
    seed = "" if request.seed == 0 else f"-seed{request.seed}"
    return Path(base) / f"virtual-people-{GENERATION}" / f"{request.size}{suffix}{seed}"


def make(
    request: Request,
    folder: Path,
    *,
    packed: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make the data set, unless it is there already.

    The images depend on the request alone, not on the number of processes. They are written
    beside ``folder`` and come to stand under its name when all are there; what an interrupted run
    has written is kept and used.

    Args:
        request: what to make.
        folder: what it is to be called; its parent is made where it is missing.
        packed: write one ZIP file of that name in place of a folder: `data.load` reads
            ``people.zip/plaza`` as it reads a folder.
        workers: processes.
        progress: told of images as they are done.

    Returns:
        The manifest, as it is in the folder.

    Raises:
        PeopleError: the request is wrong, something else is in the folder, or the disk is too full;
            before anything is drawn.
    """
    size = request.check()
    if workers < 1:
        raise PeopleError(f"workers: got {workers}, wanted at least 1")
    facts = request.facts()
    folder = Path(os.path.abspath(folder))  # "." has no name of its own
    if not folder.name:
        raise PeopleError(f"{folder}: got the root, wanted a folder to be made")
    if packed and folder.suffix.lower() != ".zip":
        raise PeopleError(f"{folder}: got the name of a packed file, wanted one that ends in .zip")
    try:
        found = _finished(folder, facts)
        if found is not None:
            return found
        partial = folder.with_name(f".{folder.name}.partial")
        with owned(partial, "qaconv data make") as owner:
            found = _finished(folder, facts)  # by somebody who was faster
            if found is not None:
                return found
            return _make(request, size, folder, partial, facts, owner, packed, workers, progress)
    except OwnedError as error:
        raise PeopleError(f"{error}: wait for its end, or make it elsewhere") from None
    except OSError as error:
        raise PeopleError(f"{folder}: cannot be made: {why(error)}") from error


def _finished(folder: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of what is wanted, where it is there already.

    Raises:
        PeopleError: something else is there.
    """
    there = _manifest(folder)
    if there is not None and all(there.get(key, {}) == value for key, value in facts.items()):
        return there
    if there is not None and there.get("generation") not in (None, GENERATION):
        raise PeopleError(
            f"{folder}: got virtual people of generation {there['generation']}, wanted of "
            f"{GENERATION}, which this version draws: move them, or make these elsewhere"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PeopleError(f"{folder}: got something else in it, wanted a folder to be made")
    return None


def _make(
    request: Request,
    size: Size,
    folder: Path,
    partial: Path,
    facts: dict[str, Any],
    owner: Owner,
    packed: bool,
    workers: int,
    progress: Progress | None,
) -> dict[str, Any]:
    _check_disk(folder, request.bytes_needed())
    if _manifest(partial) != facts:
        _clear(partial)
        _write(partial / MANIFEST, facts)
    sweep(partial)
    store: Store = OneFile(partial / folder.name) if packed else Folder(partial)
    try:
        store.make_folders(folders(size, request.naming))
        counts = _draw(request, size, store, workers, progress)
        for domain in size.domains:
            sheet = contact_sheet(request.seed, size, domain, request.naming, store.read)
            store.write(PurePosixPath(f"{domain}.png"), sheet)
        manifest = {**facts, **_summary(size, counts)}
        store.write(PurePosixPath(MANIFEST), _text(manifest))
    finally:
        store.close()
    if folder.is_dir():
        folder.rmdir()
    if packed:
        os.replace(partial / folder.name, folder)
        _clear(partial)
        owner.stand_back()
        partial.rmdir()
    else:
        owner.stand_back()
        os.replace(partial, folder)
    return manifest


def _clear(folder: Path) -> None:
    """Empty a folder that is one's own: it stays, and with it the lock on it."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != OWNER_FILE:
            path.unlink()


def _summary(size: Size, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "identities": size.identities,
        "images": counts,
        "domains": {
            name: {"train": size.train, "test": size.test, "cameras": DOMAINS[name].cameras}
            for name in size.domains
        },
    }


def _manifest(folder: Path) -> dict[str, Any] | None:
    """That of a folder or of a packed file; None where there is none."""
    try:
        if folder.is_file():
            with zipfile.ZipFile(folder) as file:
                value = json.loads(file.read(MANIFEST))
        else:
            value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile):
        return None
    return value if isinstance(value, dict) else None


def _write(path: Path, value: dict[str, Any]) -> None:
    with replaced(path) as temporary:
        temporary.write_bytes(_text(value))


def _text(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _check_disk(folder: Path, needed: int) -> None:
    parent = folder.absolute().parent
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise PeopleError(
            f"{parent}: got {free / 1e9:.1f} GB of free disk, wanted {needed / 1e9:.1f} GB"
        )


def _units(seed: int, size: Size) -> Iterator[list[Sighting]]:
    for domain in size.domains:
        for part in (TRAIN, TEST):
            yield from sightings(seed, size, domain, part)


def _draw(
    request: Request, size: Size, store: Store, workers: int, progress: Progress | None
) -> dict[str, int]:
    total, done = size.images, 0
    counts = {domain: 0 for domain in size.domains}

    def named(sighting: Sighting) -> PurePosixPath:
        return name_of(sighting, size, request.naming)

    def finished(sighting: Sighting) -> None:
        nonlocal done
        done += 1
        counts[sighting.domain] += 1
        if progress is not None:
            progress("images", done, total)

    def keep(sighting: Sighting, data: bytes) -> None:
        store.write(named(sighting), data)
        finished(sighting)

    def missing(unit: list[Sighting]) -> list[Sighting]:
        rest = []
        for sighting in unit:
            if store.has(named(sighting)):
                finished(sighting)
            else:
                rest.append(sighting)
        return rest

    units = (rest for unit in _units(request.seed, size) if (rest := missing(unit)))
    if workers == 1:
        for unit in units:
            for sighting in unit:
                keep(sighting, _picture(request.seed, size.families, sighting))
        return counts
    # Not forked: whoever calls may have threads.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=end_with_parent
    ) as pool:
        running: deque[tuple[list[Sighting], Future[list[bytes]]]] = deque()

        def collect() -> None:
            # In their order, so that a packed file has the same bytes however many draw.
            unit, future = running.popleft()
            for sighting, data in zip(unit, future.result(), strict=True):
                keep(sighting, data)

        try:
            for unit in units:
                running.append((unit, pool.submit(_pictures, request.seed, size.families, unit)))
                if len(running) >= _AHEAD * workers:
                    collect()
            while running:
                collect()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return counts


def _pictures(seed: int, families: float, unit: list[Sighting]) -> list[bytes]:
    """Files of a person's images."""
    return [_picture(seed, families, sighting) for sighting in unit]


def _picture(seed: int, families: float, sighting: Sighting) -> bytes:
    camera = spots(seed, DOMAINS[sighting.domain])[sighting.spot].camera
    file = io.BytesIO()
    image = take(seed, sighting, families)
    image.save(file, format="JPEG", quality=camera.sensor.quality, subsampling=2)
    return file.getvalue()
