"""Packed rows that do not unpack: copied aside with their bytes and the reason, counted, dropped after their keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from local_store import columns, tally
from local_store.errors import RowDamaged, StoreRefused
from local_store.sqlite import Connection

KEPT_MS: Final = 90 * 86_400_000
Told = Callable[[RowDamaged], None]
"""Who is told of a row that a reader had to leave out."""
_COPY: Final = {
    "tail": "SELECT 'tail', batch, NULL, NULL, t0_ms, t1_ms, n, ?2, body, NULL FROM tail WHERE batch = ?1",
    "bundle": "SELECT 'bundle', bundle, s0, s1, t0_ms, t1_ms, n, ?2, body, NULL FROM bundle WHERE bundle = ?1",
    "chunk": "SELECT 'chunk', chunk, series, series, t0_ms, t1_ms, n, ?2, c.body, t.body"
    " FROM chunk c LEFT JOIN times t ON t.times = c.times WHERE chunk = ?1",
    "rollup": "SELECT 'rollup', rollup, series, series, t0_ms, t0_ms, 0, ?2, body, NULL FROM rollup WHERE rollup = ?1",
}


@dataclass(frozen=True, slots=True)
class Aside:
    """A row as it was set aside: from which place, what it held as far as that is known, why, and its bytes.

    `at_ms` is when upkeep counted it first; of a chunk, `times` is the row of times it shared.
    """

    damaged_id: int
    place: str
    number: int
    s0: int | None
    s1: int | None
    t0_ms: int
    t1_ms: int
    n: int
    reason: str
    body: bytes
    times: bytes | None
    at_ms: int | None


_ASIDE: Final = columns.select("damaged", Aside)


def left_out(_found: RowDamaged) -> None:
    """For readers that show a gap and leave the telling to upkeep."""


def keep(cx: Connection, found: RowDamaged) -> None:
    """Copy a row aside and count what it held; the caller removes it in the same transaction.

    Raises `found` when the row is not there.
    """
    columns = "place, number, s0, s1, t0_ms, t1_ms, n, reason, body, times"
    row = cx.execute(
        f"INSERT INTO damaged ({columns}) {_COPY[found.table]} RETURNING n", (found.number, str(found))
    ).fetchone()
    if row is None:
        raise found
    tally.add(cx, {"measurements_damaged": row[0]})


def tend(cx: Connection, now_ms: int) -> int:
    """Note when rows came, drop those that had their time; how many there are."""
    if count(cx):
        cx.execute("UPDATE damaged SET at_ms = ? WHERE at_ms IS NULL", (now_ms,))
        cx.execute("DELETE FROM damaged WHERE at_ms < ?", (now_ms - KEPT_MS,))
    return count(cx)


def count(cx: Connection, schema: str = "main") -> int:
    """How many rows are set aside."""
    return int(cx.execute(f"SELECT count(*) FROM {schema}.damaged").fetchone()[0])


def aside(cx: Connection) -> list[Aside]:
    """Every row that is set aside, the oldest first."""
    return [Aside(*row) for row in cx.execute(f"{_ASIDE} ORDER BY damaged_id")]


def get(cx: Connection, damaged_id: int) -> Aside:
    """One of them. Raises StoreRefused when there is none of that number."""
    row = cx.execute(f"{_ASIDE} WHERE damaged_id = ?", (damaged_id,)).fetchone()
    if row is None:
        raise StoreRefused(f"no damaged row {damaged_id} is set aside: list them and take a number from there")
    return Aside(*row)


def dismiss(cx: Connection, damaged_id: int) -> None:
    """Let a row go before its time; that and why a person wants it stands in the operation log before."""
    cx.execute("DELETE FROM damaged WHERE damaged_id = ?", (damaged_id,))


def findings(cx: Connection, schema: str = "main") -> list[str]:
    """A sentence for each row that is set aside."""
    return [
        f"{place} {number} was set aside{_held(place, n, t0_ms, t1_ms)}: {reason}"
        for place, number, n, t0_ms, t1_ms, reason in cx.execute(
            f"SELECT place, number, n, t0_ms, t1_ms, reason FROM {schema}.damaged ORDER BY damaged_id"
        )
    ]


def _held(place: str, n: int, t0_ms: int, t1_ms: int) -> str:
    """Of a row of roll-ups only its body knows how many measurements are in it."""
    return "" if place == "rollup" else f" with {n} measurements from {t0_ms} to {t1_ms}"
