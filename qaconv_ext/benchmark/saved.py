"""The file of a run: whole at any moment, so that what ends early has left what it had."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from qaconv_ext.benchmark.provenance import machine, machine_slug, provenance


class Saved:
    """Writes ``FOLDER/<machine>/<name>.json`` anew at each call; nothing without a folder."""

    def __init__(
        self, folder: str | None, name: str, *, command: str, device: str, quick: bool
    ) -> None:
        self._device, self._quick = device, quick
        self._started = provenance(command, device)
        self._target: Path | None = None
        if folder is not None:
            self._target = Path(folder) / machine_slug(device) / f"{name}.json"

    def __call__(self, figures: dict[str, Any], *, complete: bool = False) -> None:
        """Write ``figures`` beside where they come from."""
        if self._target is None:
            return
        facts = dict(self._started)
        if complete:
            # Clocks are then those of a device that has worked. The rest is of the beginning:
            # by now the file itself is a change of the checkout.
            facts["machine"] = machine(self._device)
        data = {**facts, "quick": self._quick, "complete": complete, **figures}
        self._target.parent.mkdir(parents=True, exist_ok=True)
        partial = self._target.with_suffix(".part")
        partial.write_text(json.dumps(data, indent=1) + "\n")
        os.replace(partial, self._target)
        if complete:
            print(f"written: {self._target}")
