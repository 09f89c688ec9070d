"""Moves the tail into compressed chunks, a few series per transaction, so that no writer waits long.

A roll first fixes `upto`, the last row it will take, then goes through the series in order. Every transaction
writes the chunks of some series and notes in `meta` how far it came: a kill at any moment leaves each sample in
the tail or in a chunk as far as readers are concerned, never in both. The rows themselves go at the end, in steps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from local_store.db import Database, Reader, Store
from local_store.sqlite import Connection
from local_store.telemetry.codec import Times, Values, decode, encode
from local_store.telemetry.tail import RollState, set_state, state

CHUNK_SAMPLES: Final = 1000
SMALL: Final = 500
SLICE_SERIES: Final = 64
SLICE_SAMPLES: Final = 60_000
PASS_SAMPLES: Final = 400_000
DELETE_ROWS: Final = 10_000
ROLL_ROWS: Final = 200_000
ROLL_PER_SERIES: Final = 60
ROLL_AGE_MS: Final = 6 * 3_600_000


@dataclass(frozen=True, slots=True)
class TailLook:
    """What decides whether to roll."""

    rows: int
    series: int
    oldest_ms: int | None


def look(cx: Connection) -> TailLook:
    """Measure the tail cheaply."""
    first, last = cx.execute("SELECT min(rowid), max(rowid) FROM tail").fetchone()
    if first is None:
        return TailLook(0, 0, None)
    oldest = cx.execute("SELECT t_ms FROM tail WHERE rowid = ?", (first,)).fetchone()[0]
    series = cx.execute("SELECT count(*) FROM series").fetchone()[0]
    return TailLook(last - first + 1, series, oldest)


def due(tail: TailLook, now_ms: int) -> bool:
    """Roll when chunks would be worth their size, or when samples have waited long enough."""
    if tail.oldest_ms is None:
        return False
    enough = max(ROLL_ROWS, ROLL_PER_SERIES * tail.series)
    return tail.rows >= enough or now_ms - tail.oldest_ms >= ROLL_AGE_MS


def roll(store: Store) -> Iterator[int]:
    """Roll everything that is in the tail now, or finish the roll a crash interrupted.

    Yields after each transaction the samples it moved; the caller paces itself between them. Only one roll runs at
    a time (the upkeep service's).
    """
    database = store.telemetry
    begun = database.write(_begin)
    if begun is None:
        return
    reader = Reader(store.directory, store.key)
    with contextlib.closing(reader):
        yield from _passes(database, reader, begun)
    while database.write(lambda cx: _delete(cx, begun.upto)):
        yield 0


def _passes(database: Database, reader: Reader, begun: RollState) -> Iterator[int]:
    while found := reader.read(lambda cx, at=begun: _next_pass(cx, at)):  # type: ignore[misc]
        for batch in _slices(*found):
            begun = RollState(begun.upto, batch[-1][0])
            moved, stage = sum(len(times) for _, times, _ in batch), begun
            database.write(lambda cx, batch=batch, stage=stage: _store(cx, batch, stage))  # type: ignore[misc]
            yield moved


def _begin(cx: Connection) -> RollState | None:
    """The state to go on from; a new roll starts at the tail's present end."""
    current = state(cx)
    if current.upto:
        return current
    last = cx.execute("SELECT max(rowid) FROM tail").fetchone()[0]
    if last is None:
        return None
    begun = RollState(last, 0)
    set_state(cx, begun)
    return begun


def _next_pass(cx: Connection, at: RollState) -> tuple[Times, Times, Values] | None:
    """Rows of the next series, as many series as fit into PASS_SAMPLES, sorted by series and arrival."""
    rows = cx.execute("SELECT min(rowid), count(*) FROM tm.tail WHERE rowid <= ?", (at.upto,)).fetchone()[1]
    low, high = cx.execute(
        "SELECT min(series), max(series) FROM tm.tail WHERE rowid <= ? AND series > ?", (at.upto, at.series)
    ).fetchone()
    if low is None:
        return None
    span = max(1, int((high - low + 1) * PASS_SAMPLES / max(rows, 1)))
    found = cx.execute(
        "SELECT series, t_ms, value FROM tm.tail WHERE rowid <= ? AND series BETWEEN ? AND ? ORDER BY rowid",
        (at.upto, low, low + span - 1),
    ).fetchall()
    table = np.array(found, dtype=[("series", "i8"), ("t", "i8"), ("v", "f8")])
    order = np.argsort(table["series"], kind="stable")
    return table["series"][order], table["t"][order], table["v"][order]


Part = tuple[int, Times, Values]


def _slices(series: Times, times: Times, values: Values) -> Iterator[list[Part]]:
    """Cut a pass into transactions by number of series and samples."""
    starts = np.flatnonzero(np.diff(series, prepend=series[0] - 1))
    ends = np.append(starts[1:], len(series))
    batch: list[Part] = []
    held = 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        batch.append((int(series[start]), times[start:end], values[start:end]))
        held += end - start
        if len(batch) >= SLICE_SERIES or held >= SLICE_SAMPLES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _store(cx: Connection, batch: list[Part], stage: RollState) -> None:
    for series, times, values in batch:
        _append_chunks(cx, series, times, values)
    set_state(cx, stage)


def _append_chunks(cx: Connection, series: int, times: Times, values: Values) -> None:
    """Write one series' samples; a small last chunk is taken up again so that slow series stay compact."""
    last = cx.execute(
        "SELECT rowid, n, body FROM chunk WHERE series = ? ORDER BY t0_ms DESC LIMIT 1", (series,)
    ).fetchone()
    if last is not None and last[1] < SMALL:
        old_times, old_values = decode(last[2])
        times, values = np.concatenate((old_times, times)), np.concatenate((old_values, values))
        cx.execute("DELETE FROM chunk WHERE rowid = ?", (last[0],))
    times, values = in_order(times, values)
    cuts = [slice(at, at + CHUNK_SAMPLES) for at in range(0, len(times), CHUNK_SAMPLES)]
    rows = [chunk_row(series, times[cut], values[cut]) for cut in cuts]
    cx.executemany(
        "INSERT INTO chunk (series, t0_ms, t1_ms, n, v_min, v_max, v_sum, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
    )


def chunk_row(series: int, times: Times, values: Values) -> tuple[int, int, int, int, float, float, float, bytes]:
    """One row of table chunk; the header columns answer minimum, maximum and mean without decoding."""
    body = encode(times, values)
    low, high, total = float(values.min()), float(values.max()), float(values.sum())
    return series, int(times[0]), int(times[-1]), len(times), low, high, total, body


def in_order(times: Times, values: Values) -> tuple[Times, Values]:
    """By time; of several samples of one millisecond the last arrival counts, (series, t_ms) is the identity."""
    if len(times) < 2 or bool((times[1:] > times[:-1]).all()):
        return times, values
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    keep = np.append(times[1:] != times[:-1], True)
    return times[keep], values[keep]


def _delete(cx: Connection, upto: int) -> bool:
    """Delete the next rolled rows; False when none are left and the roll is over.

    The state goes with the last row, in one transaction: an empty tail numbers its rows from 1 again, and a state
    that outlived it would hide them.
    """
    first = cx.execute("SELECT min(rowid) FROM tail").fetchone()[0]
    if first is not None and first <= upto:
        cx.execute("DELETE FROM tail WHERE rowid BETWEEN ? AND ?", (first, min(upto, first + DELETE_ROWS - 1)))
        first = cx.execute("SELECT min(rowid) FROM tail").fetchone()[0]
    if first is None or first > upto:
        set_state(cx, None)
        return False
    return True
