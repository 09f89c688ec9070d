"""Looks after a store: figures, checks, and a regular round over its logs, audit heads and the disk's reserve."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from local_store import audit, oplog, space
from local_store.db import Database, Store
from local_store.files import size_of
from local_store.sqlite import ENCRYPTS, Connection
from local_store.views import console_health

WAL_ALARM_BYTES = 64 << 20
Part = Literal["ops", "telemetry", "chunks", "audit", "operations"]
ChunkCheck = Callable[[Connection], Iterable[str]]
"""Reads every chunk of `telemetry.db` and yields a sentence for each that is damaged."""


@dataclass(frozen=True, slots=True)
class FileFigures:
    """One file: its size, that of its write-ahead log, and how much of it is free pages."""

    bytes: int
    wal_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What a store holds and how big it is. `disk_free_bytes` is what the disk has left."""

    ops: FileFigures
    telemetry: FileFigures
    disk_free_bytes: int
    measuring_stopped: bool
    reserve_held: bool
    encrypted: bool
    rows: dict[str, int]

    @property
    def bytes(self) -> int:
        """Both files with their logs."""
        files = (self.ops, self.telemetry)
        return sum(one.bytes + one.wal_bytes for one in files)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, in which part."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of everything found."""

    findings: tuple[Finding, ...]
    audit: audit.Verdict

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Round:
    """What one regular round did. `wal_alarm`: a log grew past 64 MiB because a reader does not let go."""

    signed: audit.Head | None
    wal_bytes: int
    wal_alarm: bool
    reserve_held: bool


def wal_bytes(database: Database) -> int:
    """Size of the file's write-ahead log."""
    return size_of(database.path.with_name(f"{database.path.name}-wal"))


def _figures(database: Database) -> FileFigures:
    return FileFigures(size_of(database.path), wal_bytes(database), database.reusable_bytes())


def stats(store: Store) -> Stats:
    """Figures of both files."""

    return Stats(
        ops=_figures(store.ops),
        telemetry=_figures(store.telemetry),
        disk_free_bytes=space.free_bytes(store.directory),
        measuring_stopped=store.guard.stopped,
        reserve_held=store.guard.reserve_held,
        encrypted=store.key is not None,
        rows=store.read(console_health.stats),
    )


def checkpoint(database: Database) -> bool:
    """Move the log into the file and cut it to nothing; False when a reader or writer was in the way."""
    ((busy, *_),) = database.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
    return not busy


def tend(store: Store, signer: Ed25519PrivateKey, now_ms: int) -> Round:
    """The regular round, each minute or so: sign a due head, watch the logs, keep the reserve."""
    signed = store.ops.write(lambda cx: audit.sign_head(cx, signer, now_ms))
    for database in (store.ops, store.telemetry):
        if wal_bytes(database) > WAL_ALARM_BYTES // 2:
            checkpoint(database)
    largest = max(wal_bytes(store.ops), wal_bytes(store.telemetry))
    return Round(signed, largest, largest > WAL_ALARM_BYTES, store.guard.keep_reserve())


def verify(
    store: Store, public: Ed25519PublicKey, chunk_check: ChunkCheck | None = None, anchors: Iterable[audit.Head] = ()
) -> Verification:
    """Check pages, indexes and references of both files, every chunk, the audit chain and the operations it names."""
    findings = [*_file_findings(store.ops, "ops"), *_file_findings(store.telemetry, "telemetry")]
    if chunk_check is not None:
        findings += [Finding("chunks", text) for text in store.read(lambda cx: list(chunk_check(cx)))]
    verdict = store.read(lambda cx: audit.verify(cx, public, anchors))
    if verdict.broken is not None:
        findings.append(Finding("audit", f"entry {verdict.broken.seq}: {verdict.broken.reason}"))
    changed = store.read(oplog.changed)
    findings += [Finding("operations", f"operation {op_id} differs from its audit entry") for op_id in changed]
    return Verification(tuple(findings), verdict)


def _file_findings(database: Database, part: Part) -> list[Finding]:
    checks = ["PRAGMA integrity_check", "PRAGMA foreign_key_check"]
    if ENCRYPTS:
        # Checks the code of every page (SQLCipher), which no flipped bit passes.
        checks.append("PRAGMA cipher_integrity_check")
    told = [row for sql in checks for row in database.maintain(sql) if row != ("ok",)]
    return [Finding(part, " ".join(str(value) for value in row)) for row in told]
