"""Input that could not be understood (`telemetry.db`): kept with its reason so that it may be acknowledged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from local_store import columns
from local_store.errors import StoreRefused
from local_store.records import Quarantined, QuarantineRow
from local_store.sqlite import Connection

KEPT_BYTES = 65_536
_ITEM = columns.select("quarantine", Quarantined)


def add(cx: Connection, rows: Iterable[QuarantineRow]) -> None:
    """Keep the first 64 KiB of each body, with size and SHA-256 of the whole."""
    cx.executemany(
        "INSERT INTO quarantine (at_ms, source, topic, kind, reason, size, body, sha256)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                *(row.at_ms, row.source, row.topic, row.kind, row.reason),
                *(len(row.body), row.body[:KEPT_BYTES], hashlib.sha256(row.body).digest()),
            )
            for row in rows
        ),
    )


def newest(cx: Connection, limit: int) -> list[Quarantined]:
    """The newest items, newest first."""
    return [Quarantined(*row) for row in cx.execute(f"{_ITEM} ORDER BY quarantine_id DESC LIMIT ?", (limit,))]


def get(cx: Connection, quarantine_id: int) -> Quarantined:
    """One item. Raises StoreRefused when there is none of that number."""
    row = cx.execute(f"{_ITEM} WHERE quarantine_id = ?", (quarantine_id,)).fetchone()
    if row is None:
        raise StoreRefused(f"quarantine holds no item {quarantine_id}: list it and take a number from there")
    return Quarantined(*row)


def is_whole(item: Quarantined) -> bool:
    """Whether the kept bytes are the whole body, which a retry needs."""
    return item.size == len(item.body)


def mark_retried(cx: Connection, quarantine_id: int, now_ms: int) -> None:
    """Note that an item was tried again."""
    cx.execute("UPDATE quarantine SET retried_ms = ? WHERE quarantine_id = ?", (now_ms, quarantine_id))


def remove(cx: Connection, quarantine_id: int) -> None:
    """Take an item out, because a retry understood it in this same transaction."""
    cx.execute("DELETE FROM quarantine WHERE quarantine_id = ?", (quarantine_id,))


def waiting(cx: Connection) -> int:
    """How many items there are."""
    return int(cx.execute("SELECT count(*) FROM quarantine").fetchone()[0])


def prune(cx: Connection, keep: int, limit: int) -> int:
    """Drop up to `limit` of those before the newest `keep`, so that a flood of garbage cannot fill the disk; returns
    how many went."""
    edge = cx.execute(
        "SELECT quarantine_id FROM quarantine ORDER BY quarantine_id DESC LIMIT 1 OFFSET ?", (keep,)
    ).fetchone()
    if edge is None:
        return 0
    oldest = "SELECT quarantine_id FROM quarantine WHERE quarantine_id <= ? ORDER BY quarantine_id LIMIT ?"
    return int(cx.execute(f"DELETE FROM quarantine WHERE quarantine_id IN ({oldest})", (*edge, limit)).rowcount)
