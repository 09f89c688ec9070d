"""Connections and transactions of the two files. Only this module begins a transaction, always IMMEDIATE."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from local_store import migrate
from local_store.errors import StoreDamaged
from local_store.sqlite import ENCRYPTS, Connection, DatabaseError, lib

T = TypeVar("T")
OPS = "ops.db"
TELEMETRY = "telemetry.db"
BUSY_TIMEOUT_S = 10.0


def connect(path: Path, key: bytes | None, *, read_only: bool = False) -> Connection:
    """Open one file with our pragmas; `key` is the raw 32-byte key or None for a plain file.

    Raises StoreDamaged when the file is no SQLite database or the key does not fit.
    """
    cx = lib.connect(
        f"file:{path}{'?mode=ro' if read_only else ''}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        if ENCRYPTS:
            cx.execute("PRAGMA cipher_log_level = NONE")
            if key is not None:
                cx.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        cx.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not read_only:
            cx.execute("PRAGMA journal_mode = WAL")
            cx.execute("PRAGMA synchronous = FULL")
            cx.execute("PRAGMA foreign_keys = ON")
    except DatabaseError as error:
        cx.close()
        raise StoreDamaged(
            f"{path} cannot be read as a store ({error}): it is damaged, foreign, or its key does not fit"
        ) from error
    return cx


class Database:
    """One file: a single writing connection behind a lock, usable from any thread."""

    def __init__(self, path: Path, key: bytes | None) -> None:
        self.path = path
        self._cx = connect(path, key)
        self._lock = threading.RLock()

    def write(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one BEGIN IMMEDIATE transaction; COMMIT when it returns, ROLLBACK when it raises."""
        with self._lock:
            self._cx.execute("BEGIN IMMEDIATE")
            try:
                result = fn(self._cx)
                self._cx.execute("COMMIT")
            except BaseException:
                # A full disk has rolled back already; an unguarded ROLLBACK would hide its error.
                if self._cx.in_transaction:
                    self._cx.execute("ROLLBACK")
                raise
            return result

    def maintain(self, sql: str) -> None:
        """Run one maintenance statement outside a transaction (checkpoint, vacuum)."""
        with self._lock:
            self._cx.execute(sql).fetchall()

    def close(self) -> None:
        """Close the writing connection; the last one checkpoints."""
        with self._lock:
            self._cx.close()


class Reader:
    """Short reads over both files: `ops.db` as main, `telemetry.db` attached as `tm`. One thread at a time."""

    def __init__(self, directory: Path, key: bytes | None) -> None:
        self._cx = connect(directory / OPS, key)
        suffix = f" KEY \"x'{key.hex()}'\"" if ENCRYPTS and key is not None else ""
        self._cx.execute(f"ATTACH ? AS tm{suffix}", (str(directory / TELEMETRY),))
        self._cx.execute("PRAGMA query_only = ON")
        self._lock = threading.RLock()

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one read transaction over both files and end it at once."""
        with self._lock:
            self._cx.execute("BEGIN")
            try:
                return fn(self._cx)
            finally:
                self._cx.execute("ROLLBACK")

    def bell(self) -> tuple[int, int]:
        """PRAGMA data_version of both files: changes when any other connection committed."""
        with self._lock:
            ops = self._cx.execute("PRAGMA main.data_version").fetchone()[0]
            telemetry = self._cx.execute("PRAGMA tm.data_version").fetchone()[0]
        return int(ops), int(telemetry)

    def close(self) -> None:
        """Close the connection."""
        self._cx.close()


class Store:
    """Both files of one directory, migrated and open for writing, with one reader of its own."""

    def __init__(self, directory: Path, key: bytes | None) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self.key = key
        for name in (OPS, TELEMETRY):
            path = directory / name
            if not path.exists():
                path.touch(mode=0o600)
        self.ops = Database(directory / OPS, key)
        self.telemetry = Database(directory / TELEMETRY, key)
        self.ops.write(lambda cx: migrate.bring_up(cx, "ops", directory / OPS))
        self.telemetry.write(lambda cx: migrate.bring_up(cx, "telemetry", directory / TELEMETRY))
        self._reader = Reader(directory, key)

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` over both files (`telemetry.db` as `tm`) in one short read transaction."""
        return self._reader.read(fn)

    def close(self) -> None:
        """Close every connection."""
        self._reader.close()
        self.telemetry.close()
        self.ops.close()
