"""Firmware releases for the simulated boards: image files and a list that says what they are. All made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from device_drivers.simcity import images
from device_drivers.simcity.fleet import REVISIONS
from device_drivers.simcity.world import BOARDS

RELEASES: Final = (
    *REVISIONS.items(),
    ("23.05.5", "r24106-10cc5fcd00"),
)
"""Versions and revisions, oldest first; the last is newer than what any node runs at the start."""
IMAGE_BYTES: Final = 3_000_000
LIST: Final = "releases.json"


def write(directory: Path) -> None:
    """Write one image per board and release, and `releases.json` in the order they came out."""
    directory.mkdir(parents=True, exist_ok=True)
    told = []
    for version, revision in RELEASES:
        for board in BOARDS.values():
            name = f"{board.name.replace(',', '-')}-{version}.bin"
            path = directory / name
            content = images.make([board.name], version, revision, size=IMAGE_BYTES)
            if not path.exists() or path.stat().st_size != len(content):
                path.write_bytes(content)
            told.append({"file": name, "version": version, "revision": revision, "board": board.name})
    (directory / LIST).write_text(json.dumps(told), encoding="utf-8")
