"""One engine per store: a lock on a side file, and a row that says who holds it. POSIX locks only (fcntl)."""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local_store.db import Store
from local_store.errors import StoreBusy
from local_store.sqlite import Connection

LOCK_FILE: Final = "engine.lock"
FRESH_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Who runs, or last ran, the engine of this store."""

    epoch: int
    pid: int
    host: str
    started_ms: int
    beat_ms: int

    def is_fresh(self, now_ms: int) -> bool:
        """Whether the heartbeat is young enough to call the engine alive; a clock set back counts as alive."""
        return now_ms - self.beat_ms < FRESH_MS


class Lease:
    """Held by a running engine. The lock decides, the row tells; the lock dies with its process."""

    def __init__(self, store: Store, now_ms: int) -> None:
        """Take it; raises StoreBusy with the holder's process, host and start."""
        self._store = store
        self._handle = os.open(store.directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise StoreBusy(_sentence(store.directory, store.read(read))) from None
        self.epoch = store.ops.write(lambda cx: _take(cx, now_ms))

    def beat(self, cx: Connection, now_ms: int) -> None:
        """Renew the heartbeat inside the caller's transaction."""
        cx.execute("UPDATE lease SET beat_ms = ? WHERE one = 1 AND epoch = ?", (now_ms, self.epoch))

    def release(self) -> None:
        """Give it back; the row keeps who had it and is no longer fresh."""
        self._store.ops.write(lambda cx: cx.execute("UPDATE lease SET beat_ms = 0 WHERE epoch = ?", (self.epoch,)))
        os.close(self._handle)


def read(cx: Connection) -> LeaseRow | None:
    """The lease as it was last written; None when no engine ever ran."""
    row = cx.execute("SELECT epoch, pid, host, started_ms, beat_ms FROM lease").fetchone()
    return None if row is None else LeaseRow(*row)


def is_held(directory: Path) -> bool:
    """Whether some process holds the lock right now, without taking it for longer than the look."""
    try:
        handle = os.open(directory / LOCK_FILE, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _take(cx: Connection, now_ms: int) -> int:
    row = read(cx)
    epoch = 1 if row is None else row.epoch + 1
    cx.execute(
        "INSERT OR REPLACE INTO lease (one, epoch, pid, host, started_ms, beat_ms) VALUES (1, ?, ?, ?, ?, ?)",
        (epoch, os.getpid(), socket.gethostname(), now_ms, now_ms),
    )
    return epoch


def _sentence(directory: Path, row: LeaseRow | None) -> str:
    who = "another process" if row is None else f"process {row.pid} on {row.host}"
    return f"the store in {directory} already has an engine ({who}): use that one, or stop it first"
