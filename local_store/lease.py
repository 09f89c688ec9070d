"""One engine per store: a file lock decides, a row says who holds it and since when. POSIX locks only (fcntl)."""

from __future__ import annotations

import fcntl
import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from local_store import columns
from local_store.db import Store
from local_store.errors import LeaseLost, StoreBusy
from local_store.files import FILE_MODE
from local_store.sqlite import Connection

LOCK_FILE: Final = "engine.lock"
FRESH_MS: Final = 5_000
ELSEWHERE_MS: Final = 60_000
"""How long an engine on another machine counts as alive, whose clock may differ from ours."""
_TRIES: Final = 20
_TRY_AGAIN_S: Final = 0.025


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Who runs, or last ran, the engine of this store. `beat_ms` is 0 after a clean end."""

    epoch: int
    pid: int
    host: str
    started_ms: int
    beat_ms: int

    def is_fresh(self, now_ms: int) -> bool:
        """Whether the heartbeat is young enough to call the engine alive; a clock set back counts as alive."""
        return now_ms - self.beat_ms < FRESH_MS


_ROW = columns.select("lease", LeaseRow)
_INSERT = columns.insert("lease", LeaseRow)
_VALUES = columns.values(LeaseRow)


class Lease:
    """Held by a running engine. The lock decides, the row tells; the kernel frees the lock when its process dies."""

    def __init__(self, store: Store, now_ms: int, host: str = "") -> None:
        """Take it, also from an engine that died; raises StoreBusy with the holder's process, host and start."""
        self._store = store
        handle = lock(store.directory)
        if handle is None:
            raise StoreBusy(_taken(store.directory, store.read(read)))
        try:
            self.epoch = store.ops.write(lambda cx: _take(cx, store.directory, host or platform.node(), now_ms))
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle

    def beat(self, cx: Connection, now_ms: int) -> None:
        """Renew the heartbeat inside the caller's transaction. Raises LeaseLost when another engine has taken over."""
        renewed = cx.execute("UPDATE lease SET beat_ms = ? WHERE one = 1 AND epoch = ?", (now_ms, self.epoch))
        if renewed.rowcount == 0:
            raise LeaseLost(_taken(self._store.directory, read(cx)))

    def release(self) -> None:
        """Give it back; the row keeps who had it and is no longer fresh."""
        try:
            self._store.ops.write(lambda cx: cx.execute("UPDATE lease SET beat_ms = 0 WHERE epoch = ?", (self.epoch,)))
        finally:
            os.close(self._handle)


def read(cx: Connection) -> LeaseRow | None:
    """The lease as it was last written; None when no engine ever ran."""
    row = cx.execute(_ROW).fetchone()
    return None if row is None else LeaseRow(*row)


def lock(directory: Path, name: str = LOCK_FILE) -> int | None:
    """Take a lock and return its handle; None when somebody else keeps it, not only looks at it."""
    handle = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_TRY_AGAIN_S)
        else:
            return handle
    os.close(handle)
    return None


def is_held(directory: Path) -> bool:
    """Whether some process holds the lock right now. Looks with a shared lock, for which a starting engine waits."""
    try:
        handle = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _take(cx: Connection, directory: Path, host: str, now_ms: int) -> int:
    row = read(cx)
    # The lock is this kernel's: on a shared disk it says nothing about an engine on another machine.
    if row is not None and row.host != host and abs(now_ms - row.beat_ms) < ELSEWHERE_MS:
        raise StoreBusy(_taken(directory, row))
    epoch = 1 if row is None else row.epoch + 1
    cx.execute("DELETE FROM lease")
    cx.execute(_INSERT, _VALUES(LeaseRow(epoch, os.getpid(), host, now_ms, now_ms)))
    return epoch


def _taken(directory: Path, row: LeaseRow | None) -> str:
    who = "another process"
    if row is not None:
        since = datetime.fromtimestamp(row.started_ms / 1000, UTC).isoformat(timespec="seconds")
        who = f"process {row.pid} on {row.host} since {since}"
    return f"the store in {directory} already has an engine ({who}): use that one, or stop it first"
