"""What was really sent to nodes, line by line, in `calls.log` of the store. Secrets are masked before."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

from console import texts
from console.clock import now_ms

NAME: Final = "calls.log"
LARGEST: Final = 2_000_000


class CallLogFile:
    """Appends one line per call; keeps the file and the one before it. Several processes may write to it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._lock = threading.Lock()

    def __call__(self, node_id: str, line: str) -> None:
        """Write one call with its time."""
        text = line.rstrip("\n").replace("\n", "\n\t")
        entry = f"{texts.moment(now_ms())} {node_id} {text}\n".encode("utf-8", "replace")
        with self._lock:
            self._make_room()
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, entry)
            finally:
                os.close(handle)

    def _make_room(self) -> None:
        if self._path.exists() and self._path.stat().st_size > LARGEST:
            self._path.replace(self._path.with_name(NAME + ".1"))
