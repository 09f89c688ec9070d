"""Connections and transactions of the two files. Only this module begins a transaction, always IMMEDIATE."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import TypeVar
from urllib.parse import quote

from local_store import migrate, restoring, space
from local_store.errors import StoreBusy, StoreClosed, StoreDamaged, StoreError, StoreFull
from local_store.files import own_directory, private_file, size_of
from local_store.sqlite import ENCRYPTS, Connection, DatabaseError, lib

T = TypeVar("T")
OPS = "ops.db"
TELEMETRY = "telemetry.db"
BUSY_TIMEOUT_S = 10.0
WAL_KEPT_BYTES = 64 << 20
WAL_PAGES = 1500
GIVE_UP_EVERY = 10_000
"""Steps of SQLite's machine between two looks; some tenths of a millisecond."""

# https://sqlite.org/rescode.html
_BUSY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 5, 10, 11, 13, 14, 26

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}",
    # SQLCipher's default writes zeros over every page the roll frees, in a file that is encrypted.
    "PRAGMA secure_delete = FAST",
    # Upkeep moves the log before it gets so long; where none runs, the writer does it, below the disk's reserve.
    f"PRAGMA wal_autocheckpoint = {WAL_PAGES}",
)


def store_error(error: Exception, path: Path, *, writing: bool = False) -> StoreError | None:
    """What a library error means for the store's user; None for an error of the calling code."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _FULL:
        return StoreFull(f"{path} could not be written, the disk is full: free some space")
    if code == _IOERR and writing:
        # A damaged page is CORRUPT; SQLCipher reports a refused write without saying which call refused.
        return StoreFull(f"{path} could not be written ({error}): look at free space, quota and the disk's health")
    if code == _BUSY:
        return StoreBusy(f"{path} was held by another process for {BUSY_TIMEOUT_S:.0f} s: find what writes to it")
    if code == _CANTOPEN:
        return StoreError(
            f"{path} could not be opened for writing ({error}), which reading needs too; nothing says it is damaged: "
            "copy the store's directory to where you may write, or ask for the right to write there"
        )
    if code in {_IOERR, _CORRUPT, _NOTADB}:
        return StoreDamaged(
            f"{path} cannot be read as a store ({error}): it is damaged, foreign, or its key does not fit; "
            "restore a backup, or give the key it was written with"
        )
    return None


def connect(path: Path, key: bytes | None) -> Connection:
    """Open one existing file with our pragmas; `key` is the raw 32-byte key or None for a plain file.

    Raises StoreDamaged when the file is no SQLite database or the key does not fit.
    """
    with _told(path):
        cx = lib.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
    try:
        if ENCRYPTS:
            # SQLCipher writes to stderr otherwise, into the middle of a screen.
            cx.execute("PRAGMA cipher_log_level = NONE")
            if key is not None:
                cx.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        cx.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        for pragma in PRAGMAS:
            cx.execute(pragma)
    except DatabaseError as error:
        cx.close()
        raise store_error(error, path) or error from error
    return cx


@contextmanager
def _told(path: Path, *, writing: bool = False) -> Iterator[None]:
    """Turns the library's errors into ours."""
    try:
        yield
    except DatabaseError as error:
        raise store_error(error, path, writing=writing) or error from error


def _refuse_closed(path: Path, closed: bool) -> None:
    """Ask it inside the lock that closing takes."""
    if closed:
        raise StoreClosed(f"{path} was closed: what still used it is being stopped, and nothing more was written")


class Database:
    """One file: a single writing connection behind a lock, usable from any thread.

    `before` is asked at the start of every write and refuses it by raising.
    """

    def __init__(self, path: Path, key: bytes | None, before: Callable[[], None] | None = None) -> None:
        self.path = path
        self._before = before
        self._cx = connect(path, key)
        self._lock = threading.RLock()
        self._key = key
        self._moving: Connection | None = None
        self._moving_lock = threading.Lock()
        self._closed = False

    def write(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one BEGIN IMMEDIATE transaction; COMMIT when it returns, ROLLBACK when it raises.

        Raises StoreFull, StoreBusy or StoreDamaged; nothing of `fn` is stored then.
        """
        if self._before is not None:
            self._before()
        with self._lock, self._working(writing=True):
            return self._transaction(fn)

    def rearrange(self, fn: Callable[[Connection], T]) -> T:
        """As `write`, for what nobody was promised: the commit waits for no sync, the next synced one covers it.

        A power cut may take it back whole, as if it had been killed before; what was there before is then still there.
        """
        with self._lock, self._working(writing=True):
            self._cx.execute("PRAGMA synchronous = NORMAL")
            try:
                return self.write(fn)
            finally:
                self._cx.execute("PRAGMA synchronous = FULL")

    def bite(self, fn: Callable[[Connection], T]) -> tuple[T, float]:
        """As `rearrange`; also for how many ms nobody else could write."""
        with self._lock:
            began = perf_counter()
            result = self.rearrange(fn)
            return result, 1000 * (perf_counter() - began)

    def move_log(self) -> tuple[int, int]:
        """Move what it can of the write-ahead log into the file while writers go on; pages in the log, pages moved."""
        with self._moving_lock:
            _refuse_closed(self.path, self._closed)
            if self._moving is None:
                self._moving = connect(self.path, self._key)
            with _told(self.path, writing=True):
                ((_, pages, moved),) = self._moving.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return int(pages), int(moved)

    @contextmanager
    def _working(self, *, writing: bool) -> Iterator[None]:
        _refuse_closed(self.path, self._closed)
        with _told(self.path, writing=writing):
            yield

    def _transaction(self, fn: Callable[[Connection], T]) -> T:
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

    def bring_up(self, which: migrate.Which) -> bool:
        """Apply missing schema steps; returns whether there were any. A current file is not written to, so that a
        store can be opened and looked at on a full disk."""
        with self._lock:
            with self._working(writing=False):
                behind = migrate.is_behind(self._cx, which, self.path)
            if behind:
                self.write(lambda cx: migrate.bring_up(cx, which, self.path))
            return behind

    def maintain(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Run one maintenance statement outside a transaction (checkpoint, vacuum, integrity check)."""
        with self._lock, self._working(writing=False):
            return self._cx.execute(sql, values).fetchall()

    def reusable_bytes(self) -> int:
        """Free pages inside the file, which retention leaves and new rows take."""
        ((pages,), (size,)) = *self.maintain("PRAGMA freelist_count"), *self.maintain("PRAGMA page_size")
        return int(str(pages)) * int(str(size))

    def close(self) -> None:
        """Close the writing connection; the last one checkpoints."""
        with self._moving_lock, self._lock:
            self._closed = True
            if self._moving is not None:
                self._moving.close()
            self._cx.close()


class Reader:
    """Short reads over both files: `ops.db` as main, `telemetry.db` attached as `tm`. One thread at a time.

    A longer read asks `give_up` now and then, and ends with an error of the library once that says so.
    """

    def __init__(self, directory: Path, key: bytes | None, give_up: Callable[[], bool] | None = None) -> None:
        self.directory = directory
        self.key = key
        self._path = directory / OPS
        self._cx = connect(self._path, key)
        self._lock = threading.RLock()
        self._closed = False
        if give_up is not None:
            self._cx.set_progress_handler(give_up, GIVE_UP_EVERY)
        suffix = f" KEY \"x'{key.hex()}'\"" if ENCRYPTS and key is not None else ""
        other = f"file:{quote(str(directory / TELEMETRY))}?mode=rw"
        try:
            self._cx.execute(f"ATTACH ? AS tm{suffix}", (other,))
            self._cx.execute("PRAGMA query_only = ON")
        except DatabaseError as error:
            self._cx.close()
            raise store_error(error, directory / TELEMETRY) or error from error

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one read transaction over both files and end it at once."""
        with self._lock, _told(self._path):
            _refuse_closed(self._path, self._closed)
            try:
                self._cx.execute("BEGIN")
                return fn(self._cx)
            finally:
                if self._cx.in_transaction:
                    self._cx.execute("ROLLBACK")

    def log_bytes(self) -> tuple[int, int]:
        """Sizes of the write-ahead logs of both files."""
        ops, telemetry = (size_of(self.directory / f"{name}-wal") for name in (OPS, TELEMETRY))
        return ops, telemetry

    def bell(self) -> tuple[int, int]:
        """PRAGMA data_version of both files: changes when any other connection committed."""
        with self._lock, _told(self._path):
            _refuse_closed(self._path, self._closed)
            ops = self._cx.execute("PRAGMA main.data_version").fetchone()[0]
            telemetry = self._cx.execute("PRAGMA tm.data_version").fetchone()[0]
        return int(ops), int(telemetry)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._closed = True
            self._cx.close()


class Store:
    """Both files of one directory, migrated and open for writing, with one reader of its own.

    `guard` keeps the last of the disk for operations; without one, limits fitting the disk are used.
    """

    def __init__(self, directory: Path, key: bytes | None, guard: space.Guard | None = None) -> None:
        own_directory(directory)
        restoring.finish(directory)
        _refuse_halves(directory)
        self.directory = directory
        self.key = key
        self.guard = guard or space.Guard(directory)
        with ExitStack() as opened:
            self.ops = self._open(OPS, self.guard.before_operation)
            opened.callback(self.ops.close)
            self.ops.bring_up("ops")
            _expect_telemetry(self.ops, directory / TELEMETRY)
            self.telemetry = self._open(TELEMETRY)
            opened.callback(self.telemetry.close)
            if self.telemetry.bring_up("telemetry"):
                self.ops.write(lambda cx: cx.execute("INSERT OR IGNORE INTO meta VALUES ('telemetry', 'created')"))
            self._reader = Reader(directory, key)
            opened.pop_all()

    def _open(self, name: str, before: Callable[[], None] | None = None) -> Database:
        private_file(self.directory / name)
        return Database(self.directory / name, self.key, before)

    def measure(self, fn: Callable[[Connection], T]) -> T:
        """Write what devices said to `telemetry.db`. Raises StoreFull before the disk ends; everything that makes
        room or goes on from what is there uses `telemetry.write`, which asks nobody."""
        self.guard.before_measuring(self.telemetry.reusable_bytes)
        return self.telemetry.write(fn)

    def note(self, fn: Callable[[Connection], T]) -> T:
        """As `measure`, for what nobody was promised: its commit waits for no sync (`Database.rearrange`)."""
        self.guard.before_measuring(self.telemetry.reusable_bytes)
        return self.telemetry.rearrange(fn)

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` over both files (`telemetry.db` as `tm`) in one short read transaction."""
        return self._reader.read(fn)

    def close(self) -> None:
        """Close every connection."""
        self._reader.close()
        self.telemetry.close()
        self.ops.close()


def _refuse_halves(directory: Path) -> None:
    """ops.db is made first: measurements without it mean that it was lost or cut to nothing."""
    if size_of(directory / TELEMETRY) and not size_of(directory / OPS):
        raise StoreDamaged(
            f"{directory / OPS} is missing or empty although {TELEMETRY} is there: restore a backup, "
            f"or move {TELEMETRY} away to begin anew"
        )


def _expect_telemetry(ops: Database, telemetry: Path) -> None:
    """An empty file in place of one that was complete is a loss; a missing one was taken away on purpose."""
    created = ops.maintain("SELECT 1 FROM meta WHERE key = 'telemetry'")
    if created and not telemetry.exists():
        ops.write(lambda cx: cx.execute("DELETE FROM meta WHERE key = 'telemetry'"))
    elif created and not size_of(telemetry):
        raise StoreDamaged(
            f"{telemetry} was cut to 0 bytes: restore a backup, or delete the file to go on without its measurements"
        )
