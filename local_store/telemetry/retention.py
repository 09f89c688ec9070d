"""Drops raw chunks older than their keep after folding them into roll-ups, and roll-ups older than theirs.

Chunks are unpacked and roll-ups packed outside the transactions. Freed pages are used again by what arrives.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from local_store import tally
from local_store.db import Reader, Store
from local_store.errors import RowDamaged, StoreDamaged
from local_store.sqlite import Connection
from local_store.telemetry import chunks, damage, pace, rollup

FIRST_BITE: Final = 5
MOST_CHUNKS: Final = 25
MOST_ROLLUPS: Final = 200


class Drop(Protocol):
    """Deletes up to `limit` rows that have had their time; returns how many."""

    def __call__(self, cx: Connection, /, *, limit: int) -> int:
        """In the caller's transaction."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days each grain is kept."""

    raw_days: int = 30
    quarter_hour_days: int = 60
    day_days: int = 1830

    def days_of(self, span_ms: int) -> int:
        """The keep of one grain of roll-ups."""
        return self.quarter_hour_days if span_ms == rollup.QUARTER_MS else self.day_days


@dataclass(slots=True)
class _Slice:
    """What one transaction drops and what it puts in its place."""

    chunks: list[int] = field(default_factory=list)
    samples: int = 0
    damaged: list[RowDamaged] = field(default_factory=list)
    rollups: dict[rollup.Place, bytes] = field(default_factory=dict)


def drop(store: Store, keep: Keep, now_ms: int) -> Iterator[int]:
    """Drop everything that is too old now. Yields after each transaction the rows it dropped; the caller paces it.

    Transactions take less after one that kept others from writing for long (`pace.next_bite`).
    """
    most = FIRST_BITE
    with contextlib.closing(Reader(store.directory, store.key)) as reader:
        while (found := reader.read(partial(_expired, keep=keep, now_ms=now_ms, most=most))).chunks:
            _, held_ms = store.telemetry.bite(partial(_drop, found=found))
            most = pace.next_bite(most, held_ms, MOST_CHUNKS)
            yield len(found.chunks)
    for span_ms in rollup.ROW_MS:
        before_ms = now_ms - keep.days_of(span_ms) * rollup.DAY_MS
        yield from bites(store, partial(rollup.drop, span_ms=span_ms, before_ms=before_ms), MOST_ROLLUPS)


def bites(store: Store, drop_some: Drop, most: int) -> Iterator[int]:
    """Drop rows of `telemetry.db`, not too many at once, until there are none. Yields after each transaction."""
    rows = FIRST_BITE
    while True:
        dropped, held_ms = store.telemetry.bite(partial(drop_some, limit=rows))
        if not dropped:
            return
        rows = pace.next_bite(rows, held_ms, most)
        yield dropped


def _drop(cx: Connection, found: _Slice) -> None:
    for one in found.damaged:
        damage.keep(cx, one)
    chunks.remove(cx, found.chunks)
    rollup.save(cx, found.rollups)
    tally.add(cx, {"measurements_expired": found.samples})


def _expired(cx: Connection, keep: Keep, now_ms: int, most: int) -> _Slice:
    """The oldest chunks that have had their time, folded."""
    found = _Slice()
    parts: dict[rollup.Place, list[rollup.Slots]] = defaultdict(list)
    for chunk, series, n, body, shared in cx.execute(
        "SELECT chunk, series, n, c.body, t.body FROM tm.chunk c LEFT JOIN tm.times t ON t.times = c.times "
        "WHERE t1_ms < ? ORDER BY t1_ms LIMIT ?",
        (now_ms - keep.raw_days * rollup.DAY_MS, most),
    ).fetchall():
        found.chunks.append(chunk)
        try:
            times, values = chunks.opened(body, shared)
        except StoreDamaged as error:
            found.damaged.append(RowDamaged(f"series {series}: {error}", "chunk", chunk))
            continue
        found.samples += n
        for span_ms, row_ms in rollup.ROW_MS.items():
            for start, slots in rollup.rows_of(rollup.slots_of(times, values, span_ms), span_ms).items():
                if start + row_ms > now_ms - keep.days_of(span_ms) * rollup.DAY_MS:
                    parts[series, span_ms, start].append(slots)
    found.rollups = {place: _joined(cx, place, slots, found.damaged) for place, slots in parts.items()}
    return found


def _joined(cx: Connection, place: rollup.Place, slots: list[rollup.Slots], damaged: list[RowDamaged]) -> bytes:
    try:
        known = rollup.load(cx, place, "tm")
    except RowDamaged as error:
        # Its bytes are kept; without this nothing would ever be dropped again.
        damaged.append(error)
        known = None
    return rollup.pack(rollup.join(slots if known is None else [known, *slots]))
