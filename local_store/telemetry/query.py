"""Reads measurements back: one series, or buckets of it for a plot, merged over tail, chunks and roll-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from local_store.sqlite import Connection
from local_store.telemetry.codec import Times, Values, decode
from local_store.telemetry.roll import in_order
from local_store.telemetry.tail import state

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """Samples of one stretch of time; `n` is 0 where nothing was measured, the rest is then NaN."""

    t_ms: int
    n: int
    v_min: float
    v_max: float
    v_mean: float


def read(cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str = "main") -> tuple[Times, Values]:
    """Samples with t0 <= t < t1, by time; of several at one millisecond the last that arrived."""
    times: list[Times] = []
    values: list[Values] = []
    chunks = cx.execute(
        f"SELECT body FROM {schema}.chunk WHERE series = ? AND t0_ms < ? AND t1_ms >= ? ORDER BY rowid",  # noqa: S608
        (series, t1_ms, t0_ms),
    )
    for (body,) in chunks:
        chunk_times, chunk_values = decode(body)
        inside = (chunk_times >= t0_ms) & (chunk_times < t1_ms)
        times.append(chunk_times[inside])
        values.append(chunk_values[inside])
    rolled = state(cx, schema)
    rows = cx.execute(
        f"SELECT t_ms, value FROM {schema}.tail WHERE series = ? AND t_ms >= ? AND t_ms < ? "  # noqa: S608
        "AND rowid > ? ORDER BY rowid",
        (series, t0_ms, t1_ms, rolled.upto if series <= rolled.series else 0),
    ).fetchall()
    times.append(np.array([row[0] for row in rows], dtype=np.int64))
    values.append(np.array([row[1] for row in rows], dtype=np.float64))
    return in_order(np.concatenate(times), np.concatenate(values))


def latest(cx: Connection, series: int, schema: str = "main") -> tuple[int, float] | None:
    """The newest sample by time, or None."""
    newest = cx.execute(
        f"SELECT max(t1_ms) FROM {schema}.chunk WHERE series = ?",  # noqa: S608
        (series,),
    ).fetchone()[0]
    tail = cx.execute(f"SELECT max(t_ms) FROM {schema}.tail WHERE series = ?", (series,)).fetchone()[0]  # noqa: S608
    found = [at for at in (newest, tail) if at is not None]
    if not found:
        return None
    times, values = read(cx, series, max(found), max(found) + 1, schema)
    return (int(times[-1]), float(values[-1])) if len(times) else None


def buckets(cx: Connection, series: int, t0_ms: int, t1_ms: int, count: int, schema: str = "main") -> list[Bucket]:
    """`count` equal stretches from t0 to t1, from samples where they are kept and from roll-ups before that."""
    width = max(1, -(-(t1_ms - t0_ms) // count))
    sums = np.zeros(count)
    numbers = np.zeros(count, dtype=np.int64)
    lows, highs = np.full(count, np.inf), np.full(count, -np.inf)
    times, values = read(cx, series, t0_ms, t1_ms, schema)
    at = (times - t0_ms) // width
    np.add.at(sums, at, values)
    np.add.at(numbers, at, 1)
    np.minimum.at(lows, at, values)
    np.maximum.at(highs, at, values)
    oldest = int(times[0]) if len(times) else t1_ms
    for t_ms, n, low, high, total in _rolled_up(cx, series, t0_ms, oldest, schema):
        slot = (t_ms - t0_ms) // width
        sums[slot] += total
        numbers[slot] += n
        lows[slot], highs[slot] = min(lows[slot], low), max(highs[slot], high)
    return [
        _bucket(t0_ms + slot * width, int(n), lows[slot], highs[slot], sums[slot]) for slot, n in enumerate(numbers)
    ]


def _bucket(t_ms: int, n: int, low: float, high: float, total: float) -> Bucket:
    if not n:
        return Bucket(t_ms, 0, np.nan, np.nan, np.nan)
    return Bucket(t_ms, n, float(low), float(high), float(total / n))


def _rolled_up(
    cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str
) -> list[tuple[int, int, float, float, float]]:
    """Quarter hours where they are kept, days before the first of them."""
    found: list[tuple[int, int, float, float, float]] = []
    for span_ms in (900_000, DAY_MS):
        rows = cx.execute(
            f"SELECT t_ms, n, v_min, v_max, v_sum FROM {schema}.rollup "  # noqa: S608
            "WHERE series = ? AND span_ms = ? AND t_ms >= ? AND t_ms < ? ORDER BY t_ms",
            (series, span_ms, t0_ms, t1_ms),
        ).fetchall()
        found += rows
        t1_ms = min(t1_ms, rows[0][0] // DAY_MS * DAY_MS) if rows else t1_ms
    return found
