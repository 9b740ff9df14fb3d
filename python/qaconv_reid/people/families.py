"""Who looks like whom, of virtual people that lie in a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from qaconv_reid.people.dataset import GENERATION, MANIFEST
from qaconv_reid.people.files import person_of
from qaconv_reid.people.shot import look_of
from qaconv_reid.people.sizes import FAMILY, SIZES
from qaconv_reid.people.walks import Person

__all__ = ["Families", "Kin"]


@dataclass(frozen=True, slots=True)
class Families:
    """The look-alikes of one domain."""

    domain: str
    seed: int
    share: float
    """Of the people who come in families of look-alikes."""

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """Those of a domain's folder; None where that is not known: no virtual people of today."""
        try:
            manifest = json.loads((folder.parent / MANIFEST).read_text(encoding="utf-8"))
            size = SIZES[manifest["size"]]
            if manifest["generation"] != GENERATION or manifest["naming"] != "market":
                return None
            share = float(manifest.get("counts", {}).get("families", size.families))
            return cls(folder.name, int(manifest["seed"]), share)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def family(self, number: int) -> int | None:
        """Number of the family of a person, who has this number in file names; None without one."""
        person = person_of(number, self.domain)
        first = person.number // FAMILY * FAMILY
        looks = [
            look_of(self.seed, Person(person.pool, first + member), self.share)
            for member in range(FAMILY)
        ]
        # A family has one lower body; of strangers no two have.
        alike = all(look.bottom == looks[0].bottom for look in looks)
        return number - (person.number - first) if alike else None


class Kin:
    """Which of the people in images look alike, of virtual people in Market's layout or of none."""

    def __init__(self) -> None:
        self._families = cache(Families.of)
        self._family = cache(self._look)

    def knows(self, image: Path) -> bool:
        """Whether it is known of the people of this image's data set."""
        return self._families(_domain(image)) is not None

    def family(self, image: Path, number: int) -> tuple[Path, int] | None:
        """The family of the person of this number in an image; None for none, or not known."""
        return self._family(_domain(image), number)

    def _look(self, domain: Path, number: int) -> tuple[Path, int] | None:
        families = self._families(domain)
        family = None if families is None else families.family(number)
        return None if family is None else (domain, family)


def _domain(image: Path) -> Path:
    """The folder of the parts, in one of which an image lies."""
    return image.absolute().parent.parent
