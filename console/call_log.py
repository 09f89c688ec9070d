"""Gathers what is sent to nodes over SSH and puts it into the store in batches. Never keeps a secret."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from console.clock import now_ms
from device_drivers.ssh_masks import mask
from local_store import ssh_calls
from local_store.errors import StoreError

if TYPE_CHECKING:
    from console.supervisor import Report
    from local_store.db import Store

LONGEST: Final = 400
EVERY_S: Final = 1.0
PATIENCE_S: Final = 2.0
MOST: Final = 5_000
"""Lines that wait for a store that cannot be written; older ones make room, and the service's row says how many."""


class CallLog:
    """Is called with node and line, from any thread. The engine's service writes once a second; where none runs, or it
    is behind, whoever sends something writes, and `flush` at the end. A store that cannot be written keeps nobody from
    his work: the lines wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: deque[ssh_calls.SshCall] = deque()
        self._kept = self._lost = 0
        self._patience_s = PATIENCE_S
        self._written_s = time.monotonic()

    def __call__(self, node_id: str, line: str) -> None:
        """Take one call with its time."""
        text = " ".join(mask(line).split())
        if len(text) > LONGEST:
            text = text[: LONGEST - 1] + "…"
        with self._lock:
            self._waiting.append((node_id, now_ms(), f"ssh {text}"))
            while len(self._waiting) > MOST:
                self._waiting.popleft()
                self._lost += 1
            late = time.monotonic() - self._written_s >= self._patience_s
        if late:
            try:
                self.flush()
            except StoreError:
                return  # they are still there, and the next one to write says what is wrong

    def flush(self) -> None:
        """Write what waits. Raises StoreError; nothing is lost then."""
        with self._writing:
            with self._lock:
                batch, lost = list(self._waiting), self._lost
                self._written_s = time.monotonic()
            if not batch:
                return
            self._store.note(lambda cx: ssh_calls.keep(cx, batch))
            with self._lock:
                self._kept += len(batch)
                gone = self._lost - lost  # what overflowed while this was written
                for _one in range(len(batch) - gone):
                    self._waiting.popleft()

    def run(self, stop: threading.Event, report: Report) -> None:
        """The engine's service. After its end each line is written at once: other services may still be ending."""
        self._patience_s = PATIENCE_S
        while not stop.wait(EVERY_S):
            self.flush()
            report({"kept": self._kept, "lost": self._lost})
        self._patience_s = 0.0
        self.flush()
